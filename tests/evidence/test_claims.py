"""Claims in a page: what `expect` prints and raises, what a reader sees of an entry."""

import pytest

from tests.evidence.small_ledger import GOOD, write
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
