import json
from pathlib import Path

import pytest

from tlhelpers.evidence.recorded import ResultsError, read_content, recorded
from tools import sweep
from tools.sweep import SWEEPS, SweepError, run_sweep, sample

SWEEP = '''"""Doubles a number."""


def points():
    return [{"x": x, "seed": seed} for x in (1, 2) for seed in range(3)]


def run(point):
    with open(LOG, "a") as log:
        log.write("+")
    return {"y": 2.0 * point["x"] + 0.1 * point["seed"], "seconds_fit": 5.0}
'''


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "07-doubling.py"
    log = tmp_path / "log"
    log.write_text("")
    path.write_text(SWEEP.replace("LOG", repr(str(log))))
    return path


def runs(path: Path) -> int:
    return len((path.parent / "log").read_text())


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
    sweep.write_content(tmp_path / "07-doubling.json", content)
    run_sweep(path, tmp_path)
    assert runs(path) == 3 + 1 + 3
    assert len(recorded("07-doubling", tmp_path).points) == 6


def _hash_of(path: Path, text: str) -> str:
    path.write_text(text)
    return sweep.code_hash(path)


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


def test_a_sampled_point_agrees_with_its_record(path, tmp_path):
    run_sweep(path, tmp_path)
    again = sample(path, tmp_path, choice=1)
    assert again.agrees
    assert set(again.values) == {"y"}, "times are not compared"
    assert runs(path) == 7


def test_a_sampled_point_that_drifts_is_found(path, tmp_path):
    run_sweep(path, tmp_path)
    target = tmp_path / "07-doubling.json"
    content = read_content(target)
    for point in content["points"]:
        point["values"]["y"] += 1
    sweep.write_content(target, content)
    again = sample(path, tmp_path, choice=1)
    assert not again.agrees
    assert "DIFFERS" in str(again)


def test_the_sweeps_own_tolerance_counts(path, tmp_path):
    path.write_text(path.read_text() + '\nTOLERANCE = {"y": 0.5}\n')
    run_sweep(path, tmp_path)
    again = sample(path, tmp_path, choice=1)
    assert again.values["y"][2] == 0.5


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
    assert sweep.find_sweeps(["7"], path.parent) == [path]
    assert sweep.find_sweeps(["07-doubling"], path.parent) == [path]
    with pytest.raises(SweepError, match="There are: 07-doubling"):
        sweep.find_sweeps(["8"], path.parent)


# The sweeps of the book ------------------------------------------------------------------------

FOUND = sweep.find_sweeps([])


@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.stem)
def test_recorded_points_are_those_of_the_present_code(path):
    target = sweep.RESULTS / f"{path.stem}.json"
    assert target.exists(), f"record it: python -m tools.sweep {path.stem}"
    content = read_content(target)
    assert content["code"] == sweep.code_hash(path), (
        f"{path.name} has changed: python -m tools.sweep {path.stem} --fresh"
    )
    planned = {sweep.point_key(p) for p in sweep.planned_points(sweep.load_sweep(path), path)}
    assert {sweep.point_key(entry["parameters"]) for entry in content["points"]} == planned


@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.stem)
def test_chosen_settings_are_those_that_did_best_on_validation(path):
    chosen = getattr(sweep.load_sweep(path), "CHOSEN", {})
    if not chosen:
        pytest.skip("this sweep chooses no setting")
    tuning = recorded(path.stem).select({"stage": "tune"})
    for method, rate in chosen.items():
        rows = tuning[tuning["method"] == method]
        assert not rows.empty, f"{path.name}: nothing recorded that chooses for {method!r}"
        best = rows.groupby("learning_rate")["validation_accuracy"].mean().idxmax()
        assert rate == best, f"{path.name}: CHOSEN[{method!r}] is {rate}, the best was {best}"


@pytest.mark.slow
@pytest.mark.real_assets
@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.stem)
def test_a_sampled_point_of_each_sweep_is_measured_again(path, monkeypatch):
    monkeypatch.setenv("TL_PROFILE", "tiny")
    again = sample(path)
    assert again.agrees, str(again)


def test_every_result_has_its_sweep():
    names = {path.stem for path in sweep.RESULTS.glob("*.json")}
    assert names <= {path.stem for path in SWEEPS.glob("*.py")}


def test_stored_json_has_one_point_a_line(path, tmp_path):
    run_sweep(path, tmp_path)
    lines = (tmp_path / "07-doubling.json").read_text().splitlines()
    assert len([line for line in lines if '"parameters"' in line]) == 6
    assert json.loads("\n".join(lines))["about"] == "Doubles a number."
