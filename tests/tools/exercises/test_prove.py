"""Each stub fails, each solution passes, each wrong answer gets its own message."""

import re

import pytest

from tests.tools.exercises.masters import BOOK, MASTERS, SMALL
from tools.exercises.checking import Checker, answer_names, earned
from tools.exercises.master import read_master
from tools.exercises.prove import prove
from tools.exercises.sandbox import Limits, Sandbox

# How Python and its libraries complain about a value that a test cannot use.
RAW = "NoneType|has no attribute|not subscriptable|unsupported operand|must be|cannot unpack|Error"


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


@pytest.mark.slow
@pytest.mark.parametrize("slug", MASTERS)
def test_missing_return_and_wrong_types_are_told_in_plain_words(slug):
    master = read_master(BOOK.master(slug))
    checker = Checker(master)
    with Sandbox(Limits(), trusted=True) as process:
        process.ask("run", cell="import", source="import numpy as np")
        for name, exercise in master.exercises.items():
            for returned in ("None", "[]", "'text'", "3", "{}", "np.ones((1, 1, 1))", "np.nan"):
                for answer in answer_names(exercise.solution):
                    source = f"def {answer}(*_, **__):\n    return {returned}"
                    process.ask("run", cell="answer", source=source)
                checks = checker.check(name, process)
                assert earned(1, checks) == 0, f"{name} returns {returned}"
                raw = [c for c in checks if re.search(RAW, c.said) and "()" not in c.said[:60]]
                assert not raw, f"{name} returns {returned}: {raw}"
                nothing = [c.said for c in checks if returned == "None" and not c.passed]
                assert all("nothing" in said for said in nothing), f"{name}: {nothing}"
