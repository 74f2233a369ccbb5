"""Figures as the text prints them, read back as numbers."""

from types import SimpleNamespace

import pytest

from tlhelpers.evidence import stated


@pytest.mark.parametrize(
    ("figure", "numbers"),
    [
        ("1K–50K labels", [1_000, 50_000]),
        ("1,000-100,000 examples", [1_000, 100_000]),
        ("<500 examples", [500]),
        ("24+ hours", [24]),
        ("4–8 GPUs", [4, 8]),
        ("~55–65%", [55, 65]),
        ("0.5 B", [500_000_000]),
        ("1.5 times", [1.5]),
    ],
)
def test_a_figure_is_read_as_its_numbers(monkeypatch, figure, numbers):
    entry = SimpleNamespace(source=SimpleNamespace(figure=figure))
    monkeypatch.setattr(stated, "load_ledger", lambda chapter: {"08-x": entry})
    assert stated.numbers_stated("08-x") == numbers


def test_a_claim_without_a_number_is_named(monkeypatch):
    entry = SimpleNamespace(source=None)
    monkeypatch.setattr(stated, "load_ledger", lambda chapter: {"08-x": entry})
    with pytest.raises(ValueError, match="08-x states no number"):
        stated.numbers_stated("08-x")
