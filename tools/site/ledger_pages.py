"""Write the book's pages about the ledger: the claims of each chapter, a list, the corrections.

    python -m tools.site.ledger_pages FOLDER     writes them into FOLDER/book

`tools.site.stage` calls `write_pages`. Each claim has a card on the page of its chapter, with an
anchor of its own; the list of all and the cards in the chapters link to it. The script in a page
only hides what the reader filters out (`claim_filter.py`), and asks no other host for anything.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from html import escape as html_escape
from pathlib import Path

import nbformat
import yaml

from tlhelpers.evidence.ledger import (
    KINDS,
    VERDICTS,
    Cited,
    Claim,
    Computed,
    Ledger,
    LedgerError,
    load_ledger,
)
from tlhelpers.evidence.recorded import ResultsError, recorded
from tlhelpers.evidence.settle import Settled, computed_in_words, settle
from tools.project import Chapter, Project, UserError, chapters, write_atomically
from tools.site.claim_filter import SCRIPT, STYLE, controls

MEANING = {
    "confirmed": "it is so",
    "corrected": "it is otherwise; the entry says what to do instead",
    "refuted here": "our runs show the contrary: the whole interval lies on the wrong side of the "
    "bar that was registered before",
    "depends": "it holds under conditions, or could not be checked at its source",
    "not shown at this scale": "our small models show neither it nor the contrary",
    "planned": "the experiment that will settle it is registered, not yet run",
}
# These pages name every term, and explain none: a search has to find the chapter.
NOT_SEARCHED = ("---", "nosearch: true", "---", "")
KIND_MEANING = {
    "computed": "exact, by some lines of code that the tests run",
    "measured": "from recorded runs over several seeds; the verdict follows from a 95 % interval "
    "and a bar that was registered before",
    "cited": "from a primary source",
}


def escape(text: str) -> str:
    """Escape text, so that Markdown shows it as it is."""
    return re.sub(r"([\\`*_{}\[\]<>()#+.!|$~^&@:=-])", r"\\\1", " ".join(text.split()))


def _link(label: str, target: str) -> str:
    return f"[{escape(label)}](<{target}>)"


@cache
def _listed() -> dict[int, Chapter]:
    return {chapter.number: chapter for chapter in chapters()}


def _chapter_title(chapter: int, titles: Mapping[int, str]) -> str:
    return titles.get(chapter, _listed()[chapter].title)


def staged_titles(stage: Path) -> dict[int, str]:
    """Return the titles of the chapters that are in the book, by number: these are linked."""
    titles: dict[int, str] = {}
    for path in sorted((stage / "notebooks").glob("[0-9][0-9]-*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            match = re.search(r"^# +(.+)$", cell.source, re.MULTILINE)
            if cell.cell_type == "markdown" and match:
                titles[int(path.name[:2])] = re.sub(r"[`*_]", "", match.group(1)).strip()
                break
    return titles


def evidence(entry: Claim, settled: Settled, ledger: Ledger) -> str:
    """Say in Markdown what settles an entry."""
    settled_by = entry.settled_by
    if isinstance(settled_by, Computed):
        said = computed_in_words(settled_by, settled.value, ledger.folder)
        return f"{escape(said)} {_code_of(settled_by)}"
    if entry.judgement is not None:
        sweeps = ", ".join(f"`{name}`" for name in entry.sweeps)
        return f"{escape(str(entry.judgement))}; recorded in {sweeps}{_registered_when(entry)}"
    if isinstance(settled_by, Cited):
        reference = ledger.references[settled_by.reference]
        source = _link(f"{reference.authors} {reference.year}", reference.url)
        if settled_by.checked:
            looked_up = f"Looked up: {settled_by.checked}."
        else:
            looked_up = f"Not looked up: {settled_by.unchecked}."
        enough = f" Enough, because {settled_by.suffices}" if settled_by.suffices else ""
        value = escape(settled_by.quote_value)
        said = f"“{value}”, {source}, {escape(settled_by.locator)}."
        return f"{said} {escape(looked_up + enough)}"
    return f"waits for {', '.join(f'`{name}`' for name in entry.sweeps)}"


@cache
def _repository() -> str:
    config = yaml.safe_load((Project().root / "_config.yml").read_text("utf-8"))
    return str(config["repository"]["url"])


def _code_of(settled_by: Computed) -> str:
    module, _, _ = settled_by.function.rpartition(".")
    if module.startswith("tlhelpers"):
        path = f"src/{module.replace('.', '/')}.py"
    else:
        path = f"book/claims/computed/{module}.py"
    return _link("The code", f"{_repository()}/blob/main/{path}")


def _registered_when(entry: Claim) -> str:
    assert entry.registered is not None, "a measured entry"
    frozen = all(
        recorded(name, entry.results).meta["registered"].get(entry.id) == entry.registered.digest
        for name in entry.sweeps
    )
    return "" if frozen else ", before bars were frozen"


def _registration(entry: Claim) -> list[str]:
    """Say what was written down before the run, and what was done otherwise."""
    if entry.registered is None:
        return []
    bar, experiment = entry.registered.in_words(), entry.registered.experiment
    lines = [f"Registered: {escape(experiment)} Bar: {escape(bar)}", ""]
    for change in entry.changed:
        lines += [f"**Changed later:** {escape(change.what)} *Why:* {escape(change.why)}", ""]
    return lines


def _see_also(entry: Claim, ledger: Ledger) -> list[str]:
    references = [ledger.references[key] for key in entry.references]
    links = ", ".join(_link(f"{item.authors} {item.year}", item.url) for item in references)
    return ["", f"See also: {links}"] if links else []


def _where_stated(entry: Claim) -> str:
    if entry.source is None:
        return "a number of this book"
    figure = f", as “{escape(entry.source.figure)}”" if entry.source.figure else ""
    return f"the tutorial, section {entry.source.section} ({entry.source.where}){figure}"


def _slug(text: str) -> str:
    return text.replace(" ", "-")


def _card(entry: Claim, settled: Settled, ledger: Ledger) -> list[str]:
    instead = [f"**Instead:** {escape(entry.instead)}", ""] if entry.instead else []
    permalink = (
        f'<a class="tl-permalink" href="#{anchor(entry.id)}" title="Link to this claim"'
        f' aria-label="Link to this claim">#</a>'
    )
    return [
        f"({anchor(entry.id)})=",
        f":::{{container}} {_classes(entry)}",
        f"**{escape(entry.claim)}**{permalink}",
        "",
        f"*{entry.verdict}*, {entry.kind}; {_where_stated(entry)}",
        "",
        escape(entry.why),
        "",
        *_conditions(entry),
        *instead,
        *_registration(entry),
        f"Evidence: {evidence(entry, settled, ledger)}",
        *_see_also(entry, ledger),
        ":::",
        "",
    ]


def _classes(entry: Claim) -> str:
    return f"tl-claim tl-k-{entry.kind} tl-v-{_slug(entry.verdict)}"


def _conditions(entry: Claim) -> list[str]:
    said = [("Depends on", entry.depends_on), ("Overturned by", entry.overturned_by)]
    return [line for name, text in said if text for line in (f"{name}: {escape(text)}", "")]


def anchor(claim_id: str) -> str:
    """Return the anchor of a claim's card."""
    return f"claim-{claim_id}"


