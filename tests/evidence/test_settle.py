"""Settling an entry: a function, a recorded sweep; what drifts does not hold."""

import pytest

from tests.evidence.small_ledger import GOOD, write
from tlhelpers.evidence.ledger import load_ledger
from tlhelpers.evidence.recorded import ResultsError
from tlhelpers.evidence.settle import settle
from tools.sweep.record import write_content


def test_a_good_entry_is_settled(folder):
    settled = settle(load_ledger(folder)["08-good"], folder)
    assert settled.holds and settled.value == 65536


def test_a_computed_value_that_drifts_does_not_hold(folder):
    write(folder, GOOD.replace("expects: 65536", "expects: 65535").replace("65_536", "65_535"))
    settled = settle(load_ledger(folder)["08-good"], folder)
    assert not settled.holds
    assert "differs from 65535" in settled.detail
    assert settled.detail.endswith("so the claim is corrected")


MEASURED = """
- id: 08-measured
  claim: Rank 8 is right more often than rank 1.
  source: null
  kind: measured
  settled_by:
    result: 08-rank
    value: accuracy
    where: {rank: 8}
    minus: {rank: 1}
    between: [0.05, 0.15]
  verdict: confirmed
  why: The interval leaves out zero.
"""


def record(folder, difference):
    points = [
        {
            "parameters": {"rank": rank, "seed": seed},
            "values": {"accuracy": 0.7 + 0.01 * seed + (difference if rank == 8 else 0)},
            "seconds": 1.0,
            "environment": 0,
        }
        for rank in (1, 8)
        for seed in range(5)
    ]
    content = {"sweep": "08-rank", "code": "c", "environments": [{}], "points": points}
    write_content(folder / "08-rank.json", content)


@pytest.mark.parametrize(("difference", "holds"), [(0.1, True), (0.2, False)])
def test_a_recorded_value_that_drifts_does_not_hold(folder, difference, holds):
    record(folder, difference)
    entry = load_ledger(write(folder, MEASURED))["08-measured"]
    settled = settle(entry, folder, folder)
    assert settled.value == pytest.approx(difference)
    assert settled.holds is holds


def test_a_measured_entry_without_its_sweep_says_how_to_record_it(folder):
    entry = load_ledger(write(folder, MEASURED))["08-measured"]
    with pytest.raises(ResultsError, match="make results CHAPTER=08"):
        settle(entry, folder, folder)
