"""Reading the ledger: what is wrong is said with file, entry, field, value and remedy."""

import pytest

from tests.evidence.small_ledger import GOOD, write
from tlhelpers.evidence.ledger import LedgerError, load_ledger


def test_a_good_entry_is_read(folder):
    entry = load_ledger(folder)["08-good"]
    assert entry.chapter == 8
    assert entry.source.figure == "65,536"


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
