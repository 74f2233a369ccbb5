import re
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest

from tlhelpers.evidence.ledger import load_ledger
from tools.project import UserError
from tools.site.ledger_pages import chapter_page, escape, link_cards, settle_all, write_pages
from tools.sweep.record import write_content

LEDGER = """
- id: 08-size
  claim: A rank-8 update of `W` <b>has</b> 65,536 numbers.
  source: {section: 8, figure: "65,536", where: formula, value: 65_536}
  kind: computed
  settled_by: {function: ch08.count, arguments: {rank: 8}, expects: 65536}
  why: Two thin factors.
- id: 08-cost
  claim: An update costs a thousandth.
  source: {section: 8, figure: "1000x", where: prose}
  kind: cited
  settled_by: {reference: hu-2021, locator: Table 2, quote_value: "3x", checked: read there}
  verdict: corrected
  why: The frozen weights take part in every step.
  instead: Expect memory to fall more than time.
- id: 09-later
  claim: Surface comes first.
  source: null
  kind: measured
  registered: {experiment: probes on every layer, bar: {above: 0.5}}
  changed: {what: Half as many layers., why: The sweep ran out of time.}
  verdict: planned
  why: Not measured yet.
  planned: {sweeps: [09-x]}
"""
REFERENCES = """
hu-2021: {authors: Hu et al., year: 2021, title: LoRA, url: "https://arxiv.org/abs/2106.09685"}
"""


@pytest.fixture
def ledger(tmp_path: Path):
    folder = tmp_path / "claims"
    (folder / "computed").mkdir(parents=True)
    (folder / "computed" / "ch08.py").write_text(
        'def count(rank):\n    """Count the numbers of ``two`` factors."""\n'
        "    return rank * 8192\n"
    )
    first, second = LEDGER.split("- id: 09")
    (folder / "08-lora-maths.yaml").write_text(first)
    (folder / "09-what-layers-learn.yaml").write_text("- id: 09" + second)
    (folder / "references").mkdir()
    (folder / "references" / "08-lora-maths.yaml").write_text(REFERENCES)
    return load_ledger(folder)


@pytest.fixture
def pages(ledger, tmp_path: Path) -> dict[str, str]:
    stage = tmp_path / "stage"
    (stage / "notebooks").mkdir(parents=True)
    title = nbformat.v4.new_markdown_cell("# A small `update` is enough\n\nText.")
    notebook = nbformat.v4.new_notebook(cells=[title])
    nbformat.write(notebook, stage / "notebooks" / "08-lora-maths.ipynb")
    return {str(p.relative_to(stage / "book")): p.read_text() for p in write_pages(stage, ledger)}


LORA, LAYERS = "claims/08-lora-maths.md", "claims/09-what-layers-learn.md"


def test_every_claim_has_a_card_with_verdict_evidence_and_place(pages):
    page = pages[LORA]
    assert page.count(":::{container} tl-claim") == 2
    assert pages[LAYERS].count(":::{container} tl-claim") == 1
    assert "tl-k-computed tl-v-confirmed" in page
    assert "the tutorial, section 8 (formula), as “65,536”" in page
    assert "“3x”, [Hu et al\\. 2021](<https://arxiv.org/abs/2106.09685>), Table 2" in page
    assert "Looked up\\: read there\\." in page
    assert "Registered: probes on every layer Bar: above 0\\.5" in pages[LAYERS]
    assert "**Changed later:** Half as many layers\\. *Why:* The sweep" in pages[LAYERS]
    assert "waits for `09-x`" in pages[LAYERS]


def test_a_computation_is_said_in_a_sentence_with_a_link_to_its_code(pages):
    assert (
        "Evidence: Count the numbers of two factors\\: 65,536\\. [The code](<https" in pages[LORA]
    )
    assert "/book/claims/computed/ch08.py>)" in pages[LORA]
    assert "ch08.count" not in pages[LORA]


def test_each_link_to_a_claim_leads_to_its_card(ledger, pages):
    hrefs = [
        href
        for name in ("claims.md", "corrections.md")
        for href in re.findall('href="(claims/[^"]*#[^"]*)"', pages[name])
    ]
    assert len(hrefs) == 4, "three in the list, one in the corrections"
    for href in hrefs:
        page, _, anchor = href.partition("#")
        assert f"({anchor})=" in pages[page.replace(".html", ".md")]
    for entry in ledger.entries:
        page = pages[LORA if entry.chapter == 8 else LAYERS]
        assert f'href="#claim-{entry.id}"' in page, "a card links to itself"


def test_the_list_counts_by_verdict_and_opens_the_chapter_with_its_filter(pages):
    page = pages["claims.md"]
    assert "| all | | 3 |" in page
    assert '<a href="claims/08-lora-maths.html?verdict=corrected">1</a>' in page
    assert '<li class="tl-claim tl-k-measured tl-v-planned" data-chapter="09">' in page
    assert "*Transfer Learning in NLP*, the first of four" in page