def card_address(claim_id: str) -> str:
    """Return where a claim's card stands, as seen from the folder ``book``."""
    return f"claims/{_listed()[int(claim_id[:2])].slug}.html#{anchor(claim_id)}"


def _by_chapter(entries: Sequence[Claim]) -> dict[int, list[Claim]]:
    chapters = sorted({entry.chapter for entry in entries})
    return {n: [entry for entry in entries if entry.chapter == n] for n in chapters}


_KINDS = ("Evidence", "kind", [(kind, kind) for kind in KINDS])
_VERDICTS = ("Verdict", "verdict", [(_slug(verdict), verdict) for verdict in VERDICTS])


def chapter_page(
    chapter: int, ledger: Ledger, titles: Mapping[int, str], settled: Mapping[str, Settled]
) -> str:
    """Return the page of one chapter's claims, with its filter."""
    title = escape(_chapter_title(chapter, titles))
    where = "The chapter is not written yet."
    if chapter in titles:
        where = f"From {_link('the chapter', f'../../notebooks/{_listed()[chapter].slug}.ipynb')}."
    lines = [
        *NOT_SEARCHED,
        f"# Claims {chapter:02d} · {title}",
        "",
        f"{where} What the words mean, and the claims of all chapters: "
        "[every claim, and what settles it](../claims.md).",
        "",
        STYLE + controls([_KINDS, _VERDICTS]),
        "",
    ]
    for entry in ledger.of_chapter(chapter):
        lines += _card(entry, settled[entry.id], ledger)
    lines += [SCRIPT, ""]
    return "\n".join(lines)


