"""Bars: the verdict follows from where the whole 95 % interval lies, and is never typed."""

import math

import numpy as np
import pandas as pd
import pytest

from tests.evidence.small_ledger import MEASURED, record, write
from tlhelpers.evidence.bars import Registered, all_of, verdict_on
from tlhelpers.evidence.ledger import LedgerError, load_ledger
from tlhelpers.evidence.recorded import Measurement
from tlhelpers.metrics import Interval, mean_interval

YES, NO, OPEN = "confirmed", "refuted here", "not shown at this scale"
SPREAD = np.array([-0.02, -0.01, 0.0, 0.01, 0.02])  # its 95 % interval: 0.0196 to either side


@pytest.mark.parametrize(
    ("bar", "margin", "right", "straddling", "wrong"),
    [
        ("{above: 0.5}", None, 0.53, 0.51, 0.47),
        ("{below: 0.5}", None, 0.47, 0.49, 0.53),
        ("{between: [0.5, 0.6]}", None, 0.55, 0.59, 0.63),
        ("{equals: 0.5}", 0.05, 0.51, 0.54, 0.58),
        ("{equals: 0.5}", 0.01, None, 0.50, 0.54),  # level, but the interval is too wide to say so
    ],
)
def test_the_whole_interval_decides(folder, bar, margin, right, straddling, wrong):
    text = MEASURED.replace("{above: 0.05}", bar + (f"\n    margin: {margin}" if margin else ""))
    text = text.replace(", minus: {rank: 1}", "")
    for mean, verdict in ((right, YES), (straddling, OPEN), (wrong, NO)):
        if mean is not None:
            record(folder, {8: mean + SPREAD})
            assert load_ledger(write(folder, text))["08-measured"].verdict == verdict, mean


EACH = MEASURED.replace(
    "{above: 0.05}", "{each: {one: {above: 0.5}, eight: {equals: 0.7}}}\n    margin: 0.05"
).replace(
    "where: {rank: 8}, minus: {rank: 1}",
    "parts: {one: {where: {rank: 1}}, eight: {where: {rank: 8}}}",
)


@pytest.mark.parametrize(
    ("one", "eight", "verdict"),
    [(0.6, 0.7, YES), (0.51, 0.7, OPEN), (0.6, 0.8, NO), (0.51, 0.8, NO)],
)
def test_each_part_must_hold_and_one_that_fails_refutes(folder, one, eight, verdict):
    record(folder, {1: one + SPREAD, 8: eight + SPREAD})
    entry = load_ledger(write(folder, EACH))["08-measured"]
    assert entry.verdict == verdict
    assert entry.judgement.value == pytest.approx({"one": one, "eight": eight})
    said = str(entry.judgement)
    assert said.startswith("95 % intervals over 5 seeds: one ") and "(bar: above 0.5)" in said


def test_a_part_may_be_the_difference_of_two_others(folder):
    text = EACH.replace("eight: {equals", "gap: {above: 0.15}, eight: {equals")
    text = text.replace("parts: {", "parts: {gap: {difference: [eight, one]}, ")
    record(folder, {1: 0.55 + SPREAD, 8: 0.7 + SPREAD})
    entry = load_ledger(write(folder, text))["08-measured"]
    assert entry.judgement.value == pytest.approx({"one": 0.55, "eight": 0.7, "gap": 0.15})
    for unknown in ("[eight]", "[eight, two]", "[eight, gap]"):
        with pytest.raises(LedgerError, match=r"difference.*Two of: gap, one, eight"):
            load_ledger(write(folder, text.replace("[eight, one]", unknown)))


ORDER = MEASURED.replace("{above: 0.05}", "{order: [high, middle, low]}").replace(
    "where: {rank: 8}, minus: {rank: 1}",
    "parts: {high: {where: {rank: 8}}, middle: {where: {rank: 4}}, low: {where: {rank: 1}}}",
)


@pytest.mark.parametrize(
    ("high", "middle", "low", "verdict"),
    [(0.9, 0.8, 0.7, YES), (0.81, 0.8, 0.7, OPEN), (0.8, 0.9, 0.7, NO)],
)
def test_an_order_is_told_by_each_difference_of_neighbours(folder, high, middle, low, verdict):
    record(folder, {8: high + SPREAD, 4: middle - SPREAD, 1: low + SPREAD})
    assert load_ledger(write(folder, ORDER))["08-measured"].verdict == verdict


def test_settings_of_two_sweeps_are_compared_seed_by_seed(folder):
    record(folder, {8: 0.8 + SPREAD})
    record(folder, {8: 0.7 + SPREAD}, "08-other")
    text = MEASURED.replace("{above: 0.05}", "{order: [first, second]}").replace(
        "minus: {rank: 1}", "parts: {first: {}, second: {result: 08-other}}"
    )
    entry = load_ledger(write(folder, text))["08-measured"]
    (part,) = entry.judgement.parts
    assert part.measurement.interval.low == pytest.approx(0.1), "the seeds' spread cancels"
    assert entry.verdict == YES and entry.sweeps == ("08-rank", "08-other")


def test_one_seed_settles_nothing(folder):
    record(folder, {8: [0.9], 1: [0.1]})
    assert load_ledger(write(folder, MEASURED))["08-measured"].verdict == OPEN


def test_a_value_may_be_compared_with_another_of_the_same_point(folder):
    record(folder, {8: 0.7 + SPREAD})
    text = MEASURED.replace("minus: {rank: 1}", "minus_value: accuracy")
    assert load_ledger(write(folder, text))["08-measured"].judgement.value == 0


def test_an_interval_that_only_touches_its_bar_confirms_nothing():
    assert verdict_on(Interval(0.6, 0.5, 0.7, 5), 0.5, math.inf) == OPEN
    assert all_of([YES, OPEN, NO]) == NO and all_of([YES, OPEN]) == OPEN


def test_where_each_text_is_known_the_interval_covers_texts_as_well():
    right = pd.DataFrame(np.tile([1.0, 1.0, 0.0, 1.0], (5, 1)) + SPREAD[:, None])
    of_seeds = Measurement(right.mean(axis=1))
    of_both = Measurement(right.mean(axis=1), right, "texts")
    assert of_seeds.interval == mean_interval(right.mean(axis=1))
    assert of_both.interval.high > of_seeds.interval.high
    assert (of_seeds.covers, of_both.covers) == ("5 seeds", "5 seeds and 4 texts")
    assert of_both.minus(of_both).covers == "5 seeds and 4 texts"
    assert of_both.minus(Measurement(right.mean(axis=1), right, "others")).covers == "5 seeds"


def test_the_digest_knows_the_bar_and_not_how_it_is_written():
    def digest(bar, experiment="One  thing"):
        return Registered(experiment=experiment, bar=bar).digest

    assert digest({"above": 0.10}) == digest({"above": 0.1}, "One thing")
    assert len({digest({"above": 0.1}), digest({"below": 0.1}), digest({"above": 0.11})}) == 3


@pytest.mark.parametrize(
    ("bar", "words"),
    [
        ({"between": [0.1, 0.2]}, "between 0.1 and 0.2"),
        ({"order": ["full", "frozen"]}, "full over frozen"),
        ({"each": {"es": {"above": 0.8}, "hi": {"above": 0.8}}}, "above 0.8 for each of: es, hi"),
        ({"each": {"es": {"above": 0.8}, "hi": {"below": 1}}}, "es above 0.8; hi below 1"),
    ],
)
def test_a_bar_is_said_in_words(bar, words):
    assert Registered(experiment="x", bar=bar).in_words() == words
