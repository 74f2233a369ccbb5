from pathlib import Path

import pytest

from tlhelpers.evidence import claims
from tlhelpers.evidence.claims import LedgerError, load_ledger, settle
from tlhelpers.evidence.recorded import ResultsError
from tools.contract.prose_numbers import bare_phrases, unbacked_phrases
from tools.sweep import write_content

GOOD = """
- id: 08-good
  claim: A rank-8 update of a 4096 x 4096 matrix has 65,536 numbers.
  source: {section: 8, figure: "65,536", where: formula}
  kind: computed
  settled_by: {function: ch08.count, arguments: {rank: 8}, expects: 65536}
  verdict: confirmed
  why: Two factors of 4096 x 8.
  prose: ["65,536"]
"""
REFERENCES = """
hu-2021: {authors: Hu et al., year: 2021, title: LoRA, url: "https://arxiv.org/abs/2106.09685"}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "computed").mkdir()
    (tmp_path / "computed" / "ch08.py").write_text(
        "def count(rank):\n    return rank * (4096 + 4096)\n"
    )
    (tmp_path / "references").mkdir()
    (tmp_path / "references" / "08-lora-maths.yaml").write_text(REFERENCES)
    (tmp_path / "08-lora-maths.yaml").write_text(GOOD)
    return tmp_path


def write(folder: Path, text: str) -> Path:
    (folder / "08-lora-maths.yaml").write_text(text)
    return folder


def test_a_good_entry_is_read_and_settled(folder):
    entry = load_ledger(folder)["08-good"]
    assert entry.chapter == 8
    assert entry.source.figure == "65,536"
    settled = settle(entry, folder)
    assert settled.holds and settled.value == 65536


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("  kind: computed\n", ""), "'kind' is not one of the choices"),
        (("verdict: confirmed", "verdict: sure"), "'verdict' is not one of the choices"),
        (("source: {section: 8", "source: {section: 21"), "'source.section'"),
        (("where: formula", "where: footnote"), "'source.where'"),
        (("id: 08-good", "id: 09-good"), "does not fit this file"),
        (("why: Two factors of 4096 x 8.", "why:"), "'why'"),
        (('"65,536", where', "65.536, where"), "Put the value in quotes"),
        (("  verdict: confirmed", "  verdict: corrected"), "'instead' is missing"),
        (("  prose:", "  proze:"), "'proze' is not known here"),
        (("expects: 65536", "expects: 65536, tolerance: 1"), "tolerance_reason"),
        (("ch08.count", "os.getcwd"), "is not such a path"),
        (("  prose:", "  why: Twice.\n  prose:"), "given twice"),
        (("  prose:", "  planned: {experiment: x, chapter: 8}\n  prose:"), "contradicts"),
    ],
)
def test_a_bad_entry_names_file_entry_field_and_remedy(folder, change, message):
    assert change[0] in GOOD
    with pytest.raises(LedgerError, match=r"08-lora-maths\.yaml") as raised:
        load_ledger(write(folder, GOOD.replace(*change)))
    assert message in str(raised.value)


def test_an_entry_without_settlement_is_refused(folder):
    start = GOOD.index("  settled_by")
    text = GOOD[:start] + GOOD[GOOD.index("  verdict") :]
    with pytest.raises(LedgerError, match="'settled_by' is missing"):
        load_ledger(write(folder, text))


def test_an_id_may_be_used_once(folder):
    with pytest.raises(LedgerError, match="is taken"):
        load_ledger(write(folder, GOOD + GOOD))


def test_a_computed_value_that_drifts_does_not_hold(folder):
    write(folder, GOOD.replace("expects: 65536", "expects: 65535"))
    settled = settle(load_ledger(folder)["08-good"], folder)
    assert not settled.holds
    assert "differs from 65535" in settled.detail


def test_a_firm_verdict_needs_a_checked_citation(folder):
    cited = GOOD.replace("kind: computed", "kind: cited").replace(
        "{function: ch08.count, arguments: {rank: 8}, expects: 65536}",
        "{reference: hu-2021, locator: Table 2, quote_value: '87.2', unchecked: not reached}",
    )
    with pytest.raises(LedgerError, match="the citation is unchecked"):
        load_ledger(write(folder, cited))
    entry = load_ledger(write(folder, cited.replace("confirmed", "depends")))["08-good"]
    assert not entry.settled_by.checked


def test_learning_rates_may_be_written_without_a_point(folder):
    text = GOOD.replace("expects: 65536", "expects: 1e-5")
    assert load_ledger(write(folder, text))["08-good"].settled_by.expects == 1e-5


def test_an_unknown_id_lists_the_chapters_entries(folder):
    with pytest.raises(KeyError, match="08-good"):
        load_ledger(folder)["08-bad"]


def test_a_chapter_reads_no_other_chapters_entries(folder):
    (folder / "09-broken.yaml").write_text("- id: 09-nothing-else")
    assert load_ledger(folder, chapter=8)["08-good"].chapter == 8
    with pytest.raises(LedgerError, match="09-broken"):
        load_ledger(folder)


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


@pytest.mark.parametrize(
    ("phrase", "backed"),
    [
        ("65,536 numbers", True),
        ("65.5 thousand", True),
        ("65.54k", True),
        ("65.6k", False),
        ("65,537", False),
        ("rank 8", True),
        ("rank 16", False),
        ("GPT-3 has 65,536", True),
    ],
)
def test_a_phrase_states_only_what_its_entry_backs(folder, phrase, backed):
    write(folder, GOOD.replace('["65,536"]', f'["{phrase}"]'))
    entry = load_ledger(folder)["08-good"]
    unbacked = unbacked_phrases(entry, settle(entry, folder))
    assert unbacked == ([] if backed else [phrase])


def test_a_share_backs_a_percentage(folder):
    text = GOOD.replace("expects: 65536", "expects: 0.934").replace('["65,536"]', '["93.4 %"]')
    entry = load_ledger(write(folder, text))["08-good"]
    assert unbacked_phrases(entry, settle(entry, folder)) == []


def test_a_short_number_needs_a_word(folder):
    write(folder, GOOD.replace('["65,536"]', '["8", "rank 8", "65,536", "8 %"]'))
    assert bare_phrases(load_ledger(folder)["08-good"]) == ["8"]


# A recorded value that drifts ------------------------------------------------------------------

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


# The ledger of the book itself ----------------------------------------------------------------

BOOK = load_ledger()


def test_every_reference_is_cited_or_recommended():
    used = {key for entry in BOOK.entries for key in entry.references}
    used |= {e.settled_by.reference for e in BOOK.entries if e.kind == "cited" and e.settled_by}
    assert sorted(set(BOOK.references) - used) == []


@pytest.mark.parametrize("entry", BOOK.entries, ids=lambda entry: entry.id)
def test_the_book_ledger_is_settled_as_it_says(entry):
    settled = settle(entry)
    assert settled.holds, (
        f"{entry.file}: {entry.id}: {settled.detail}. Correct the entry, or what it rests on."
    )
    assert not bare_phrases(entry), (
        f"{entry.file}: {entry.id}: prose {bare_phrases(entry)} would cover that number anywhere. "
        "Add a word: '12 layers'."
    )
    for phrase in unbacked_phrases(entry, settled):
        pytest.fail(
            f"{entry.file}: {entry.id}: prose {phrase!r} has a number that is neither in figure "
            f"nor in settled_by, nor the value ({settled.value!r}). Correct the phrase."
        )
