"""What a source states against what was found: digits, relations, forms."""

import pytest

from tlhelpers.evidence.comparison import half_unit, is_as_stated


@pytest.mark.parametrize(
    ("found", "stated", "digits", "same"),
    [
        (109_482_240, 110e6, 2, True),
        (335_141_888, 340e6, 2, True),
        (334_999_999, 340e6, 2, False),
        (16_777_216, 16.7e6, 3, False),
        (0.625, 0.63, 2, True),
        (0.2364203, 0.2364, 4, True),
        (0.0, 0, 2, True),
        (0.015, 0, 2, False),
        ({"a": 202, "b": 196}, {"a": 200, "b": 200}, 2, True),
        ({"a": 202}, {"a": 200, "b": 200}, 2, False),
        ([93.44], [93.4], 3, True),
        ("ValueError", 0.876, 3, False),
        (65_536, 65_536, None, True),
        (65_536, 65_537, None, False),
        (True, 1, None, False),
    ],
)
def test_a_number_is_as_stated_to_its_digits(found, stated, digits, same):
    assert is_as_stated(found, stated, digits) is same


@pytest.mark.parametrize(
    ("relation", "stated", "kept", "broken"),
    [
        ("about", 12, 13.2, 13.3),
        ("less than", 2, 1.9, 2),
        ("at most", 2, 2, 2.1),
        ("more than", 2, 2.1, 2),
        ("at least", 2, 2, 1.9),
        ("between", [5, 50], 5, 50.1),
    ],
)
def test_a_number_stands_to_the_stated_one_as_the_relation_says(relation, stated, kept, broken):
    assert is_as_stated(kept, stated, relation=relation)
    assert not is_as_stated(broken, stated, relation=relation)
    assert not is_as_stated("an error", stated, relation=relation)


def test_half_a_unit_of_the_last_digit():
    assert half_unit(340e6, 2) == pytest.approx(5e6)
    assert half_unit(0.2364, 4) == pytest.approx(5e-5)
    assert half_unit(0, 2) == 0
