"""Write the book's pages about the ledger: every claim, and every correction.

    python -m tools.site.ledger_pages FOLDER     writes book/claims.md and book/corrections.md there

`tools.site.stage` calls `write_pages`. The entries are Markdown, so that they can be searched and
read without any script; the script in the page only hides what the reader filters out, and asks no
other host for anything.
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

from tlhelpers.evidence.claims import readable
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
from tlhelpers.evidence.settle import Settled, settle
from tools.project import Chapter, UserError, chapters, write_atomically

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
    "computed": "exact, by a function that the tests call",
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
        return f"{escape(readable(settled.value))}, by `{settled_by.function}`"
    if entry.judgement is not None:
        sweeps = ", ".join(f"`{name}`" for name in entry.sweeps)
        return f"{escape(str(entry.judgement))}; recorded in {sweeps}{_registered_when(entry)}"
    if isinstance(settled_by, Cited):
        reference = ledger.references[settled_by.reference]
        source = _link(f"{reference.authors} {reference.year}", reference.url)
        state = "" if settled_by.checked else f" (not checked: {escape(settled_by.unchecked)})"
        value = escape(settled_by.quote_value)
        return f"“{value}”, {source}, {escape(settled_by.locator)}{state}"
    return f"waits for {', '.join(f'`{name}`' for name in entry.sweeps)}"


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
    figure = f" as “{escape(entry.source.figure)}”" if entry.source.figure else ""
    return f"stated{figure}, section {entry.source.section}, {entry.source.where}"


def _slug(text: str) -> str:
    return text.replace(" ", "-")


def _card(entry: Claim, settled: Settled, ledger: Ledger) -> list[str]:
    instead = [f"**Instead:** {escape(entry.instead)}", ""] if entry.instead else []
    return [
        f"({_anchor(entry)})=",
        f":::{{container}} tl-claim tl-k-{entry.kind} tl-v-{_slug(entry.verdict)}",
        f"**{escape(entry.claim)}**",
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


def _conditions(entry: Claim) -> list[str]:
    said = [("Depends on", entry.depends_on), ("Overturned by", entry.overturned_by)]
    return [line for name, text in said if text for line in (f"{name}: {escape(text)}", "")]


def _anchor(entry: Claim) -> str:
    return f"claim-{entry.id}"


def _by_chapter(entries: Sequence[Claim]) -> dict[int, list[Claim]]:
    chapters = sorted({entry.chapter for entry in entries})
    return {n: [entry for entry in entries if entry.chapter == n] for n in chapters}


def claims_page(ledger: Ledger, titles: Mapping[int, str], settled: Mapping[str, Settled]) -> str:
    """Return the page of all claims, with its filter."""
    counts = Counter(entry.verdict for entry in ledger.entries)
    lines = [
        *NOT_SEARCHED,
        "# Every claim, and what settles it",
        "",
        "A claim is a number, or a statement that can be tested, about transfer learning. "
        "Each has a verdict, and evidence that anyone can look at: a function, a recorded "
        "experiment, or a published source. "
        "[What we corrected](corrections.md) has the corrections on a page of their own.",
        "",
        "| verdict | meaning | claims |",
        "|---|---|---:|",
        *(f"| {verdict} | {MEANING[verdict]} | {counts[verdict]} |" for verdict in VERDICTS),
        f"| all | | {len(ledger.entries)} |",
        "",
        *(f"- *{kind}*: {KIND_MEANING[kind]}" for kind in KINDS),
        "",
        _controls(ledger, titles),
        "",
    ]
    for chapter, entries in _by_chapter(ledger.entries).items():
        lines += _chapter_heading(chapter, titles)
        for entry in entries:
            lines += _card(entry, settled[entry.id], ledger)
    lines += [SCRIPT, ""]
    return "\n".join(lines)


def _chapter_heading(chapter: int, titles: Mapping[int, str]) -> list[str]:
    lines = [f"## {chapter:02d} · {escape(_chapter_title(chapter, titles))}", ""]
    if chapter in titles:
        lines += [
            f"From {_link('the chapter', f'../notebooks/{_listed()[chapter].slug}.ipynb')}.",
            "",
        ]
    return lines


def corrections_page(
    ledger: Ledger, titles: Mapping[int, str], settled: Mapping[str, Settled]
) -> str:
    """Return the page of corrections: what is said, the evidence, what to do instead."""
    corrected = [entry for entry in ledger.entries if entry.verdict == "corrected"]
    lines = [
        *NOT_SEARCHED,
        "# What we corrected",
        "",
        "Whoever explains a field has to compress it. A figure gets rounded, a library changes, "
        "a rule of thumb outlives the experiment behind it. "
        "Each entry below gives a statement that is in circulation, what we found when we looked, "
        "and what we would do instead. "
        "A correction can be wrong too: if one is, please tell us, with the evidence.",
        "",
        STYLE,
    ]
    if not corrected:
        lines += ["So far there is nothing to correct.", ""]
    for chapter, entries in _by_chapter(corrected).items():
        lines += _chapter_heading(chapter, titles)
        for entry in entries:
            lines += [
                ":::{container} tl-claim tl-v-corrected",
                f"**What is said:** {escape(entry.claim)} ({_where_stated(entry)})",
                "",
                f"**What we found:** {escape(entry.why)}",
                "",
                f"**Instead:** {escape(entry.instead)}",
                "",
                f"Evidence: {evidence(entry, settled[entry.id], ledger)}",
                *_see_also(entry, ledger),
                ":::",
                "",
            ]
    return "\n".join(lines)


def _options(values: Sequence[tuple[str, str]]) -> str:
    items = (f'<option value="{value}">{label}</option>' for value, label in values)
    return '<option value="">all</option>' + "".join(items)


def _controls(ledger: Ledger, titles: Mapping[int, str]) -> str:
    chapters = [
        (f"{n:02d}", html_escape(f"{n:02d} {_chapter_title(n, titles)}"))
        for n in _by_chapter(ledger.entries)
    ]
    kinds = [(f"tl-k-{kind}", kind) for kind in KINDS]
    verdicts = [(f"tl-v-{_slug(verdict)}", verdict) for verdict in VERDICTS]
    return (
        f"{STYLE}"
        '<form class="tl-filter" hidden aria-label="Filter the claims">'
        f'<label>Chapter <select name="chapter">{_options(chapters)}</select></label>'
        f'<label>Evidence <select name="kind">{_options(kinds)}</select></label>'
        f'<label>Verdict <select name="verdict">{_options(verdicts)}</select></label>'
        '<label>Words <input name="words" type="search" autocomplete="off"></label>'
        '<button type="reset">Show all</button>'
        '<output aria-live="polite"></output>'
        "</form>"
    )


# The variables are those of the book's theme: they change with light and dark.
STYLE = """<style>
.tl-filter{display:flex;flex-wrap:wrap;gap:.6em 1em;align-items:end;margin:1em 0}
.tl-filter[hidden],[hidden].tl-claim,section[hidden]{display:none}
.tl-filter label{display:flex;flex-direction:column;font-size:.9em;max-width:100%}
.tl-filter :is(select,input,button){font:inherit;padding:.3em .5em;max-width:100%;min-height:2.2em;
color:var(--pst-color-text-base);background:var(--pst-color-surface);
border:1px solid var(--pst-color-text-muted);border-radius:.25em}
.tl-filter output{flex-basis:100%}
div.docutils.tl-claim{border-left:.25em solid var(--pst-color-text-muted);margin:0 0 1.6em;
padding:.1em 0 .1em .9em;max-width:100%}
.tl-claim p{margin:.25em 0}
.tl-claim code .pre{white-space:normal;overflow-wrap:anywhere}
div.docutils.tl-v-confirmed{border-color:var(--pst-color-success)}
div.docutils.tl-v-corrected{border-color:var(--pst-color-danger)}
div.docutils.tl-v-refuted-here{border-color:var(--pst-color-danger)}
div.docutils.tl-v-depends{border-color:var(--pst-color-warning)}
</style>
"""

SCRIPT = """<script>
(() => {
const form = document.querySelector('.tl-filter');
const cards = [...document.querySelectorAll('.tl-claim')];
const inSection = card => card.closest('section');
const chapterOf = card => inSection(card).querySelector('h2').textContent.trim().slice(0, 2);
const data = cards.map(card => ({card, section: inSection(card), chapter: chapterOf(card),
text: card.textContent.toLowerCase()}));
const show = () => {
const wanted = Object.fromEntries(new FormData(form));
const words = wanted.words.toLowerCase().split(/\\s+/).filter(Boolean);
const alive = new Set();
let count = 0;
for (const {card, section, chapter, text} of data) {
const fits = (!wanted.chapter || wanted.chapter === chapter)
&& (!wanted.kind || card.classList.contains(wanted.kind))
&& (!wanted.verdict || card.classList.contains(wanted.verdict))
&& words.every(word => text.includes(word));
card.hidden = !fits;
if (fits) { alive.add(section); count += 1; }
}
for (const {section} of data) section.hidden = !alive.has(section);
form.querySelector('output').textContent = `${count} of ${cards.length} claims`;
};
form.addEventListener('input', show);
form.addEventListener('submit', event => event.preventDefault());
form.addEventListener('reset', () => setTimeout(show));
form.hidden = false;
show();
})();
</script>"""


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
    """Write ``book/claims.md`` and ``book/corrections.md`` into the stage folder.

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
    pages = {
        stage / "book" / "claims.md": claims_page(ledger, titles, settled),
        stage / "book" / "corrections.md": corrections_page(ledger, titles, settled),
    }
    for path, text in pages.items():
        write_atomically(path, text)
    return list(pages)


if __name__ == "__main__":
    for written in write_pages(Path(sys.argv[1])):
        print(written)
