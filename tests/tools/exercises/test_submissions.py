"""Every kind of notebook gets the points that it should, and harms nothing."""

import json
import socket

import psutil
import pytest

from tests.tools.exercises.masters import CONTAINED
from tests.tools.exercises.submissions import all_submissions
from tools.exercises.grade import Grading, grade
from tools.exercises.sandbox import Limits


@CONTAINED
@pytest.mark.slow
def test_every_submission_gets_its_points_and_harms_nothing(built, tmp_path):
    folder, output = tmp_path / "submissions", tmp_path / "grades"
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        submissions = all_submissions(built, folder, server.getsockname()[1])
        for one in submissions:
            path = folder / one.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(one.notebook), "utf-8")
        before = {path: path.stat().st_size for path in tmp_path.rglob("*")}
        masters = {path: path.stat().st_size for path in built.root.rglob("*")}

        grades = {}
        # Nothing but the endless ones takes seconds where PyTorch is not imported.
        for part, seconds in (("small", 8), ("lora", 120)):
            grading = Grading(built, limits=Limits(seconds, memory=1.5))
            graded = grade(grading, folder / part, output / part)
            grades |= {f"{part}/{one.file}": one for one in graded}

        with pytest.raises(BlockingIOError):  # nobody has called
            server.accept()
    given = {name: round(sum(one.points.values()), 2) for name, one in grades.items()}
    assert given == {one.file: round(one.points, 2) for one in submissions}
    assert not [one.error for one in grades.values() if one.error]
    for one in submissions:
        part, _, file = one.file.partition("/")
        read = (output / part / "feedback" / file).with_suffix(".md").read_text("utf-8")
        for part in one.reads:
            assert part in read.replace("\\", ""), f"{one.file} does not say {part!r}:\n{read}"

    assert {path: path.stat().st_size for path in before} == before
    assert {path: path.stat().st_size for path in built.root.rglob("*")} == masters
    assert not list(folder.rglob("left-by-a-student"))
    assert not [p for p in psutil.process_iter(["cmdline"]) if "98765" in (p.info["cmdline"] or [])]
