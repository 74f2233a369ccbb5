"""Reading the ledger: what is wrong is said with file, entry, field, value and remedy."""

import pytest

from tests.evidence.small_ledger import CITED, GOOD, MEASURED, write
from tlhelpers.evidence.ledger import LedgerError, load_ledger


def test_a_good_entry_is_read(folder):
    entry = load_ledger(folder)["08-good"]
    assert entry.chapter == 8
    assert entry.source.figure == "65,536"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("  prose:", "  verdict: confirmed\n  prose:"), "'verdict' is typed"),
        (("value: 65_536", "value: 65_536, digits: 0"), "'source.digits'"),
        (("value: 65_536", "value: 65_536, relation: near"), "'source.relation' is not one of"),
        (("value: 65_536", "value: 65_536, digits: 2, relation: about"), "exclude each other"),
        (("value: 65_536", "value: 65_536, relation: between"), "does not fit the relation"),
        (("value: 65_536", "value: many, relation: about"), "does not fit the relation"),
        (("value: 65_536", "digits: 2"), "'source.value' is missing"),
        ((", value: 65_536", ""), "'source.value' is missing"),
        (("  prose:", "  depends_on: the rank\n  prose:"), "'depends_on' contradicts"),
        (("  prose:", "  overturned_by: a recount\n  prose:"), "'overturned_by' says nothing new"),
        (("source: {section: 8", "source: {section: 21"), "'source.section'"),
        (("where: formula", "where: footnote"), "'source.where'"),
        (("id: 08-good", "id: 09-good"), "does not fit this file"),
        (("why: Two factors of 4096 x 8.", "why:"), "'why'"),
        (('"65,536", where', "65.536, where"), "Put the value in quotes"),
        (("value: 65_536", "value: 65_537"), "'instead' is missing"),
        (("  prose:", "  proze:"), "'proze' is not known here"),
        (("expects: 65536", "expects: 65536, tolerance: 1"), "tolerance_reason"),
        (("ch08.count", "os.getcwd"), "is not such a path"),
        (("  prose:", "  why: Twice.\n  prose:"), "given twice"),
        (("  prose:", "  planned: {sweeps: [08-rank]}\n  prose:"), "contradicts"),
        (("  prose:", "  changed: {what: a, why: b}\n  prose:"), "not measured"),
    ],
)
def test_a_bad_entry_names_file_entry_field_and_remedy(folder, change, message):
    assert change[0] in GOOD
    with pytest.raises(LedgerError, match=r"08-lora-maths\.yaml") as raised:
        load_ledger(write(folder, GOOD.replace(*change)))
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("  kind: cited\n", ""), "'kind' is not one of the choices"),
        (("verdict: confirmed", "verdict: sure"), "'verdict' is not one of the choices"),
        (("  verdict: confirmed\n", ""), "'verdict' is missing"),
        (("verdict: confirmed", "verdict: refuted here"), "'verdict' cannot be stated"),
        (('figure: "87.2"', 'figure: "87.2", value: 87.2'), "'source.value' is compared with"),
        (("read there", "the abstract"), "firm, but rests on an abstract or a quotation"),
        (("read there", "quoted in two places"), "say why what was read is enough"),
    ],
)
def test_a_bad_cited_entry_is_refused(folder, change, message):
    assert change[0] in CITED
    with pytest.raises(LedgerError, match=message):
        load_ledger(write(folder, CITED.replace(*change)))


@pytest.mark.parametrize(
    "change",
    [
        ("checked: read there", "checked: the abstract, suffices: it is their own count"),
        ("checked: read there", "checked: read in the release notes"),
    ],
)
def test_a_firm_verdict_says_why_an_abstract_is_enough(folder, change):
    assert load_ledger(write(folder, CITED.replace(*change)))["08-cited"].verdict == "confirmed"


def test_an_abstract_is_enough_for_what_depends(folder):
    text = CITED.replace("read there", "the abstract").replace("confirmed", "depends")
    assert load_ledger(write(folder, text))["08-cited"].verdict == "depends"


WITHOUT_A_NUMBER = GOOD.replace('figure: "65,536"', 'figure: ""').replace(", value: 65_536", "")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("  verdict: confirmed\n", "'overturned_by' is missing"),
        ("  verdict: depends\n  overturned_by: a recount\n", "'depends_on' does not fit"),
        ("  overturned_by: a recount\n", "'verdict' is not one of the choices"),
    ],
)
def test_a_typed_verdict_says_what_would_overturn_it(folder, lines, message):
    with pytest.raises(LedgerError, match=message):
        load_ledger(write(folder, WITHOUT_A_NUMBER.replace("  why:", f"{lines}  why:")))
    good = "  verdict: depends\n  depends_on: the rank\n  overturned_by: a recount\n"
    text = WITHOUT_A_NUMBER.replace("  why:", f"{good}  why:")
    assert load_ledger(write(folder, text))["08-good"].verdict == "depends"


