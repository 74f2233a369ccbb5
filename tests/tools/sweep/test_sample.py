import pytest

from tests.tools.sweep.conftest import runs
from tlhelpers.evidence.recorded import read_content, recorded
from tools.sweep import measure
from tools.sweep import sample as sampling
from tools.sweep.plan import SweepError
from tools.sweep.record import run_sweep, write_content
from tools.sweep.sample import sample, stamp_anew

pytestmark = pytest.mark.usefixtures("here")


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
    write_content(target, content)
    again = sample(path, tmp_path, choice=1)
    assert not again.agrees
    assert "DIFFERS" in str(again)


def test_the_sweeps_own_tolerance_counts(path, tmp_path):
    path.write_text(path.read_text() + '\nTOLERANCE = {"y": 0.5}\n')
    run_sweep(path, tmp_path)
    again = sample(path, tmp_path, choice=1)
    assert again.values["y"][2] == 0.5


def test_a_point_that_repeats_gives_the_file_a_new_stamp(path, tmp_path):
    run_sweep(path, tmp_path)
    target = tmp_path / "07-doubling.json"
    content = read_content(target)
    content["stamp"] |= {"commit": "an old one", "files": {"README.md": "another"}}
    write_content(target, content)
    stamp_anew(sample(path, tmp_path), tmp_path)
    stamped = read_content(target)
    assert stamped["stamp"]["commit"] == measure.commit()
    assert stamped["stamp"]["files"] == {}
    assert stamped["points"] == content["points"]


def test_a_point_that_does_not_repeat_makes_the_sweep_stale(path, tmp_path):
    run_sweep(path, tmp_path)
    target = tmp_path / "07-doubling.json"
    content = read_content(target)
    for point in content["points"]:
        point["values"]["y"] += 1
    write_content(target, content)
    stamp_anew(sample(path, tmp_path), tmp_path)
    assert "DIFFERS" in read_content(target)["stale"]["why"]
    assert "STALE" in repr(recorded("07-doubling", tmp_path))
    path.write_text(path.read_text().replace("range(3)", "range(4)"))
    with pytest.raises(SweepError, match="is stale"):
        run_sweep(path, tmp_path)


def test_one_commit_draws_one_point(path, tmp_path, monkeypatch):
    run_sweep(path, tmp_path)
    monkeypatch.setattr(sampling, "cheap_points", lambda content: content["points"])
    drawn = []
    for commit in ("abc", "abc", "def", "ghi", "jkl", "mno"):
        monkeypatch.setattr(sampling, "commit", lambda commit=commit: commit)
        drawn.append(str(sample(path, tmp_path).parameters))
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) > 1


def test_another_instruction_set_may_differ_as_a_further_seed(path, tmp_path):
    run_sweep(path, tmp_path)
    content = read_content(tmp_path / "07-doubling.json")
    (entry, *_), module = content["points"], measure.load_sweep(path)
    same = sampling.tolerance_of(module, content, entry, "y", same_instructions=True)
    other = sampling.tolerance_of(module, content, entry, "y", same_instructions=False)
    # Three seeds 0.1 apart: t of two degrees of freedom at 95 and 99 %.
    assert same == pytest.approx(4.303 * 0.1 / 3**0.5, rel=1e-3)
    assert other == pytest.approx(9.925 * 0.1 * (4 / 3) ** 0.5, rel=1e-3)