def list_page(ledger: Ledger, titles: Mapping[int, str]) -> str:
    """Return the page that says what is checked and how, with every claim in one line."""
    counts = Counter(entry.verdict for entry in ledger.entries)
    by_chapter = _by_chapter(ledger.entries)
    chapters = [(f"{n:02d}", f"{n:02d} {_html_title(n, titles)}") for n in by_chapter]
    filters = [("Chapter", "chapter", chapters), _KINDS, _VERDICTS]
    lines = [
        *NOT_SEARCHED,
        "# Every claim, and what settles it",
        "",
        "A claim is a number, or a statement that can be tested. "
        "Most are taken from the tutorial *Transfer Learning in NLP*, the first of four on "
        "pretrained language models, whose twenty sections this book follows chapter by chapter. "
        "It covers the whole field in less than an hour of reading, and that is why we follow it; "
        "in so little room nobody can give the evidence for every sentence, and that is why we "
        "check it. The others are numbers of our own, held to the same rules.",
        "",
        "Each claim has a verdict, and evidence that anyone can look at: some lines of code, a "
        "recorded experiment, or a published source. "
        "[What we corrected](corrections.md) has the corrections on a page of their own.",
        "",
        "| verdict | meaning | claims |",
        "|---|---|---:|",
        *(f"| {verdict} | {MEANING[verdict]} | {counts[verdict]} |" for verdict in VERDICTS),
        f"| all | | {len(ledger.entries)} |",
        "",
        *(f"- *{kind}*: {KIND_MEANING[kind]}" for kind in KINDS),
        "",
        "## Find a claim",
        "",
        STYLE + controls(filters),
        "",
        f'<details class="tl-all"><summary>All {len(ledger.entries)} claims, a line each</summary>'
        '<ul class="tl-lines">' + "".join(map(_line, ledger.entries)) + "</ul></details>",
        "",
        "## By chapter",
        "",
        _table_of_chapters(by_chapter, titles),
        "",
        SCRIPT,
        "",
    ]
    return "\n".join(lines)


def _html_title(chapter: int, titles: Mapping[int, str]) -> str:
    return html_escape(_chapter_title(chapter, titles))


def _table_of_chapters(by_chapter: Mapping[int, Sequence[Claim]], titles: Mapping[int, str]) -> str:
    """Count the verdicts of each chapter; a number opens the page of just these."""
    heads = "".join(f"<th>{name}</th>" for name in ("chapter", *VERDICTS, "all"))
    rows = []
    for chapter, entries in by_chapter.items():
        page = f"claims/{_listed()[chapter].slug}.html"
        counts = Counter(entry.verdict for entry in entries)
        cells = "".join(
            f'<td><a href="{page}?verdict={_slug(verdict)}">{counts[verdict]}</a></td>'
            if counts[verdict]
            else "<td></td>"
            for verdict in VERDICTS
        )
        title = f"{chapter:02d} · {_html_title(chapter, titles)}"
        name = f'<td><a href="{page}">{title}</a></td>'
        rows.append(f"<tr>{name}{cells}<td>{len(entries)}</td></tr>")
    head, body = f"<thead><tr>{heads}</tr></thead>", f"<tbody>{''.join(rows)}</tbody>"
    return f'<table class="table tl-counts">{head}{body}</table>'


def _line(entry: Claim) -> str:
    return (
        f'<li class="{_classes(entry)}" data-chapter="{entry.chapter:02d}">'
        f'<a href="{card_address(entry.id)}">{html_escape(entry.claim)}</a> '
        f"<em>{entry.verdict}</em>, {entry.kind}</li>"
    )


