"""Each stub fails, each solution passes, each wrong answer gets its own message."""

import pytest

from tests.tools.exercises.masters import MASTERS, SMALL
from tools.exercises.prove import prove


@pytest.mark.parametrize("slug", MASTERS)
def test_stub_fails_solution_passes_and_each_wrong_answer_gets_its_message(built, slug):
    outcomes = prove(built, slug)
    failed = [
        f"{o.exercise}, {o.answer}, expected {o.expected!r}: {o.said}"
        for o in outcomes
        if not o.proven
    ]
    assert not failed, "\n\n".join(failed)
    for name in {outcome.exercise for outcome in outcomes}:
        answers = [outcome.answer for outcome in outcomes if outcome.exercise == name]
        assert answers[:4] == ["stub", "solution", "wrong answer 1", "wrong answer 2"]


def changed(built, old, new):
    path = built.root / "book" / "exercises" / "99-small.md"
    assert old in SMALL
    path.write_text(SMALL.replace(old, new), "utf-8")
    try:
        return {o.answer: o for o in prove(built, "99-small")}
    finally:
        path.write_text(SMALL, "utf-8")


def test_wrong_answer_that_passes_is_noticed(built):
    assert not changed(built, "return x * x", "return x + x")["wrong answer 1"].proven


def test_wrong_answer_with_another_message_is_noticed(built):
    assert not changed(built, "message: Do you square?", "message: Do you cube?")[
        "wrong answer 1"
    ].proven


def test_solution_that_fails_is_noticed(built):
    assert not changed(built, "return 2 * x\n", "return 3 * x\n")["solution"].proven


def test_stub_that_passes_is_noticed(built):
    outcome = changed(built, "# END SOLUTION\n", "# END SOLUTION\n    return 2 * x\n")
    assert not outcome["stub"].proven
