import json

import pytest

from tests.tools.sweep.conftest import runs
from tests.tools.test_register import WAITS
from tlhelpers.evidence.ledger import load_ledger
from tlhelpers.evidence.recorded import ResultsError, read_content, recorded
from tools.project import UserError
from tools.register import bars_of_sweep, freeze, frozen_bars
from tools.sweep import plan, record
from tools.sweep.plan import SweepError
from tools.sweep.record import run_sweep, state, why_due, write_content
from tools.sweep.sample import sample

pytestmark = pytest.mark.usefixtures("here")


def test_every_point_is_measured_once_and_recorded(path, tmp_path):
    assert run_sweep(path, tmp_path) == 0
    assert run_sweep(path, tmp_path) == 0
    assert runs(path) == 6
    table = recorded("07-doubling", tmp_path).summary(["x"], "y")
    assert list(table["mean"]) == pytest.approx([2.1, 4.1])
    assert list(table.seeds) == [3, 3]


def test_where_it_was_measured_is_recorded(path, tmp_path):
    run_sweep(path, tmp_path)
    meta = recorded("07-doubling", tmp_path).meta
    assert {"processor", "cores", "threads", "versions", "commit", "when"} <= meta.keys()
    assert meta["versions"]["torch"]
    assert len(meta["commit"]) == 40 or meta["commit"] == "unknown"


def test_a_stopped_sweep_keeps_its_points_and_goes_on(path, tmp_path):
    broken = path.read_text().replace("    return {", '    assert point["x"] == 1\n    return {')
    whole = path.read_text()
    path.write_text(broken)
    with pytest.raises(AssertionError):
        run_sweep(path, tmp_path)
    content = read_content(tmp_path / "07-doubling.json")
    assert len(content["points"]) == 3
    # Same code again, as after a power cut.
    content["code"] = _hash_of(path, whole)
    write_content(tmp_path / "07-doubling.json", content)
    run_sweep(path, tmp_path)
    assert runs(path) == 3 + 1 + 3
    assert len(recorded("07-doubling", tmp_path).points) == 6


def _hash_of(path, text):
    path.write_text(text)
    return plan.code_hash(path)


def test_time_can_be_limited(path, tmp_path):
    assert run_sweep(path, tmp_path, minutes=-1) == 6
    assert not (tmp_path / "07-doubling.json").exists()


def test_points_of_different_code_do_not_mix(path, tmp_path):
    run_sweep(path, tmp_path)
    path.write_text(path.read_text().replace("2.0 *", "3.0 *"))
    with pytest.raises(SweepError, match="--fresh"):
        run_sweep(path, tmp_path)
    with pytest.raises(SweepError, match="--fresh"):
        sample(path, tmp_path)
    run_sweep(path, tmp_path, fresh=True)
    assert recorded("07-doubling", tmp_path).statistic("y", {"x": 2, "seed": 0}) == 6.0


def test_more_points_keep_those_there_are(path, tmp_path):
    run_sweep(path, tmp_path)
    path.write_text(path.read_text().replace("range(3)", "range(4)"))
    assert run_sweep(path, tmp_path) == 0
    assert runs(path) == 8  # six, and the two of the new seed


def test_a_changed_constant_that_run_reaches_is_different_code(path, tmp_path):
    path.write_text(path.read_text().replace("2.0 *", "FACTOR *") + "\nFACTOR = 2.0\n")
    run_sweep(path, tmp_path)
    path.write_text(path.read_text().replace("FACTOR = 2.0", "FACTOR = 3.0"))
    with pytest.raises(SweepError, match="--fresh"):
        run_sweep(path, tmp_path)


def test_a_comment_is_not_different_code(path, tmp_path):
    run_sweep(path, tmp_path)
    path.write_text(path.read_text() + "\n# a comment\n")
    assert run_sweep(path, tmp_path) == 0
    assert runs(path) == 6


def test_an_edited_record_is_not_continued(path, tmp_path):
    run_sweep(path, tmp_path)
    target = tmp_path / "07-doubling.json"
    target.write_text(target.read_text().replace('"y": 2.0', '"y": 2.5', 1))
    with pytest.raises(ResultsError, match="checksum"):
        run_sweep(path, tmp_path)


def test_what_a_point_computed_with_is_recorded(path, tmp_path):
    run_sweep(path, tmp_path)
    (where,) = read_content(tmp_path / "07-doubling.json")["environments"]
    assert (where["device"], where["precision"], where["threads"]) == ("cpu", "fp32", 1)
    assert where["instructions"]


RIGHT = """return {"accuracy": Right.of([1, 1, 0, point["x"] == 2], "abcd"), "y": 1.0}
"""


def test_which_texts_were_right_is_stored_and_read_back(path, tmp_path):
    text = path.read_text()
    path.write_text(text[: text.index('return {"y"')] + RIGHT)
    run_sweep(path, tmp_path)
    content = read_content(tmp_path / "07-doubling.json")
    first = content["points"][0]
    assert first["values"] == {"accuracy": 0.5, "y": 1.0}
    assert first["right"]["accuracy"]["bits"] == "c0", "1100, filled up to a byte"
    assert content["test_sets"] == {first["right"]["accuracy"]["texts"]: 4}
    sweep = recorded("07-doubling", tmp_path)
    assert sweep.measurement("accuracy", {"x": 2}, minus={"x": 1}).interval.mean == 0.25


