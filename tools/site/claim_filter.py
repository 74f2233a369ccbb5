"""The filter of the pages of claims: a form, a script that hides, and the look of the cards.

Without the script every claim is there to be read. What is asked for stands in the address, so that
a filtered page can be linked and survives going back.
"""

from __future__ import annotations

from collections.abc import Sequence

# The variables are those of the book's theme: they change with light and dark.
STYLE = """<style>
.tl-filter{display:flex;flex-wrap:wrap;gap:.6em 1em;align-items:end;margin:1em 0}
.tl-filter[hidden],[hidden].tl-claim{display:none}
.tl-filter label{display:flex;flex-direction:column;font-size:.9em;max-width:100%}
.tl-filter :is(select,input,button){font:inherit;padding:.3em .5em;max-width:100%;min-height:2.2em;
color:var(--pst-color-text-base);background:var(--pst-color-surface);
border:1px solid var(--pst-color-text-muted);border-radius:.25em}
.tl-filter output{flex-basis:100%}
.bd-article .tl-claim{border-left:.25em solid var(--pst-color-text-muted);margin:0 0 1.6em;
padding:.1em 0 .1em .9em;max-width:100%;overflow-wrap:anywhere}
.bd-article ul.tl-lines{list-style:none;padding:0}
.bd-article li.tl-claim{margin:0 0 .7em}
.tl-claim:target{background:var(--pst-color-surface)}
.tl-claim p{margin:.25em 0}
.bd-article table.tl-counts{font-size:.85em}
.tl-claim code .pre{white-space:normal;overflow-wrap:anywhere}
.tl-claim a.tl-permalink{text-decoration:none;margin-left:.3em}
.bd-article .tl-v-confirmed{border-color:var(--pst-color-success)}
.bd-article .tl-v-corrected{border-color:var(--pst-color-danger)}
.bd-article .tl-v-refuted-here{border-color:var(--pst-color-danger)}
.bd-article .tl-v-depends{border-color:var(--pst-color-warning)}
</style>
"""

SCRIPT = """<script>
(() => {
const old = document.querySelector(`.tl-lines a[href$="${CSS.escape(location.hash || '#none')}"]`);
if (old) { location.replace(old.href); return; }
const form = document.querySelector('.tl-filter');
const cards = [...document.querySelectorAll('.tl-claim')];
const texts = cards.map(card => card.textContent.toLowerCase());
const fields = [...form.elements].filter(field => field.name);
const asked = new URLSearchParams(location.search);
const named = location.hash.slice(1);
for (const field of fields) {
field.value = asked.get(field.name) ?? '';
if (field.selectedIndex === -1) field.selectedIndex = 0;
}
const show = () => {
const kept = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
const {chapter, kind, verdict, words} = Object.fromEntries(kept);
const wanted = (words || '').toLowerCase().split(/\\s+/).filter(Boolean);
let count = 0;
cards.forEach((card, place) => {
const fits = (!chapter || card.dataset.chapter === chapter)
&& (!kind || card.classList.contains(`tl-k-${kind}`))
&& (!verdict || card.classList.contains(`tl-v-${verdict}`))
&& wanted.every(word => texts[place].includes(word));
card.hidden = !fits && !(named && card.id === named);
count += fits;
});
form.querySelector('output').textContent = `${count} of ${cards.length} claims`;
const all = document.querySelector('details.tl-all');
if (all && kept.size) all.open = true;
const query = kept.size ? `?${kept}` : '';
history.replaceState(null, '', location.pathname + query + location.hash);
};
form.addEventListener('input', show);
form.addEventListener('submit', event => event.preventDefault());
form.addEventListener('reset', () => setTimeout(() => {
for (const field of fields) { field.value = ''; }
show();
}));
form.hidden = false;
show();
if (named) document.getElementById(named)?.scrollIntoView();
})();
</script>"""


def controls(selects: Sequence[tuple[str, str, Sequence[tuple[str, str]]]]) -> str:
    """Write the form, which shows itself when the script runs.

    Parameters
    ----------
    selects : sequence of (label, name, options)
        What can be chosen; an option is its value and what a reader sees, as HTML.
    """
    return (
        '<form class="tl-filter" hidden aria-label="Filter the claims">'
        + "".join(
            f'<label>{label} <select name="{name}">{_options(options)}</select></label>'
            for label, name, options in selects
        )
        + '<label>Words <input name="words" type="search" autocomplete="off"></label>'
        '<button type="reset">Show all</button>'
        '<output aria-live="polite"></output>'
        "</form>"
    )


def _options(values: Sequence[tuple[str, str]]) -> str:
    items = (f'<option value="{value}">{label}</option>' for value, label in values)
    return '<option value="">all</option>' + "".join(items)
