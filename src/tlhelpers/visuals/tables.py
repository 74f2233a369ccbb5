"""Tables and coloured text that read well in the book, in JupyterLab and on Colab, light or dark.

Everything here is an `Html`: rich in a notebook, plain text in a terminal.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from tlhelpers.visuals.html import PALETTE, Html


def table(
    data: pd.DataFrame,
    caption: str = "",
    *,
    index: bool | None = None,
    digits: int | None = None,
) -> Html:
    """Show a small table; whatever the cells hold is escaped.

    Parameters
    ----------
    data : DataFrame
        At most 200 rows. Large numbers are shown with commas.
    caption : str
        One line above the table that says what it shows.
    index : bool, optional
        Whether to show the row names; by default only where they are not just 0, 1, 2, ...
    digits : int, optional
        Show each float with as many decimals; by default with three significant digits.

    Returns
    -------
    Html
        The table, which scrolls sideways by itself where the page is narrower.

    Raises
    ------
    ValueError
        If the table has more than 200 rows.
    """
    if len(data) > 200:
        raise ValueError(f"the table has {len(data)} rows: show a part of it, such as .head(20)")
    named = not isinstance(data.index, pd.RangeIndex) if index is None else index
    shown = data.reset_index() if named else data
    numeric = [pd.api.types.is_numeric_dtype(dtype) for dtype in shown.dtypes]
    columns = zip(shown, numeric, strict=True)
    head = "".join(_cell("th", name, n, scope="col") for name, n in columns)
    rows = [
        "".join(
            _cell("th", value, n, scope="row")
            if named and i == 0
            else _cell("td", value, n, digits=digits)
            for i, (value, n) in enumerate(zip(row, numeric, strict=True))
        )
        for row in shown.itertuples(index=False, name=None)
    ]
    top = f"<caption><div>{escape(caption)}</div></caption>" if caption else ""
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    # A region that scrolls must be reachable by keyboard, and say what it is.
    label = escape(caption or "Table", quote=True)
    html = (
        f'<div class="tl-scroll" role="region" tabindex="0" aria-label="{label}">'
        f"<table>{top}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
    plain = shown.map(_show, digits=digits).to_string(index=False)
    return Html(html, f"{caption}\n{plain}" if caption else plain)


def _cell(
    tag: str, value: object, numeric: bool, scope: str = "", digits: int | None = None
) -> str:
    shown = _show(value, digits)
    kind = ' class="tl-n"' if numeric else ' class="tl-long"' if len(shown) > 40 else ""
    of = f' scope="{scope}"' if scope else ""
    # Arabic and Hebrew start on the right, and so do the numbers and full stops in between.
    if any(unicodedata.bidirectional(character) in ("R", "AL") for character in shown):
        of += ' dir="rtl"'
    return f"<{tag}{of}{kind}>{escape(shown)}</{tag}>"


def _show(value: Any, digits: int | None = None) -> str:  # noqa: ANN401 -- can be anything
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return "–"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return f"{value:,}"
    if isinstance(value, float | np.floating):
        number = float(value)
        if digits is not None:
            return f"{number:,.{digits}f}"
        return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.3g}"
    return str(value)


def highlight(
    tokens: Sequence[str],
    scores: ArrayLike | None = None,
    *,
    labels: Sequence[str | None] | None = None,
    caption: str = "",
) -> Html:
    """Show tokens with a coloured background: how much (scores) or what kind (labels).

    Parameters
    ----------
    tokens : sequence of str, N long
        Words or sub-words; the marks of WordPiece (``##``), SentencePiece and byte-level BPE are
        drawn as joins and spaces.
    scores : array of shape (N,), optional
        Strength of each token; positive in blue, negative in orange, scaled to the largest.
    labels : sequence of str or None, N long, optional
        The kind of each token, for example ``"place"``; ``None`` and ``"O"`` stay uncoloured. The
        name stands beside the token: colour alone is not enough for every reader.
    caption : str
        One line above the text.

    Returns
    -------
    Html
        The coloured text.

    Raises
    ------
    ValueError
        If not exactly one of `scores` and `labels` is given, or its length is not N.
    """
    if (scores is None) == (labels is None):
        raise ValueError("give highlight() either scores or labels")
    if scores is not None:
        marks, plain = _score_marks(tokens, np.asarray(scores, dtype=float))
    else:
        assert labels is not None
        marks, plain = _label_marks(tokens, labels)
    top = f"<strong>{escape(caption)}</strong><br>" if caption else ""
    return Html(f"<div>{top}{''.join(marks)}</div>", f"{caption}\n{plain}" if caption else plain)


def _score_marks(tokens: Sequence[str], scores: np.ndarray) -> tuple[list[str], str]:
    _same_length("scores", len(scores), len(tokens))
    largest = float(np.abs(scores).max(initial=0.0)) or 1.0
    marks, plain = [], []
    for token, score in zip(tokens, scores.tolist(), strict=True):
        before, word = _join(token)
        marks.append(before + _mark(word, "blue" if score >= 0 else "orange", abs(score) / largest))
        plain.append(f"{before}{word}({score:+.2f})")
    return marks, "".join(plain).strip()


def _label_marks(tokens: Sequence[str], labels: Sequence[str | None]) -> tuple[list[str], str]:
    _same_length("labels", len(labels), len(tokens))
    hues = [name for name in PALETTE if name != "grey"]
    kinds = sorted({_kind(label) for label in labels} - {""})
    colour = {kind: hues[i % len(hues)] for i, kind in enumerate(kinds)}
    marks, plain, last = [], [], ""
    for token, label in zip(tokens, labels, strict=True):
        before, word = _join(token)
        kind = _kind(label)
        starts = kind and (kind != last or str(label).startswith("B-"))
        name = f"<sub>{escape(kind)}</sub> " if starts else ""
        marks.append(before + (_mark(word, colour[kind], 0.8, name) if kind else escape(word)))
        plain.append(f"{before}{word}" + (f"[{kind}]" if starts else ""))
        last = kind
    return marks, "".join(plain).strip()


def _same_length(what: str, given: int, tokens: int) -> None:
    if given != tokens:
        raise ValueError(f"there are {given} {what} for {tokens} tokens: give one for each token")


def _kind(label: str | None) -> str:
    return "" if label in (None, "O") else str(label).removeprefix("B-").removeprefix("I-")


def _join(token: str) -> tuple[str, str]:
    """Split a token into the space before it and its letters."""
    if token.startswith("##"):
        return "", token[2:]
    if token[:1] in ("▁", "Ġ"):
        return " ", token[1:]
    return " ", token


def _mark(word: str, colour: str, strength: float, before: str = "") -> str:
    # 45 % of the hue at most: the ink on top of it keeps its 4.5:1.
    share = round(45 * strength)
    tint = f"color-mix(in srgb,var(--tl-{colour}) {share}%,transparent)"
    return f'<mark style="background:{tint}">{before}{escape(word)}</mark>'


def show_mistakes(
    texts: Sequence[str],
    labels: ArrayLike,
    predictions: ArrayLike,
    confidence: ArrayLike | None = None,
    *,
    label_names: Sequence[str] | Mapping[int, str] | None = None,
    taken_for: str | None = None,
    n: int = 5,
    caption: str = "",
) -> Html:
    """Show what a classifier gets wrong, its most confident mistakes first.

    Parameters
    ----------
    texts : sequence of str, N long
        What was classified.
    labels : array of shape (N,)
        The true classes.
    predictions : array of shape (N,) or (N, C)
        The predicted classes, or a probability for each of C classes: then `confidence` is read
        off it.
    confidence : array of shape (N,), optional
        Probability of the predicted class, 0 to 1. Without it the mistakes keep their order.
    label_names : sequence of str, optional
        Names of the classes 0, 1, ...
    taken_for : str, optional
        Show only what was wrongly given this class.
    n : int
        How many mistakes to show.
    caption : str
        One line above the table; by default it counts the mistakes.

    Returns
    -------
    Html
        A table with text, truth, prediction and confidence.

    Raises
    ------
    ValueError
        If the arguments differ in length.
    """
    truth, predicted = np.asarray(labels), np.asarray(predictions)
    if predicted.ndim == 2:
        confidence = predicted.max(axis=1) if confidence is None else confidence
        predicted = predicted.argmax(axis=1)
    if not len(texts) == len(truth) == len(predicted):
        raise ValueError(
            f"{len(texts)} texts, {len(truth)} labels and {len(predicted)} predictions: "
            "give one of each for each text"
        )

    def name(label: Any) -> str:  # noqa: ANN401
        return str(label) if label_names is None else str(label_names[int(label)])

    wrong = np.flatnonzero(truth != predicted)
    if taken_for is not None:
        wrong = np.array([i for i in wrong if name(predicted[i]) == taken_for], dtype=int)
    if confidence is not None:
        sure = np.asarray(confidence, dtype=float)
        if len(sure) != len(truth):
            raise ValueError(f"{len(sure)} confidences for {len(truth)} texts: give one for each")
        wrong = wrong[np.argsort(-sure[wrong], kind="stable")]

    columns: dict[str, list[Any]] = {
        "text": [texts[int(i)] for i in wrong[:n]],
        "true": [name(truth[i]) for i in wrong[:n]],
        "predicted": [name(predicted[i]) for i in wrong[:n]],
    }
    if confidence is not None:
        columns["confidence"] = [f"{sure[i]:.0%}" for i in wrong[:n]]
    kind = f"wrongly called {taken_for}" if taken_for is not None else "wrong"
    counted = f"{len(wrong)} of {len(truth)} {kind}; {min(n, len(wrong))} shown"
    if confidence is not None and len(wrong):
        counted += ", the most confident first"
    return table(pd.DataFrame(columns), caption or counted)
