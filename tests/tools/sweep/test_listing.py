import numpy as np
import pytest
from datasets import Dataset

from tools.project import Project
from tools.sweep import listing
from tools.sweep.listing import in_order_of, run_listing
from tools.sweep.plan import SweepError


@pytest.fixture
def small(tmp_path, monkeypatch):
    project = Project(tmp_path)
    project.listing("x").parent.mkdir(parents=True)
    project.listing("99-small").write_text(
        "seed, n = 0, 2\nopen('made', 'w').close()\ny = seed + n\n"
    )
    monkeypatch.setattr(listing, "Project", lambda: project)
    return project


def test_a_listing_runs_with_another_seed_and_leaves_nothing(small, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_listing("99-small", {"seed, n = 0,": "seed, n = 40,"})["y"] == 42
    assert not list(tmp_path.rglob("made"))


@pytest.mark.parametrize("old", ["seed = 0", "e"])
def test_a_listing_that_sets_its_seed_in_another_way_is_refused(small, old):
    with pytest.raises(SweepError, match="not once"):
        run_listing("99-small", {old: "seed = 1"})


def test_answers_go_back_to_their_texts():
    test = Dataset.from_dict({"text": [str(i) for i in range(9)]})
    asked = [int(text) for text in test.shuffle(seed=0)[:5]["text"]]
    ordered = in_order_of(test, [number % 2 == 0 for number in asked])
    assert set(np.flatnonzero(ordered)) == {number for number in asked if number % 2 == 0}
