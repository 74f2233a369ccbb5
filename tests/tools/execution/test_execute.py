"""A chapter runs when something that it read has changed, and only then."""

import json
import os
import signal
import subprocess
import sys
import time

import nbformat
import psutil
import pytest

from tools.execution import execute, freshness
from tools.execution.run_chapter import graft
from tools.project import Project

PARAMETERS = ("profile = 'auto'", ["parameters"])


def write_chapter(project, *cells, slug="10-demo"):
    notebook = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    )
    for cell in cells:
        source, tags = cell if isinstance(cell, tuple) else (cell, [])
        if source.startswith("# "):
            notebook.cells.append(nbformat.v4.new_markdown_cell(source))
        else:
            metadata = {"tags": tags} if tags else {}
            notebook.cells.append(nbformat.v4.new_code_cell(source, metadata=metadata))
    path = project.notebook(slug)
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)


def outputs(project, slug="10-demo"):
    notebook = nbformat.read(project.executed(slug, "tiny"), as_version=4)
    return [
        "".join(o.get("text", "") for o in c.outputs)
        for c in notebook.cells
        if c.cell_type == "code"
    ]


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path / "checkout")


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A chapter after one good run."""
    project = Project(tmp_path_factory.mktemp("checkout"))
    package = project.root / "src" / "demo_helpers"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("VALUE = 1\n")
    (package / "unused.py").write_text("VALUE = 2\n")
    for folder in ("listed", "not_listed"):
        (package / folder).mkdir()
        (package / folder / "one.yaml").write_text("{}")
    results = project.root / "book" / "results"
    results.mkdir(parents=True)
    (results / "demo.json").write_text('{"accuracy": 0.8}')
    (results / "other.json").write_text("{}")
    write_chapter(
        project,
        "# A page",
        PARAMETERS,
        f"import sys; sys.path.insert(0, {str(project.root / 'src')!r})",
        "import demo_helpers, numpy, os, torch",
        f"len(os.listdir({str(package / 'listed')!r}))",
        f"print(open({str(results / 'demo.json')!r}).read())",
        "print(profile, os.environ['TL_STATIC'], os.environ['OMP_NUM_THREADS'], os.listdir())",
    )
    assert execute.main(["--jobs", "1"], project) == 0
    return project


def test_the_chapter_gets_the_profile_and_an_empty_folder(ran):
    assert outputs(ran)[-1] == "tiny 1 1 []\n"


def test_no_trace_of_the_machinery_is_left_in_the_notebook(ran):
    text = ran.executed("10-demo", "tiny").read_text()
    assert "papermill" not in text
    assert "injected-parameters" not in text
    assert str(ran.root) not in text.replace(str(ran.root / "src"), "").replace(
        str(ran.root / "book"), ""
    )


def test_the_record_names_what_was_read_and_nothing_else(ran):
    record = json.loads(ran.run_record("10-demo", "tiny").read_text())
    assert set(record["files"]) == {
        "src/demo_helpers/__init__.py",
        "src/demo_helpers/listed",
        "book/results/demo.json",
    }
    assert "numpy" in record["versions"]
    assert record["seconds"] > 0
    assert 30e6 < record["peak_bytes"] < 2e9


def test_it_does_not_run_again(ran, capsys):
    assert freshness.why_stale(ran, "10-demo", "tiny") is None
    before = ran.run_record("10-demo", "tiny").stat().st_mtime_ns
    assert execute.main([], ran) == 0
    assert "unchanged" in capsys.readouterr().out
    assert ran.run_record("10-demo", "tiny").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("src/demo_helpers/__init__.py", "src/demo_helpers/__init__.py changed"),
        ("book/results/demo.json", "book/results/demo.json changed"),
        ("src/demo_helpers/unused.py", None),
        ("src/demo_helpers/listed/one.yaml", None),
        ("book/results/other.json", None),
    ],
)
def test_only_a_file_that_it_read_makes_it_stale(ran, file, reason):
    path = ran.root / file
    before = path.read_text()
    path.write_text(before + "\n")
    try:
        assert freshness.why_stale(ran, "10-demo", "tiny") == reason
    finally:
        path.write_text(before)


@pytest.mark.parametrize(("folder", "stale"), [("listed", True), ("not_listed", False)])
def test_an_entry_more_concerns_a_page_that_lists_them(ran, folder, stale):
    path = ran.root / "src" / "demo_helpers" / folder / "two.yaml"
    path.write_text("{}")
    try:
        assert bool(freshness.why_stale(ran, "10-demo", "tiny")) == stale
    finally:
        path.unlink()


def test_a_file_that_is_gone_makes_it_stale(ran):
    path = ran.root / "book/results/demo.json"
    path.rename(path.with_suffix(".away"))
    try:
        assert freshness.why_stale(ran, "10-demo", "tiny") == "book/results/demo.json changed"
    finally:
        path.with_suffix(".away").rename(path)


def test_another_version_of_a_library_makes_it_stale(ran, monkeypatch):
    installed = freshness.installed_version
    monkeypatch.setattr(
        freshness,
        "installed_version",
        lambda name: "9.9" if name == "numpy" else installed(name),
    )
    assert freshness.why_stale(ran, "10-demo", "tiny").startswith("numpy ")


@pytest.mark.parametrize(
    ("name", "before", "reason"),
    [
        ("precision", "bf16", "precision bf16 became fp32"),
        ("threads", 2, "threads 2 became 1"),
        ("instructions", "another", None),
    ],
)
def test_another_precision_or_number_of_threads_makes_it_stale(ran, name, before, reason):
    path = ran.run_record("10-demo", "tiny")
    kept = path.read_text()
    record = json.loads(kept)
    assert record["arithmetic"]["threads"] == 1
    try:
        path.write_text(json.dumps(record | {"arithmetic": record["arithmetic"] | {name: before}}))
        assert freshness.why_stale(ran, "10-demo", "tiny") == reason
    finally:
        path.write_text(kept)


@pytest.mark.slow
def test_a_file_edited_while_its_cell_runs_makes_the_page_stale(project):
    read = project.root / "book" / "results" / "demo.json"
    read.parent.mkdir(parents=True)
    read.write_text("1")
    write_chapter(project, f"p = {str(read)!r}; print(open(p).read()); open(p, 'w').write('2')")
    assert execute.main([], project) == 0
    assert freshness.why_stale(project, "10-demo", "tiny") == "book/results/demo.json changed"


def test_edited_prose_reaches_the_page_without_a_run(ran):
    path = ran.notebook("10-demo")
    before = path.read_text()
    path.write_text(before.replace("# A page", "# A better page"))
    try:
        assert freshness.why_stale(ran, "10-demo", "tiny") is None
        kept = outputs(ran)
        assert execute.main([], ran) == 0
        assert "# A better page" in ran.executed("10-demo", "tiny").read_text()
        assert outputs(ran) == kept
    finally:
        path.write_text(before)


def test_edited_code_or_tags_make_it_stale(ran):
    path = ran.notebook("10-demo")
    before = path.read_text()
    for old, new in [("print(profile", "print(profile, 2"), ('"parameters"', '"other"')]:
        assert old in before
        path.write_text(before.replace(old, new))
        assert freshness.why_stale(ran, "10-demo", "tiny") == "its code changed"
    path.write_text(before)


def test_the_limits_of_a_page_are_judged_by_its_record(ran, capsys):
    assert execute.limits_broken(ran, "10-demo", "tiny") == []
    path = ran.run_record("10-demo", "tiny")
    before = path.read_text()
    record = json.loads(before)
    try:
        path.write_text(json.dumps(record | {"seconds": 239}))
        assert execute.limits_broken(ran, "10-demo", "tiny") == []
        path.write_text(json.dumps(record | {"seconds": 250, "others": 0.05, "peak_bytes": 3e9}))
        slow, large = execute.limits_broken(ran, "10-demo", "tiny")
        assert "the limit is 240 s" in slow.what and slow.counts
        assert "3.00 GB" in large.what and large.counts
        assert execute.main([], ran) == 1
        path.write_text(json.dumps(record | {"seconds": 250, "others": 0.3}))
        (slow,) = execute.limits_broken(ran, "10-demo", "tiny")
        assert "Other work took 30%" in slow.what and not slow.counts
        assert execute.main([], ran) == 0, "on a busy machine it is reported, no failure"
        assert "OVER THE LIMIT (reported only" in capsys.readouterr().err
    finally:
        path.write_text(before)


@pytest.mark.slow
def test_a_failing_cell_is_shown_and_the_last_good_run_is_kept(project, capsys):
    write_chapter(project, "print('good')")
    assert execute.main([], project) == 0
    good = project.executed("10-demo", "tiny").read_bytes()
    write_chapter(project, "print('before')", "labels = []\nlabels[3]")
    assert execute.main([], project) == 1
    said = capsys.readouterr()
    assert "    labels[3]" in said.out
    assert "IndexError" in said.out
    assert "10-demo" in said.err
    assert project.executed("10-demo", "tiny").read_bytes() == good
    partial = project.failed("10-demo", "tiny").read_text()
    assert "before" in partial
    # The good run belongs to code that is gone: the next call must not take it for this one.
    assert freshness.why_stale(project, "10-demo", "tiny") == "its code changed"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("category", "fails"),
    [("FutureWarning", True), ("DeprecationWarning", True), ("UserWarning", False)],
)
def test_a_warning_of_a_coming_break_fails_the_page(project, category, fails):
    write_chapter(project, f"import warnings\nwarnings.warn('soon', {category})")
    assert execute.main([], project) == int(fails)


def test_the_heaviest_chapter_goes_first_and_an_unknown_one_before_it(project):
    for slug, seconds in [("01-light", 6), ("02-heavy", 9)]:
        path = project.run_record(slug, "tiny")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"seconds": seconds}))
    order = execute.heaviest_first(project, ["01-light", "02-heavy", "03-new"], "tiny")
    assert order == ["03-new", "02-heavy", "01-light"]


def test_outputs_are_not_put_on_a_cell_that_changed():
    def notebook(source, text=None):
        cell = nbformat.v4.new_code_cell(source)
        if text:
            cell.outputs = [nbformat.v4.new_output("stream", text=text)]
        return nbformat.v4.new_notebook(cells=[cell])

    assert graft(notebook("1"), notebook("1", "one")).cells[0].outputs[0].text == "one"
    assert graft(notebook("2"), notebook("1", "one")).cells[0].outputs == []


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_stopping_leaves_no_kernel_behind(project, sent):
    write_chapter(project, "print('started', flush=True)\nwhile True: pass")
    code = (
        "import signal, sys; from pathlib import Path; from tools.execution import execute; "
        "from tools.project import Project; "
        # A shell starts background jobs with Ctrl-C ignored, and these tests may run in one.
        "signal.signal(signal.SIGINT, signal.default_int_handler); "
        f"sys.exit(execute.main([], Project(Path({str(project.root)!r}))))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=Project().root, stdout=subprocess.DEVNULL
    )
    parent = psutil.Process(process.pid)
    deadline = time.monotonic() + 30
    while len(parent.children(recursive=True)) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    family = parent.children(recursive=True)
    assert len(family) >= 2, "the chapter's process and its kernel"
    os.kill(process.pid, sent)
    assert process.wait(timeout=15) == 130
    _, alive = psutil.wait_procs(family, timeout=5)
    assert alive == []
    assert not project.run_record("10-demo", "tiny").exists()


@pytest.mark.slow
def test_a_page_that_fails_against_the_miniature_hub_is_named(project, monkeypatch, capsys):
    from tools.execution import miniature

    write_chapter(project, PARAMETERS, "import os; assert os.environ['TL_PROFILE'] == 'full'")
    write_chapter(project, "1 / 0", "print('not reached')", slug="11-fails")
    monkeypatch.setattr(miniature, "build_hub", lambda folder: {"TL_PROFILE": "full"})
    assert miniature.main([], project) == 1
    said = capsys.readouterr().out
    assert "10-demo: 2 passed" in said
    assert "ZeroDivisionError" in said
    assert "1 passed, 1 failed" in said
    assert miniature.main(["10"], project) == 0
