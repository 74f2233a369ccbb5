"""Tables and coloured text: what is shown, and what stays out of the HTML."""

import re

import numpy as np
import pandas as pd
import pytest

from tlhelpers.visuals.html import Html
from tlhelpers.visuals.tables import highlight, show_mistakes, table


def test_table_escapes_what_its_cells_hold():
    shown = table(pd.DataFrame({"<script>": ["<img onerror=x>"]}), caption="<b>")
    assert "<script>" not in shown.body
    assert "<img" not in shown.body
    assert "&lt;b&gt;" in shown.body


def test_table_lets_arabic_and_hebrew_run_from_the_right():
    body = table(pd.DataFrame({"text": ["كم الساعة؟", "מה השעה?", "What time is it?"]})).body
    assert body.count('dir="rtl"') == 2


def test_table_shows_numbers_readably():
    frame = pd.DataFrame({"n": [66955010], "share": [0.123456], "none": [np.nan]})
    for word in ("66,955,010", "0.123", "–"):
        assert f">{word}<" in table(frame).body


def test_table_shows_as_many_decimals_as_are_asked_for():
    frame = pd.DataFrame({"mean": [0.1, 1.0], "seeds": [5, 5]})
    for word in ("0.10", "1.00", "5"):
        assert f">{word}<" in table(frame, digits=2).body
    assert "1.00" in repr(table(frame, digits=2))


def test_table_shows_row_names_where_they_mean_something():
    frame = pd.DataFrame({"x": [1]}, index=["base"])
    assert '<th scope="row">base</th>' in table(frame).body
    assert 'scope="row"' not in table(frame.reset_index(drop=True)).body


def test_table_has_a_plain_form():
    assert repr(table(pd.DataFrame({"x": [1]}), caption="One")).split() == ["One", "x", "1"]


def test_long_table_is_refused():
    with pytest.raises(ValueError, match="201 rows"):
        table(pd.DataFrame({"x": range(201)}))


def test_highlight_joins_subwords_and_escapes():
    shown = highlight(["not", "##hing", "<b>"], [-1.0, -0.5, 0.2])
    assert re.search(r">not</mark><mark[^>]*>hing</mark> <mark", shown.body)
    assert "<b>" not in shown.body
    assert repr(shown) == "not(-1.00)hing(-0.50) <b>(+0.20)"


def test_highlight_names_each_kind_once_an_entity():
    shown = highlight(["in", "New", "York", "now"], labels=["O", "B-place", "I-place", "O"])
    assert shown.body.count("place</sub>") == 1
    assert repr(shown) == "in New[place] York now"


@pytest.mark.parametrize("how", [{}, {"scores": [1.0], "labels": ["O"]}, {"scores": [1.0, 2.0]}])
def test_highlight_wants_one_score_or_label_a_token(how):
    with pytest.raises(ValueError, match="scores"):
        highlight(["one"], **how)


def test_mistakes_come_most_confident_first_and_named():
    probabilities = np.array([[0.6, 0.4], [0.1, 0.9], [0.3, 0.7]])
    shown = show_mistakes(["a", "b", "c"], [1, 0, 1], probabilities, label_names=["no", "yes"])
    assert isinstance(shown, Html)
    lines = repr(shown).splitlines()
    assert lines[0] == "2 of 3 wrong; 2 shown, the most confident first"
    assert lines[2].split() == ["b", "no", "yes", "90%"]
    assert lines[3].split() == ["a", "yes", "no", "60%"]


def test_mistakes_can_be_limited_to_one_predicted_class():
    shown = show_mistakes(["a", "b"], [1, 0], [0, 1], label_names=["no", "yes"], taken_for="yes")
    assert repr(shown).splitlines()[0] == "1 of 2 wrongly called yes; 1 shown"
    assert "<td>b</td>" in shown.body
    assert "<td>a</td>" not in shown.body


def test_no_mistakes_is_an_empty_table():
    assert repr(show_mistakes(["a"], [1], [1])).startswith("0 of 1 wrong; 0 shown")


def test_mistakes_of_unequal_lengths_are_refused():
    with pytest.raises(ValueError, match="1 texts, 2 labels"):
        show_mistakes(["a"], [0, 1], [0, 1])
