"""Things to play with: one function, a few settings, a control for each.

With a kernel the controls are ipywidgets and a state is drawn when it is first asked for. On the
rendered page there is no kernel: every state is drawn beforehand and sits behind native controls,
so that it works by keyboard, with a screen reader, without a network and, as its first state,
without JavaScript.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

import pandas as pd

from tlhelpers.visuals.figure import as_html
from tlhelpers.visuals.html import Html
from tlhelpers.visuals.tables import table

MANY = 300_000  # bytes: a page has to stay under 1 MB
TOO_MANY = 700_000

State = dict[str, Any]

_STYLE = (
    "<style>"
    ".tl-explore{border:1px solid var(--tl-grid);border-radius:.4em;padding:.7em .9em;"
    "max-width:38rem;box-sizing:border-box}"
    ".tl-explore .tl-title{font-weight:600;margin:0 0 .4em}"
    ".tl-explore .tl-controls{display:flex;flex-wrap:wrap;gap:.5em 1.5em;margin:0 0 .6em}"
    ".tl-explore .tl-controls[hidden]{display:none}"
    ".tl-explore label{display:flex;align-items:center;gap:.5em;min-height:2.75em;"
    "flex:1 1 14em;min-width:0;color:inherit;margin:0}"
    ".tl-explore input[type=range]{flex:1;min-width:6em;height:1.6em;accent-color:var(--tl-blue)}"
    ".tl-explore output{min-width:3.5em;font-weight:600;font-variant-numeric:tabular-nums}"
    ".tl-explore select{font:inherit;min-height:2.2em;min-width:0;max-width:100%;"
    "color:var(--tl-ink);background:transparent;border:1px solid var(--tl-grid);border-radius:.3em}"
    ".tl-explore select option{color:#1b1f24;background:#fff}"
    ".tl-explore :is(input,select):focus-visible{outline:2px solid var(--tl-blue);"
    "outline-offset:2px}"
    # All states lie in one cell of a grid: the tallest sets the height and the page never jumps.
    ".tl-explore .tl-states{display:grid;grid-template-columns:minmax(0,1fr)}"
    ".tl-explore .tl-state{grid-area:1/1;min-width:0}"
    ".tl-explore .tl-state[hidden]{display:block!important;visibility:hidden}"
    "</style>"
)

# Runs once for each widget on the page, in order; a widget is marked when it is ready.
_SCRIPT = """<script>
document.querySelectorAll('.tl-explore[data-states]:not([data-ready])').forEach(box => {
  box.dataset.ready = '1';
  const panels = box.querySelectorAll('.tl-state');
  const controls = [...box.querySelectorAll('.tl-controls [data-name]')];
  const place = JSON.parse(box.dataset.states);
  const show = () => {
    const at = controls.map(control => +control.value);
    controls.forEach((control, i) => {
      if (control.type !== 'range') return;
      const word = JSON.parse(control.dataset.words)[at[i]];
      control.setAttribute('aria-valuetext', word);
      control.parentElement.querySelector('output').textContent = word;
    });
    const shown = place[at.join()];
    panels.forEach((panel, i) => { panel.hidden = i !== shown; });
  };
  controls.forEach(control => control.addEventListener('input', show));
  box.querySelector('.tl-controls').hidden = false;
  show();
});
</script>"""


def explore(
    f: Callable[..., Any],
    *,
    title: str,
    alt: str | Callable[..., str] = "",
    **settings: Sequence[Any],
) -> Any:  # noqa: ANN401 -- an Html, or an ipywidgets box
    """Give the reader a control for each setting of `f`, and show what it returns.

    Parameters
    ----------
    f : callable
        Called as ``f(rank=4, ...)``. Returns a `Picture`, a matplotlib figure, a DataFrame, a
        string, or anything with a rich form; what it prints is shown too. It is called at most
        once for each state.
    title : str
        What can be found out here; the name of the widget for a screen reader.
    alt : str or callable, optional
        The text alternative of a bare matplotlib figure: a text with ``{rank}`` in it, or a
        function of the settings.
    **settings : sequence
        The values of each setting. Numbers in order get a slider, anything else a list. The first
        value is where the reader starts.

    Returns
    -------
    Html or ipywidgets.VBox
        Drawn beforehand if ``TL_STATIC=1`` (the book's pages) or without ipywidgets; else live.

    Raises
    ------
    ValueError
        If a setting has no value, or the states drawn beforehand take more than 700 kB.

    Examples
    --------
    >>> explore(lambda rank: f"{2 * 384 * rank:,}", title="Parameters by rank", rank=[1, 2, 4])
    """
    if not settings:
        raise ValueError("explore() needs a setting to play with, for example rank=[1, 2, 4]")
    for name, values in settings.items():
        if len(values) == 0:
            raise ValueError(f"the setting {name!r} has no values")
    drawn: dict[tuple[int, ...], Html] = {}

    def draw(position: tuple[int, ...]) -> Html:
        if position not in drawn:
            names = zip(settings.items(), position, strict=True)
            state = {name: values[i] for (name, values), i in names}
            drawn[position] = _draw(f, state, alt)
        return drawn[position]

    if os.environ.get("TL_STATIC") != "1":
        with contextlib.suppress(ImportError):
            return _live(draw, title, settings)
    return _static(draw, title, settings)


def _draw(f: Callable[..., Any], state: State, alt: str | Callable[..., str]) -> Html:
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            thing = as_html(f(**state), alt(**state) if callable(alt) else alt.format(**state))
    except Exception as error:
        error.add_note(f"while drawing the state {state}")
        raise
    parts = [_as_text(printed.getvalue().rstrip())] if printed.getvalue() else []
    if thing is not None:
        parts.append(_form(thing))
    return Html("".join(part.body for part in parts), "\n".join(part.text for part in parts))


def _form(thing: Any) -> Html:  # noqa: ANN401
    """Give anything its HTML and its plain text."""
    if isinstance(thing, Html):
        return thing
    if isinstance(thing, str):
        return _as_text(thing)
    if isinstance(thing, pd.DataFrame):
        return table(thing)
    rich = getattr(thing, "_repr_html_", None)
    html = rich() if rich else None
    if html is None:
        return _as_text(repr(thing))
    return Html(f'<div class="tl-scroll">{html}</div>', repr(thing))


def _as_text(text: str) -> Html:
    return Html(f"<pre>{escape(text)}</pre>", text)


def _ordered_numbers(values: Sequence[Any]) -> bool:
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in values):
        return False
    pairs = list(itertools.pairwise(values))
    return len(values) > 1 and (all(a < b for a, b in pairs) or all(a > b for a, b in pairs))


def _word(value: Any) -> str:  # noqa: ANN401
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _live(
    draw: Callable[[tuple[int, ...]], Html], title: str, settings: Mapping[str, Sequence[Any]]
) -> Any:  # noqa: ANN401
    import ipywidgets

    wide = {"description_width": "initial"}
    controls = []
    for name, values in settings.items():
        kind = ipywidgets.SelectionSlider if _ordered_numbers(values) else ipywidgets.Dropdown
        options = [(_word(value), i) for i, value in enumerate(values)]
        controls.append(kind(options=options, value=0, description=_words(name), style=wide))
    view = ipywidgets.HTML()

    def update(_: object = None) -> None:
        # An error in a callback would go to the kernel's log, where nobody looks.
        try:
            view.value = draw(tuple(control.value for control in controls))._repr_html_()
        except Exception as error:
            note = " ".join(getattr(error, "__notes__", []))
            view.value = f"<pre>{escape(f'{type(error).__name__}: {error} ({note})')}</pre>"

    view.value = draw(tuple(0 for _ in controls))._repr_html_()  # the first state may raise
    for control in controls:
        control.observe(update, names="value")
    heading = ipywidgets.HTML(f"<b>{escape(title)}</b>")
    return ipywidgets.VBox([heading, *controls, view])


def _static(
    draw: Callable[[tuple[int, ...]], Html], title: str, settings: Mapping[str, Sequence[Any]]
) -> Html:
    places: dict[str, int] = {}
    panels: dict[str, int] = {}  # equal states share a panel
    for position in itertools.product(*(range(len(values)) for values in settings.values())):
        body = draw(position).body
        places[",".join(map(str, position))] = panels.setdefault(body, len(panels))
    first = draw(tuple(0 for _ in settings)).text
    controls = "".join(_control(name, values) for name, values in settings.items())
    states = "".join(
        f'<div class="tl-state"{" hidden" if i else ""}>{body}</div>' for body, i in panels.items()
    )
    start = ", ".join(f"{_words(name)} {_word(values[0])}" for name, values in settings.items())
    html = (
        f"{_STYLE}"
        f'<div class="tl-explore" role="group" aria-label="{escape(title)}" '
        f'data-states="{escape(json.dumps(places, separators=(",", ":")))}">'
        f'<p class="tl-title">{escape(title)}</p>'
        f'<div class="tl-controls" hidden>{controls}</div>'
        f"<noscript><p>Shown: {escape(start)}. JavaScript brings the other states.</p></noscript>"
        f'<div class="tl-states" aria-live="polite">{states}</div></div>{_SCRIPT}'
    )
    size = len(html.encode())
    advice = f"explore({title!r}): its {len(places)} states take {size / 1000:.0f} kB, "
    if size > TOO_MANY:
        raise ValueError(
            f"{advice}more than {TOO_MANY / 1000:.0f}: give fewer values, draw fewer points, or "
            "return numbers (a DataFrame) instead of a figure"
        )
    if size > MANY:
        warnings.warn(f"{advice}much for a page that should stay under 1 MB", stacklevel=3)
    return Html(html, f"{title} (explore: {start}; {len(places)} states)\n{first}")


def _control(name: str, values: Sequence[Any]) -> str:
    words = [_word(value) for value in values]
    label = escape(_words(name))
    if _ordered_numbers(values):
        last, listed = len(values) - 1, escape(json.dumps(words))
        return (
            f'<label><span>{label}</span><input type="range" aria-label="{label}" '
            f'min="0" max="{last}" step="1" value="0" autocomplete="off" '
            f'data-name="{escape(name)}" data-words="{listed}" '
            f'aria-valuetext="{escape(words[0])}">'
            f'<output aria-live="off">{escape(words[0])}</output></label>'
        )
    options = "".join(
        f'<option value="{i}">{escape(word)}</option>' for i, word in enumerate(words)
    )
    return (
        f'<label><span>{label}</span><select autocomplete="off" data-name="{escape(name)}">'
        f"{options}</select></label>"
    )
