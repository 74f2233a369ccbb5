"""Claims in a page: what `expect` prints and raises, what a reader sees of an entry."""

import pytest

from tests.evidence.small_ledger import GOOD, MEASURED, record, write
from tlhelpers.evidence import claims
from tlhelpers.evidence.ledger import load_ledger


@pytest.fixture
def ledger_in_use(folder, monkeypatch):
    for name in ("TL_STRICT", "TL_MINIATURE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(claims, "_ledger", lambda chapter=None: load_ledger(folder, chapter))


def test_expect_prints_what_this_run_shows(ledger_in_use, capsys):
    assert claims.expect("08-good", True, "65,536 numbers")
    assert capsys.readouterr().out.startswith("Shown: A rank-8 update")


def test_expect_says_when_a_run_does_not_show_it(ledger_in_use, capsys):
    assert not claims.expect("08-good", False, "12 numbers")
    assert "Not shown at this scale" in capsys.readouterr().out


def test_expect_raises_in_the_test_suite_when_a_firm_verdict_fails(ledger_in_use, monkeypatch):
    monkeypatch.setenv("TL_STRICT", "1")
    with pytest.raises(claims.Unsettled, match="08-good"):
        claims.expect("08-good", False)


def test_expect_does_not_judge_the_miniature(ledger_in_use, monkeypatch, capsys):
    monkeypatch.setenv("TL_STRICT", "1")
    monkeypatch.setenv("TL_MINIATURE", "1")
    assert not claims.expect("08-good", False)
    assert "Not judged" in capsys.readouterr().out


RIGHT = {8: [0.8, 0.81, 0.82], 1: [0.7, 0.7, 0.7]}


@pytest.mark.parametrize(
    ("rank_1", "said"),
    [
        ([0.7, 0.7, 0.7], "Confirmed: "),
        ([0.7, 0.8, 0.9], "Not shown at this scale: "),
        ([0.8, 0.81, 0.82], "Refuted here: "),
    ],
)
def test_a_measured_claim_says_what_its_bar_makes_of_the_recorded_runs(
    folder, ledger_in_use, capsys, rank_1, said
):
    record(folder, RIGHT | {1: rank_1})
    write(folder, MEASURED)
    assert claims.expect("08-measured") == (said == "Confirmed: ")
    printed = capsys.readouterr().out
    assert printed.startswith(said + "Rank 8 is right more often")
    assert "over 3 seeds; bar: above 0.05" in printed


def test_a_page_cannot_bring_a_bar_of_its_own(folder, ledger_in_use):
    record(folder, RIGHT)
    write(folder, MEASURED + GOOD)
    with pytest.raises(TypeError, match="leave the condition out"):
        claims.expect("08-measured", True)
    with pytest.raises(TypeError, match="give the condition"):
        claims.expect("08-good")


@pytest.mark.parametrize(("live", "where"), [(0.11, "inside"), (0.5, "outside")])
def test_a_live_value_is_held_against_the_recorded_seeds(
    folder, ledger_in_use, capsys, live, where
):
    record(folder, RIGHT)
    write(folder, MEASURED)
    assert claims.expect("08-measured", live=live), "it changes no verdict"
    assert f"This run: {live}, {where}" in capsys.readouterr().out


def test_a_planned_claim_says_what_it_waits_for(folder, ledger_in_use, capsys):
    start, end = MEASURED.index("  settled_by"), MEASURED.index("  why")
    planned = "  verdict: planned\n  planned: {sweeps: [08-rank]}\n"
    write(folder, MEASURED[:start] + planned + MEASURED[end:])
    assert not claims.expect("08-measured")
    assert "Bar: above 0.05 (08-rank)" in capsys.readouterr().out


def test_what_was_changed_after_registration_is_shown_with_the_verdict(
    folder, ledger_in_use, capsys
):
    record(folder, RIGHT)
    changed = "  changed: {what: Three seeds., why: <Time> ran out.}\n  why:"
    write(folder, MEASURED.replace("  why:", changed))
    claims.expect("08-measured")
    assert "Changed after the bar was registered: Three seeds. <Time>" in capsys.readouterr().out
    shown = claims.claim("08-measured")
    assert shown.verdict == "confirmed"
    assert "Three seeds. &lt;Time&gt; ran out." in shown._repr_html_()
    assert "Changed: Three seeds." in repr(claims.show_claims(chapter=8))


def test_shown_claims_read_as_text_and_as_html(ledger_in_use):
    table = claims.show_claims(chapter=8)
    assert "confirmed" in repr(table) and "65,536" in repr(table)
    page = table._repr_html_()
    assert "✓ confirmed" in page and "65,536" in page
    assert "var(--tl-green)" in page, "colours follow the theme of the page"


def test_named_claims_stand_first_and_the_others_are_folded(folder, ledger_in_use):
    write(folder, GOOD + GOOD.replace("id: 08-good", "id: 08-other"))
    both = claims.show_claims(chapter=8, ids=["08-other"])
    assert [entry.id for entry in both.entries] == ["08-other", "08-good"]
    seen, _, folded = both._repr_html_().partition("<details><summary>More: 1 confirmed</summary>")
    assert seen.count("<li") == folded.count("<li") == 1
    assert "<details>" not in claims.show_claims(chapter=8)._repr_html_()


def test_text_of_an_entry_cannot_become_html(folder, ledger_in_use):
    write(
        folder,
        GOOD.replace("claim: A rank-8", 'claim: "<b>A</b> rank-8').replace(
            "65,536 numbers.", '65,536 numbers."'
        ),
    )
    assert "<b>A" not in claims.show_claims(chapter=8)._repr_html_()


def test_a_claim_at_the_end_of_a_cell_is_shown_with_its_verdict(ledger_in_use):
    entry = claims.claim("08-good")
    assert (entry.chapter, entry.verdict, entry.settled_by.expects) == (8, "confirmed", 65536)
    assert entry._repr_html_() == claims.show_claims(ids=["08-good"])._repr_html_()
