"""Hold what a source states against what was found: whence a computed entry's verdict.

The form of a statement, a value with its digits or its relation, is told in
``book/claims/README.md``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

RELATIONS = ("about", "less than", "at most", "more than", "at least", "between")
# "About 12" is kept by 10.8 to 13.2.
ABOUT = 0.1


def agrees(value: object, expected: object, tolerance: float = 0.0) -> bool:
    """Compare numbers within a tolerance, everything else exactly, inside lists and mappings."""
    if isinstance(expected, Mapping):
        return (
            isinstance(value, Mapping)
            and value.keys() == expected.keys()
            and all(agrees(value[key], expected[key], tolerance) for key in expected)
        )
    if isinstance(expected, list | tuple):
        return (
            isinstance(value, Sequence)
            and len(value) == len(expected)
            and all(agrees(a, b, tolerance) for a, b in zip(value, expected, strict=True))
        )
    if isinstance(expected, bool) or isinstance(value, bool) or isinstance(expected, str):
        return bool(value == expected) and isinstance(value, bool) == isinstance(expected, bool)
    # One part in 10^12 is below what a reader or a double can tell apart after a few operations.
    if not isinstance(value, Real) or not isinstance(expected, Real):
        return bool(value == expected)
    return math.isclose(value, expected, rel_tol=1e-12, abs_tol=tolerance)


def half_unit(stated: float, digits: int) -> float:
    """Return half a unit of the last of so many significant digits: 5e6 for 340e6 and 2 digits."""
    return 0.5 * 10.0 ** (math.floor(math.log10(abs(stated))) - digits + 1) if stated else 0.0


def is_as_stated(
    found: object, stated: object, digits: int | None = None, relation: str = ""
) -> bool:
    """Say whether what was found is what a source states.

    Parameters
    ----------
    found : number, text, truth value, list or mapping
        What a function gave.
    stated : number, text, truth value, list or mapping
        What the source states, in the same form; with ``"between"`` a list of two numbers.
    digits : int, optional
        Of how many significant digits the stated numbers are; those found may differ by half a
        unit of the last one. Without digits and relation, the values are equal.
    relation : str, optional
        One of `RELATIONS`: how the number found is to stand to the stated one.

    Returns
    -------
    bool
        False also where the two are not of one form, as an error's name against a number.
    """
    if relation:
        return isinstance(found, Real) and _stand_so(float(found), stated, relation)
    if digits is None:
        return agrees(found, stated)
    if isinstance(stated, Mapping):
        return (
            isinstance(found, Mapping)
            and found.keys() == stated.keys()
            and all(is_as_stated(found[key], stated[key], digits) for key in stated)
        )
    if isinstance(stated, list | tuple):
        return (
            isinstance(found, list | tuple)
            and len(found) == len(stated)
            and all(is_as_stated(a, b, digits) for a, b in zip(found, stated, strict=True))
        )
    if not isinstance(stated, Real):
        return agrees(found, stated)
    # A little more than half a unit: 0.625 against 0.63 has no exact binary form.
    return agrees(found, stated, half_unit(float(stated), digits) * (1 + 1e-9))


def _stand_so(found: float, stated: Any, relation: str) -> bool:  # noqa: ANN401 (as checked)
    if relation == "between":
        return bool(stated[0] <= found <= stated[1])
    return {
        "about": abs(found - stated) <= ABOUT * abs(stated) * (1 + 1e-9),
        "less than": found < stated,
        "at most": found <= stated,
        "more than": found > stated,
        "at least": found >= stated,
    }[relation]
