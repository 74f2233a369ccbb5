"""Bars are frozen once, cannot be altered after that, and a sweep waits for them."""

import pytest

from tlhelpers.evidence.ledger import load_ledger
from tlhelpers.evidence.recorded import read_content
from tools import register
from tools.project import UserError
from tools.register import altered_bars, bars_of_sweep, freeze, frozen_bars, written_bars
from tools.sweep.plan import RESULTS

WAITS = """
- id: 07-doubles
  claim: Doubling doubles.
  source: null
  kind: measured
  registered: {experiment: Twice a number over five seeds., bar: {above: 3}}
  verdict: planned
  why: Not run yet.
  planned: {sweeps: [07-doubling]}
"""


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "claims"
    folder.mkdir()
    (folder / "07-fine-tuning-strategies.yaml").write_text(WAITS)
    return folder


def alter(folder, old, new):
    file = folder / "07-fine-tuning-strategies.yaml"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    return load_ledger(folder)


def test_a_bar_is_frozen_once(folder):
    assert freeze(load_ledger(folder)) == ["07-doubles"]
    assert freeze(load_ledger(folder)) == []
    assert frozen_bars(folder) == written_bars(load_ledger(folder))


@pytest.mark.parametrize(
    ("old", "new"),
    [("above: 3", "above: 2"), ("above: 3", "below: 3"), ("five", "three"), ("07-doubles", "07-x")],
)
def test_a_frozen_bar_cannot_be_altered_nor_removed(folder, old, new):
    freeze(load_ledger(folder))
    before = (folder / "registered.json").read_text()
    ledger = alter(folder, old, new)
    with pytest.raises(UserError, match="07-doubles: its bar was frozen and has been altered"):
        freeze(ledger)
    assert (folder / "registered.json").read_text() == before


def test_a_change_is_told_beside_the_frozen_bar(folder):
    freeze(load_ledger(folder))
    ledger = alter(folder, "  why: Not", "  changed: {what: Three seeds., why: Time.}\n  why: Not")
    assert freeze(ledger) == [] and ledger["07-doubles"].changed[0].what == "Three seeds."


def test_the_bars_of_a_sweep_are_given_only_once_they_are_frozen(folder):
    with pytest.raises(
        UserError, match="07-doubles, which the sweep '07-doubling' settles, is not"
    ):
        bars_of_sweep("07-doubling", folder)
    with pytest.raises(UserError, match="no entry of the ledger is settled by the sweep '07-x'"):
        bars_of_sweep("07-x", folder)
    freeze(load_ledger(folder))
    assert bars_of_sweep("07-doubling", folder) == frozen_bars(folder)
    alter(folder, "above: 3", "above: 2")
    with pytest.raises(UserError, match="was altered since it was frozen"):
        bars_of_sweep("07-doubling", folder)


def test_the_command_freezes_and_checks(folder, monkeypatch, capsys):
    monkeypatch.setattr(register, "load_ledger", lambda: load_ledger(folder))
    assert register.main(["--check"]) == 1 and not (folder / "registered.json").exists()
    assert register.main([]) == 0 and "frozen: 07-doubles" in capsys.readouterr().out
    assert register.main(["--check"]) == 0
    alter(folder, "above: 3", "above: 2")
    assert register.main(["--check"]) == 1 and register.main([]) == 1
    assert "changed: {what, why}" in capsys.readouterr().err


# The book ---------------------------------------------------------------------------------------

BOOK = load_ledger()


def test_every_bar_of_the_book_is_frozen_and_as_it_was():
    assert altered_bars(BOOK) == []
    assert set(written_bars(BOOK)) == set(frozen_bars(BOOK.folder))


@pytest.mark.parametrize("name", sorted(path.stem for path in RESULTS.glob("*.json")))
def test_a_recorded_sweep_was_run_for_the_bars_that_are_frozen(name):
    frozen = frozen_bars(BOOK.folder)
    kept = read_content(RESULTS / f"{name}.json").get("registered", {})
    assert {claim_id: frozen.get(claim_id) for claim_id in kept} == kept
    assert bars_of_sweep(name), "what a sweep is run for stands in the ledger"