@pytest.mark.parametrize(
    ("value", "lines", "verdict"),
    [
        ("65_536", "", "confirmed"),
        ("66_000, digits: 2", "", "confirmed"),
        ("67_000, digits: 2", "  instead: Count.\n", "corrected"),
        ("65_536, relation: less than", "  depends_on: the width\n", "depends"),
    ],
)
def test_a_verdict_follows_from_the_value_that_is_stated(folder, value, lines, verdict):
    text = GOOD.replace("value: 65_536", f"value: {value}").replace("  why:", f"{lines}  why:")
    assert load_ledger(write(folder, text))["08-good"].verdict == verdict


def test_our_own_number_is_confirmed(folder):
    source = GOOD[GOOD.index("source:") : GOOD.index("\n  kind")]
    text = GOOD.replace(source, "source: null")
    assert load_ledger(write(folder, text))["08-good"].verdict == "confirmed"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("  why:", "  verdict: confirmed\n  why:"), "'verdict' is typed"),
        (("  why:", "  verdict: planned\n  why:"), "contradicts the verdict 'planned'"),
        (("{above: 0.05}", "{at_least: 0.05}"), "'registered.bar' is not a bar"),
        (("{above: 0.05}", "{above: 0.05, below: 0.1}"), "does not have one form"),
        (("{above: 0.05}", "{between: [0.2, 0.1]}"), "'registered.bar' is not a bar"),
        (("{above: 0.05}", "{equals: 0.05}"), "'registered.margin' does not fit the bar"),
        (("{above: 0.05}", "{above: 0.05}\n    margin: 0.1"), "does not fit the bar"),
        (("{above: 0.05}", "{each: {one: {above: 0}}}"), "are not those of the bar (value"),
        (("value: accuracy, ", ""), "'settled_by.value' is missing"),
        (("minus: {rank: 1}", "between: [0, 1]"), "'settled_by.between' is not known here"),
    ],
)
def test_a_measured_entry_registers_one_bar_and_types_no_verdict(folder, change, message):
    assert change[0] in MEASURED
    with pytest.raises(LedgerError, match="08-measured") as raised:
        load_ledger(write(folder, MEASURED.replace(*change)))
    assert message in str(raised.value)


def test_a_measured_entry_without_a_registered_bar_is_refused(folder):
    start, end = MEASURED.index("  registered"), MEASURED.index("  settled_by")
    with pytest.raises(LedgerError, match="'registered' is missing"):
        load_ledger(write(folder, MEASURED[:start] + MEASURED[end:]))


def test_a_planned_entry_names_the_sweeps_that_it_waits_for(folder):
    start, end = MEASURED.index("  settled_by"), MEASURED.index("  why")
    text = MEASURED[:start] + "  verdict: planned\n" + MEASURED[end:]
    with pytest.raises(LedgerError, match="'planned' is missing"):
        load_ledger(write(folder, text))
    entry = load_ledger(write(folder, text + "  planned: {sweeps: [08-rank]}\n"))["08-measured"]
    assert (entry.verdict, entry.sweeps) == ("planned", ("08-rank",))


def test_an_entry_without_settlement_is_refused(folder):
    settled_by = CITED[CITED.index("  settled_by") : CITED.index("  verdict")]
    with pytest.raises(LedgerError, match="'settled_by' is missing"):
        load_ledger(write(folder, CITED.replace(settled_by, "")))


def test_an_id_may_be_used_once(folder):
    with pytest.raises(LedgerError, match="is taken"):
        load_ledger(write(folder, GOOD + GOOD))


def test_a_firm_verdict_needs_a_checked_citation(folder):
    cited = CITED.replace("checked: read there", "unchecked: not reached")
    with pytest.raises(LedgerError, match="the citation is unchecked"):
        load_ledger(write(folder, cited))
    entry = load_ledger(write(folder, cited.replace("confirmed", "depends")))["08-cited"]
    assert not entry.settled_by.checked


def test_learning_rates_may_be_written_without_a_point(folder):
    text = GOOD.replace("expects: 65536", "expects: 1e-5").replace("65_536", "1e-5")
    assert load_ledger(write(folder, text))["08-good"].settled_by.expects == 1e-5


def test_an_unknown_id_lists_the_chapters_entries(folder):
    with pytest.raises(KeyError, match="08-good"):
        load_ledger(folder)["08-bad"]


def test_a_chapter_reads_no_other_chapters_entries(folder):
    (folder / "09-broken.yaml").write_text("- id: 09-nothing-else")
    assert load_ledger(folder, chapter=8)["08-good"].chapter == 8
    with pytest.raises(LedgerError, match="09-broken"):
        load_ledger(folder)
