import math

import pandas as pd
import pytest

from tlhelpers.evidence.recorded import Recorded
from tlhelpers.subjects.learning_curves import curves, labels_needed, price_list

CURVE = pd.DataFrame(
    {"labels": [100, 400, 1_600], "mean": [0.6, 0.7, 0.8], "low": [0.55, 0.65, 0.75]}
).assign(high=[0.65, 0.75, 0.85])


def test_a_measured_accuracy_needs_the_labels_it_was_measured_with():
    needed = labels_needed(CURVE, 0.7)
    assert needed.number == pytest.approx(400)
    assert needed.low == pytest.approx(200), "the upper end is there half way, on a log axis"
    assert needed.high == pytest.approx(800)
    assert str(needed) == "400 (200 to 800)"


def test_what_lies_outside_of_the_curve_is_not_made_up():
    assert str(labels_needed(CURVE, 0.5)) == "fewer than 100"
    assert str(labels_needed(CURVE, 0.9)) == "more than 1,600"
    assert str(labels_needed(CURVE, 0.78)).endswith("to over 1,600)")
    assert str(labels_needed(CURVE, 0.62)).endswith("(under 100 to 264)")
    assert labels_needed(CURVE, 0.82).number == math.inf > labels_needed(CURVE, 0.82).low


def test_more_labels_are_never_taken_for_less():
    dipping = CURVE.assign(mean=[0.6, 0.7, 0.69])
    assert labels_needed(dipping, 0.69).number == pytest.approx(100 * 4**0.9)
    assert math.isinf(labels_needed(dipping, 0.71).number)
    shuffled = CURVE.sample(frac=1, random_state=1)
    assert labels_needed(shuffled, 0.75) == labels_needed(CURVE, 0.75)


@pytest.mark.parametrize("accuracy", [0, 1, 80])
def test_an_accuracy_is_a_share(accuracy):
    with pytest.raises(ValueError, match="between 0 and 1"):
        labels_needed(CURVE, accuracy)
    with pytest.raises(ValueError, match="this has 1"):
        labels_needed(CURVE[:1], 0.7)


def test_curves_keep_the_order_of_methods_and_sort_the_labels():
    points = pd.DataFrame(
        [
            {"stage": "test", "method": name, "labels": labels, "seed": seed, "accuracy": score}
            for name, score in (("b", 0.6), ("a", 0.8))
            for labels in (400, 100)
            for seed in (0, 1)
        ]
    )
    sweep = Recorded("x", points, ("stage", "method", "labels", "seed"), ("accuracy",), {})
    found = curves(sweep, {"a": "one", "b": "other"}, {"stage": "test"})
    assert found["method"].tolist() == ["one", "one", "other", "other"]
    assert found["labels"].tolist() == [100, 400, 100, 400]
    assert found["mean"].tolist() == pytest.approx([0.8, 0.8, 0.6, 0.6])


def test_a_price_is_named_only_where_the_labels_are_known():
    two = pd.concat([CURVE.assign(method="one"), CURVE.assign(method="other", mean=0.9)])
    listed = price_list(two, 0.7, cents=50)
    assert listed["method"].tolist() == ["one", "other"]
    assert listed["dollars"].tolist() == ["$200", ""]
    assert listed["labels"][0] == "400 (200 to 800)"
