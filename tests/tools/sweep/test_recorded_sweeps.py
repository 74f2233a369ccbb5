"""The recorded sweeps of the book."""

import pytest

from tlhelpers.evidence.recorded import read_content, recorded
from tools.sweep.plan import (
    RESULTS,
    SWEEPS,
    code_hash,
    find_sweeps,
    load_sweep,
    planned_points,
    point_key,
)

# Written, and measured when the bars of its chapter stand. Take it out with its result.
NOT_YET_MEASURED: set[str] = set()
FOUND = [path for path in find_sweeps([]) if path.stem not in NOT_YET_MEASURED]


def test_what_is_not_yet_measured_has_no_result():
    assert not any((RESULTS / f"{name}.json").exists() for name in NOT_YET_MEASURED)


@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.stem)
def test_recorded_points_are_those_of_the_present_code(path):
    target = RESULTS / f"{path.stem}.json"
    assert target.exists(), f"record it: python -m tools.sweep {path.stem}"
    content = read_content(target)
    assert content["code"] == code_hash(path), (
        f"{path.name} has changed: python -m tools.sweep {path.stem} --fresh"
    )
    assert "stale" not in content, content["stale"]["why"]
    planned = {point_key(p) for p in planned_points(load_sweep(path), path)}
    assert {point_key(entry["parameters"]) for entry in content["points"]} == planned


@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.stem)
def test_chosen_settings_are_those_that_did_best_on_validation(path):
    sweep = load_sweep(path)
    chosen, score = getattr(sweep, "CHOSEN", {}), getattr(sweep, "CHOSEN_BY", "validation_accuracy")
    if not chosen:
        pytest.skip("this sweep chooses no setting")
    tuning = recorded(path.stem).select({"stage": "tune"})
    for method, rate in chosen.items():
        rows = tuning[tuning["method"] == method]
        assert not rows.empty, f"{path.name}: nothing recorded that chooses for {method!r}"
        best = rows.groupby("learning_rate")[score].mean().idxmax()
        assert rate == best, f"{path.name}: CHOSEN[{method!r}] is {rate}, the best was {best}"


def test_the_healthy_rate_is_the_best_of_the_four_after_three_epochs():
    if "13-catastrophic-forgetting" in NOT_YET_MEASURED:
        pytest.skip("the grid that it is chosen from is not measured yet")
    names = ("13-catastrophic-forgetting", "13-rules-switched-off")
    grid, rules = (load_sweep(SWEEPS / f"{name}.py") for name in names)
    after_three = recorded(names[0]).select({"epochs": 3})
    four = after_three[after_three["learning_rate"].isin(grid.RATES)]
    assert four.groupby("learning_rate")["validation_accuracy"].mean().idxmax() == rules.HEALTHY


def test_full_fine_tuning_of_chapter_7_is_tuned_in_chapter_18():
    names = ("07-fine-tuning-strategies", "18-transfer-vs-scratch")
    ours, theirs = (load_sweep(SWEEPS / f"{name}.py") for name in names)
    assert theirs.CHOSEN["full"] == ours.FULL_RATE
    assert {labels: theirs.EPOCHS[labels] for labels in ours.EPOCHS} == ours.EPOCHS
    tried = {method: len(rates) for method, rates in ours.RATES.items()}
    assert tried.pop("prefix") == 6  # the highest of its first four, and of five, did best
    assert set(tried.values()) == {len(theirs.RATES["full"])}
    assert (ours.BATCH_SIZE, ours.MAX_LENGTH) == (theirs.BATCH_SIZE, theirs.MAX_LENGTH)


def test_chapter_5_trains_by_the_recipe_of_chapter_13():
    one_step, rules = (
        load_sweep(SWEEPS / f"{name}.py") for name in ("05-one-step-wrong", "13-rules-switched-off")
    )
    assert one_step.RECIPE == {"learning_rate": rules.HEALTHY, **rules.RECIPE}


def test_every_result_has_its_sweep():
    names = {path.stem for path in RESULTS.glob("*.json")}
    assert names <= {path.stem for path in SWEEPS.glob("*.py")}
