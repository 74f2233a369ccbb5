"""Settling an entry: a function that must agree, a recorded sweep held against a bar."""

import pytest

from tests.evidence.small_ledger import GOOD, MEASURED, record, write
from tlhelpers.evidence.ledger import LedgerError, load_ledger
from tlhelpers.evidence.recorded import ResultsError
from tlhelpers.evidence.settle import computed_in_words, readable, settle


def test_a_good_entry_is_settled(folder):
    settled = settle(load_ledger(folder)["08-good"], folder)
    assert settled.holds and settled.value == 65536


def test_a_computed_value_that_drifts_does_not_hold(folder):
    write(folder, GOOD.replace("expects: 65536", "expects: 65535").replace("65_536", "65_535"))
    settled = settle(load_ledger(folder)["08-good"], folder)
    assert not settled.holds
    assert "differs from 65535" in settled.detail
    assert settled.detail.endswith("so the claim is corrected")


@pytest.mark.parametrize(
    ("difference", "verdict"),
    [(0.1, "confirmed"), (0.05, "not shown at this scale"), (0.0, "refuted here")],
)
def test_a_recorded_value_that_drifts_changes_the_verdict(folder, difference, verdict):
    low = [0.70, 0.71, 0.72, 0.73, 0.74]
    noise = [0.01, -0.01, 0.0, 0.01, -0.01]
    record(folder, {1: low, 8: [a + difference + e for a, e in zip(low, noise, strict=True)]})
    entry = load_ledger(write(folder, MEASURED))["08-measured"]
    settled = settle(entry, folder)
    assert settled.value == pytest.approx(difference)
    assert entry.verdict == verdict and settled.detail.startswith(verdict)


def test_a_measured_entry_without_its_sweep_says_how_to_record_it(folder):
    entry = load_ledger(write(folder, MEASURED))["08-measured"]
    with pytest.raises(ResultsError, match="make results CHAPTER=08"):
        settle(entry, folder)


def test_a_computation_is_said_in_words(folder):
    settled_by = load_ledger(folder)["08-good"].settled_by
    said = computed_in_words(settled_by, 65536, folder)
    assert said == "Count the numbers of two factors: 65,536."
    (folder / "computed" / "ch08.py").write_text("def count(rank):\n    return 8192 * rank\n")
    with pytest.raises(LedgerError, match=r"ch08\.count does not say what it does"):
        computed_in_words(settled_by, 65536, folder)


@pytest.mark.parametrize(
    ("value", "words"),
    [(True, "yes"), (1234567, "1,234,567"), ({"a": 1, "b": False}, "a 1, b no"), ([], "none")],
)
def test_a_value_is_written_for_a_reader(value, words):
    assert readable(value) == words
