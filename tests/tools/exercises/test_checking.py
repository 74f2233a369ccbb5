"""Tests see what an answer did as if it were here, and say in plain words what it returned."""

import numpy as np
import pytest
import torch

from tools.exercises.checking import Check, Proxy, earned
from tools.exercises.plainly import plainly
from tools.exercises.sandbox import Limits, Sandbox


@pytest.fixture(scope="module")
def process():
    with Sandbox(Limits(seconds=60), trusted=True) as sandbox:
        yield sandbox


def proxy(process, source, doc="Returns a number."):
    assert not process.ask("run", cell="cell 1", source=source)
    return Proxy(process, "answer", "answer", doc)


@pytest.mark.parametrize(
    ("shown", "hidden", "points"), [(True, True, 3), (True, False, 1), (False, True, 0)]
)
def test_all_points_or_a_third_or_none(shown, hidden, points):
    checks = [Check("a", False, True), Check("b", False, shown), Check("c", True, hidden)]
    assert earned(3, checks) == points


def test_changed_arguments_change_here(process):
    answer = proxy(
        process,
        "def answer(layer, rows, x):\n    layer['w'] += 1\n    layer['new'] = 2\n"
        "    rows[0].append(3)\n    x *= 2",
    )
    weight, x = torch.ones(2), np.ones(2)
    layer, inner = {"w": weight}, [1]
    rows = [inner]
    answer(layer, rows, x)
    assert layer["new"] == 2 and weight.tolist() == [2, 2] and layer["w"] is weight
    assert rows == [[1, 3]] and rows[0] is inner and x.tolist() == [2, 2]


def test_class_and_its_object_are_used_from_here(process):
    answer = proxy(
        process,
        "class answer:\n    def __init__(self, n):\n        self.n = n\n\n"
        "    def plus(self, k):\n        return self.n + k",
    )
    made = answer(3)
    assert made.n == 3 and made.plus(k=4) == 7
    assert not hasattr(made, "minus")


def test_error_of_an_answer_names_its_line(process):
    answer = proxy(process, "def answer(x):\n    y = x\n    return y.shape")

    with pytest.raises(AssertionError, match=r"'int' object has no attribute 'shape'.*`return y"):
        answer(1)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("...", "answer() returns nothing yet: write it, end it with return."),
        ("return [1, 2]", "answer() returned a value of type list and length 2"),
        ("return lambda: 1", "answer() returned a value of type function"),
    ],
)
def test_wrong_type_is_named_with_what_is_asked_for(process, source, said):
    def test_plus(answer):
        assert answer() + 1 == 3

    with pytest.raises(AssertionError) as caught:
        plainly(test_plus)(answer=proxy(process, f"def answer():\n    {source}"))
    assert said in str(caught.value)
    assert source == "..." or "It should return a number." in str(caught.value)


def test_wrong_shape_is_named():
    def answer():
        """Returns two numbers."""
        return np.ones((2, 3))

    def test_two(answer):
        assert np.allclose(answer(), np.ones(2))

    with pytest.raises(AssertionError, match=r"ndarray and shape \(2, 3\).*return two numbers"):
        plainly(test_two)(answer=answer)


def test_error_inside_an_answer_stays_as_it_is():
    def answer():
        return 1 / 0

    with pytest.raises(ZeroDivisionError):
        plainly(lambda answer: answer())(answer=answer)


def test_missing_answer_is_named():
    with pytest.raises(AssertionError, match=r"There is no answer\(\) here"):
        plainly(lambda answer: answer())(answer=None)
