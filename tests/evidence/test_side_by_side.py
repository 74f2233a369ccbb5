"""Several numbers of a sweep, side by side."""

import pytest

from tests.evidence.test_recorded import folder as folder
from tests.evidence.test_recorded import sweep as sweep
from tlhelpers.evidence.recorded import ResultsError
from tlhelpers.evidence.side_by_side import measurements

METHODS = {"linear": {"method": "frozen"}, "all weights": {"method": "full"}}


def test_each_value_at_each_setting_with_its_interval(sweep):
    table = measurements(sweep, {"right": "accuracy"}, METHODS, {"labels": 100})
    assert list(table["setting"]) == ["linear", "all weights"]
    assert set(table["value"]) == {"right"}
    assert list(table["mean"]) == pytest.approx([0.721, 0.821])
    assert (table["low"] < table["mean"]).all() and (table["mean"] < table["high"]).all()


def test_differences_are_taken_seed_by_seed(sweep):
    where, minus = {"labels": 2000}, {"method": "frozen", "labels": 100}
    table = measurements(sweep, {"right": "accuracy"}, METHODS, where, minus)
    assert list(table["mean"]) == pytest.approx([0.019, 0.119])
    assert list(table["high"] - table["low"]) == pytest.approx([0, 0], abs=1e-9)


def test_a_setting_that_leaves_several_points_a_seed_is_refused(sweep):
    with pytest.raises(ResultsError, match="labels varies"):
        measurements(sweep, {"right": "accuracy"}, METHODS)