def corrections_page(ledger: Ledger, titles: Mapping[int, str]) -> str:
    """Return the page of corrections: what is said, what was found, what to do instead."""
    corrected = [entry for entry in ledger.entries if entry.verdict == "corrected"]
    lines = [
        *NOT_SEARCHED,
        "# What we corrected",
        "",
        "Whoever explains a field has to compress it. A figure gets rounded, a library changes, "
        "a rule of thumb outlives the experiment behind it. "
        "Each entry below gives a statement of the tutorial that this book follows "
        "([what it is](claims.md)), what we found when we looked, and what we would do instead. "
        "A correction can be wrong too: if one is, please tell us, with the evidence.",
        "",
        STYLE,
    ]
    if not corrected:
        lines += ["So far there is nothing to correct.", ""]
    for chapter, entries in _by_chapter(corrected).items():
        lines += [f"## {chapter:02d} · {escape(_chapter_title(chapter, titles))}", ""]
        for entry in entries:
            lines += [
                ":::{container} tl-claim tl-v-corrected",
                f"**What is said:** {escape(entry.claim)} ({_where_stated(entry)})",
                "",
                f"**What we found:** {escape(entry.why)}",
                "",
                f"**Instead:** {escape(entry.instead)} "
                f'<a href="{card_address(entry.id)}">Evidence</a>',
                ":::",
                "",
            ]
    return "\n".join(lines)


_CARD = re.compile(r'(<li data-claim="([^"]+)".*?)(</li>)', re.DOTALL)


def link_cards(notebook: str) -> str:
    """Let each card that a page shows end with a link to its entry in the list of claims.

    In JupyterLab and on Colab there is no such page to link to: hence not where the card is made.
    """
    if "data-claim=" not in notebook:
        return notebook
    content = nbformat.reads(notebook, as_version=4)
    outputs = (output for cell in content.cells for output in cell.get("outputs", []))
    for output in outputs:
        data = output.get("data", {})
        if "text/html" in data:
            data["text/html"] = _CARD.sub(
                lambda card: (
                    f'{card[1]} <small><a href="../book/{card_address(card[2])}">'
                    f"evidence and link</a></small>{card[3]}"
                ),
                data["text/html"],
            )
    text: str = nbformat.writes(content)
    return text


def settle_all(ledger: Ledger) -> dict[str, Settled]:
    """Settle every entry, computed ones by the value in the ledger.

    Their functions build models and take half a minute together, which a book that has not changed
    must not cost; tests/evidence calls each of them.

    Raises
    ------
    UserError
        If a recorded sweep lacks what an entry asks for, or is not there.
    """
    settled = {}
    for entry in ledger.entries:
        if isinstance(entry.settled_by, Computed):
            settled[entry.id] = Settled(entry.settled_by.expects, True, "as the tests compute it")
            continue
        try:
            settled[entry.id] = settle(entry, ledger.folder)
        except ResultsError as error:
            raise UserError(f"{entry.file}: {entry.id}: {error}") from error
    return settled


def write_pages(stage: Path, ledger: Ledger | None = None) -> list[Path]:
    """Write the list of claims, a page for each chapter's, and the corrections.

    Parameters
    ----------
    stage : folder with ``notebooks/``, whose chapters are linked.
    ledger : by default the book's.
    """
    try:
        ledger = ledger or load_ledger()
    except LedgerError as error:
        raise UserError(str(error)) from error
    titles, settled = staged_titles(stage), settle_all(ledger)
    book = stage / "book"
    pages = {
        book / "claims.md": list_page(ledger, titles),
        book / "corrections.md": corrections_page(ledger, titles),
    }
    for chapter in _by_chapter(ledger.entries):
        path = book / "claims" / f"{_listed()[chapter].slug}.md"
        pages[path] = chapter_page(chapter, ledger, titles, settled)
    for path, text in pages.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text)
    return list(pages)


if __name__ == "__main__":
    for written in write_pages(Path(sys.argv[1])):
        print(written)