def test_a_sweep_holds_until_what_it_was_measured_with_changes(path, tmp_path):
    run_sweep(path, tmp_path)
    content = read_content(tmp_path / "07-doubling.json")
    assert why_due(content) is None and state(content) == "holds"
    stamp = content["stamp"]
    for change, reason in [
        ({"files": {"README.md": "another"}}, "README.md changed"),
        ({"precision": "bf16"}, "precision bf16 became fp32"),
        ({"threads": 2}, "threads 2 became 1"),
        ({"versions": {"torch": "1.0"}}, "versions"),
    ]:
        assert reason in why_due({**content, "stamp": stamp | change})
    del content["stamp"]
    assert "no stamp" in why_due(content)


def test_due_points_stay_but_get_no_company(path, tmp_path):
    run_sweep(path, tmp_path)
    target = tmp_path / "07-doubling.json"
    content = read_content(target)
    content["stamp"]["files"] = {"README.md": "another"}
    write_content(target, content)
    assert run_sweep(path, tmp_path) == 0, "nothing is missing"
    path.write_text(path.read_text().replace("range(3)", "range(4)"))
    with pytest.raises(SweepError, match=r"is due: README.md changed.*SAMPLE=1"):
        run_sweep(path, tmp_path)
    assert runs(path) == 6


def test_points_of_unknown_precision_are_counted(path, tmp_path):
    run_sweep(path, tmp_path)
    content = read_content(tmp_path / "07-doubling.json")
    content["environments"][0]["precision"] = "unknown"
    assert state(content) == "holds; precision unknown of 6 points"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('"seed": seed', '"sed": seed'), "has no seed"),
        (("(1, 2)", "(1, 1)"), "twice"),
        (("def run(", "def rum("), r"no function run\(\)"),
        (('2.0 * point["x"]', 'float("nan")'), "nothing is stored"),
    ],
)
def test_a_bad_sweep_says_what_to_mend(path, tmp_path, change, message):
    path.write_text(path.read_text().replace(*change))
    with pytest.raises(SweepError, match=message):
        run_sweep(path, tmp_path)


def test_sweeps_are_found_by_chapter_and_by_name(path):
    assert plan.find_sweeps(["7"], path.parent) == [path]
    assert plan.find_sweeps(["07-doubling"], path.parent) == [path]
    with pytest.raises(SweepError, match="There are: 07-doubling"):
        plan.find_sweeps(["8"], path.parent)


def test_stored_json_has_one_point_a_line(path, tmp_path):
    run_sweep(path, tmp_path)
    lines = (tmp_path / "07-doubling.json").read_text().splitlines()
    assert len([line for line in lines if '"parameters"' in line]) == 6
    assert json.loads("\n".join(lines))["about"] == "Doubles a number."


@pytest.fixture
def claims(tmp_path, monkeypatch):
    """Give a ledger with one entry that waits for the sweep."""
    folder = tmp_path / "claims"
    folder.mkdir()
    (folder / "07-fine-tuning-strategies.yaml").write_text(WAITS)
    monkeypatch.setattr(record, "bars_of_sweep", lambda name: bars_of_sweep(name, folder))
    return folder


def test_a_sweep_whose_bars_are_not_frozen_does_not_start(path, tmp_path, claims):
    with pytest.raises(UserError, match=r"07-doubles.*is not frozen"):
        run_sweep(path, tmp_path)
    assert runs(path) == 0 and not (tmp_path / "07-doubling.json").exists()


def test_a_sweep_keeps_the_digests_of_the_bars_that_it_settles(path, tmp_path, claims):
    freeze(load_ledger(claims))
    run_sweep(path, tmp_path)
    content = read_content(tmp_path / "07-doubling.json")
    assert content["registered"] == frozen_bars(claims)
    assert recorded("07-doubling", tmp_path).meta["registered"] == frozen_bars(claims)
    assert "before bars were frozen" not in state(content)
    del content["registered"]
    assert state(content).endswith("recorded before bars were frozen")


@pytest.mark.parametrize("stage", ["tune", "test"])
def test_a_bar_may_be_frozen_until_a_point_counts(path, tmp_path, claims, stage):
    freeze(load_ledger(claims))
    points = f'[{{"stage": "{stage}", "x": 1, "seed": 0}}]'
    path.write_text(path.read_text().replace("return [", f"return {points} #", 1))
    run_sweep(path, tmp_path)
    (claims / "08-lora-maths.yaml").write_text(WAITS.replace("07-doubles", "08-doubles"))
    freeze(load_ledger(claims))
    path.write_text(path.read_text().replace("#", '+ [{"stage": "test", "x": 2, "seed": 0}] #'))
    run_sweep(path, tmp_path)
    kept = read_content(tmp_path / "07-doubling.json")["registered"]
    assert ("08-doubles" in kept) == (stage == "tune")