def test_a_card_in_a_chapter_gets_a_link_to_the_list():
    html = '<ul><li data-claim="08-size" style="x">One</li><li>Two</li></ul>'
    output = nbformat.v4.new_output("display_data", {"text/html": html, "text/plain": "One"})
    cells = [nbformat.v4.new_code_cell("x", outputs=[output]), nbformat.v4.new_markdown_cell("y")]
    text = nbformat.writes(nbformat.v4.new_notebook(cells=cells))
    linked = nbformat.reads(link_cards(text), as_version=4).cells[0].outputs[0]
    assert '<a href="../book/claims/08-lora-maths.html#claim-08-size">' in linked.data["text/html"]
    assert linked.data["text/html"].endswith("</small></li><li>Two</li></ul>")
    assert linked.data["text/plain"] == "One"
    assert link_cards("{}") == "{}"


def test_a_condition_stands_beside_the_verdict(ledger):
    entry = ledger["08-size"].model_copy(update={"depends_on": "the rank"})
    page = chapter_page(8, replace(ledger, entries=(entry,)), {}, settle_all(ledger))
    assert "\nDepends on: the rank\n" in page


def test_a_written_chapter_is_linked_and_a_planned_one_is_named(pages):
    assert "# Claims 08 · A small update is enough" in pages[LORA]
    assert "(<../../notebooks/08-lora-maths.ipynb>)" in pages[LORA]
    assert "# Claims 09 · What layers learn" in pages[LAYERS]
    assert "not written yet" in pages[LAYERS]


def test_corrections_say_what_was_found_and_what_to_do(pages):
    page = pages["corrections.md"]
    assert page.count("**What is said:**") == 1
    assert "**What we found:** The frozen weights" in page
    assert "**Instead:** Expect memory to fall" in page


def test_text_of_an_entry_is_shown_as_it_is(pages):
    page = pages[LORA]
    assert "\\`W\\` \\<b\\>has\\</b\\>" in page
    assert escape("a_b *c* $d$ [e](f)") == r"a\_b \*c\* \$d\$ \[e\]\(f\)"


def test_the_pages_ask_no_other_host_for_anything(pages):
    for page in pages.values():
        assert not re.search(
            r"<(script|link|img|iframe)[^>]+(src|href)=|@import|url\(|fetch\(", page
        )


def test_controls_are_native_labelled_and_hidden_until_the_script_runs(pages):
    page = pages["claims.md"]
    assert '<form class="tl-filter" hidden' in page
    for name in ("chapter", "kind", "verdict"):
        assert re.search(rf'<label>[A-Z]\w+ <select name="{name}">', page)
    assert 'aria-live="polite"' in page


def test_a_page_is_not_written_if_its_evidence_is_missing(ledger):
    settled = "settled_by: {result: 09-x, value: accuracy}"
    path = ledger.folder / "09-what-layers-learn.yaml"
    text = path.read_text().replace("  verdict: planned\n", "")
    path.write_text(text[: text.index("planned:")] + settled)
    with pytest.raises(UserError, match="09-later: no recorded sweep"):
        settle_all(load_ledger(ledger.folder))


def test_a_measured_claim_is_shown_with_interval_bar_and_computed_verdict(ledger, tmp_path):
    test_a_page_is_not_written_if_its_evidence_is_missing(ledger)
    point = {"values": {"accuracy": 0.4}, "seconds": 1, "environment": 0}
    points = [{"parameters": {"seed": seed}} | point for seed in range(5)]
    content = {"sweep": "09-x", "code": "", "environments": [{}], "points": points}
    path = ledger.folder.parent / "results" / "09-x.json"
    bar = load_ledger(ledger.folder)["09-later"].registered.digest
    for registered, when in (({}, ", before bars were frozen"), ({"09-later": bar}, "")):
        write_content(path, content | {"registered": registered})
        ledger = load_ledger(ledger.folder)
        page = chapter_page(9, ledger, {}, settle_all(ledger))
        assert "tl-k-measured tl-v-refuted-here" in page
        assert "over 5 seeds; bar\\: above 0\\.5; recorded in `09-x`" + when + "\n" in page


def test_a_ledger_that_cannot_be_read_is_told_without_a_traceback(ledger, tmp_path, monkeypatch):
    (ledger.folder / "08-lora-maths.yaml").write_text("- id: 08-x")
    monkeypatch.setattr("tools.site.ledger_pages.load_ledger", lambda: load_ledger(ledger.folder))
    with pytest.raises(UserError, match=r"08-lora-maths\.yaml"):
        write_pages(tmp_path)


def test_an_empty_ledger_has_pages_too(tmp_path):
    (tmp_path / "claims").mkdir()
    (tmp_path / "stage" / "book").mkdir(parents=True)
    written = write_pages(tmp_path / "stage", load_ledger(tmp_path / "claims"))
    assert [path.name for path in written] == ["claims.md", "corrections.md"]
    assert "| all | | 0 |" in written[0].read_text()
