"""Check answers: the tests run here, the answers in a process of their own.

A test gets a `Proxy` for each function that the exercise asks for. Calling it sends the arguments
over as data and brings the result back, so that nothing that an answer does to PyTorch, to otter
or to a file reaches the tests.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import functools
import inspect
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tools.exercises.master import Exercise, Master
from tools.exercises.plainly import plainly
from tools.exercises.plainly import told as told_returned
from tools.exercises.sandbox import Limits, Sandbox, Stopped
from tools.exercises.worker import decode, encode, encode_model

# A cell that kills its process is left out, and the others run again; more than these, and the
# notebook is given up.
CELLS_TO_LEAVE_OUT = 3


class AnswerError(AssertionError):
    """An answer raised an error of its own, or is not there."""


@dataclass(frozen=True)
class Check:
    """What one test said."""

    test: str
    hidden: bool
    passed: bool
    said: str = ""


def earned(points: float, checks: Sequence[Check]) -> float:
    """Count the points of an exercise.

    All if every test passes, a third if those pass that the student's notebook shows: an answer
    that a hidden test refuses is a misconception, and a stub passes some tests by doing nothing.
    """
    if all(check.passed for check in checks):
        return points
    return points / 3 if all(check.passed for check in checks if not check.hidden) else 0.0


class Proxy:
    """Stands for a function, a class or an object in the process of the answers."""

    def __init__(self, process: Sandbox, on: str | int, name: str, doc: str | None = None) -> None:
        self._process, self._on = process, on
        self.__name__, self.__doc__ = name, doc
        self.changes_arguments, self.may_change_arguments = False, True

    def __call__(self, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401
        """Call it there; changes that it makes to its arguments are made here too."""
        sent = [encode(each, _sent) for each in arguments]
        sent_named = {name: encode(each, _sent) for name, each in named.items()}
        reply = self._ask("call", arguments=sent, named=sent_named)
        before = [*zip(arguments, sent, strict=True)]
        before += [(named[name], sent_named[name]) for name in named]
        after = [*reply["arguments"], *reply["named"].values()]
        for (value, was), new in zip(before, after, strict=True):
            if new != was and not (isinstance(new, dict) and new.get("is") == "kept"):
                self.changes_arguments = True
                if self.may_change_arguments:
                    _updated(value, self._decode(new))
        return self._decode(reply["result"])

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self._decode(self._ask("get", name=name)["result"])
        except AnswerError as error:
            raise AttributeError(str(error)) from None

    def _ask(self, do: str, **request: Any) -> dict[str, Any]:  # noqa: ANN401
        try:
            reply = self._process.ask(do, on=self._on, **request)
        except Stopped as stopped:
            raise AnswerError(f"{self.__name__}(): {stopped}") from None
        if error := reply.get("error"):
            raise AnswerError(f"{self.__name__}() raised {told(error)}")
        return reply

    def _decode(self, value: Any) -> Any:  # noqa: ANN401
        try:
            return decode(value, self._kept)
        except Exception as error:  # it may be anything that a forged reply leads to
            raise AnswerError(f"What {self.__name__}() returned cannot be read: {error}") from None

    def _kept(self, value: dict[str, Any]) -> Proxy:
        if value["is"] != "kept":
            raise ValueError(f"{value['is']!r}")
        return Proxy(self._process, int(value["on"]), f"{value['type']}"[:80])


def _sent(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, Proxy):
        return {"is": "kept", "on": value._on}
    if hasattr(value, "named_modules"):
        return encode_model(value)
    raise TypeError(f"a test cannot send a {type(value).__name__} to an answer")


def _updated(old: Any, new: Any) -> Any:  # noqa: ANN401
    """Make a value equal to what came back of it; where it cannot change, return the new one."""
    if isinstance(old, (list, tuple)) and isinstance(new, type(old)):
        each = [_updated(a, b) for a, b in zip(old, new, strict=False)] + list(new[len(old) :])
        if isinstance(old, list):
            old[:] = each
        return old if isinstance(old, list) else new
    if isinstance(old, dict) and isinstance(new, dict):
        items = {key: _updated(old[key], new[key]) if key in old else new[key] for key in new}
        old.clear()
        old.update(items)
        return old
    if hasattr(old, "dtype") and type(old) is type(new) and old.shape == new.shape:
        if hasattr(old, "detach"):
            old.detach().copy_(new)
        elif hasattr(old, "flags"):
            old[...] = new
        return old
    return new


def told(error: Any) -> str:  # noqa: ANN401
    """Say what an answer raised, and in which of its lines."""
    if not isinstance(error, dict):
        return "an error that cannot be read"
    message = f": {error['message']}" if error.get("message") else ""
    line = f" (in the line `{error['line']}`)" if error.get("line") else ""
    return f"{error.get('type')}{message}{line}"


def answer_names(source: str) -> list[str]:
    """Name the functions and classes that a solution defines."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    return [node.name for node in ast.parse(source).body if isinstance(node, kinds)]


def _compiled(source: str) -> Callable[..., None]:
    made: dict[str, Any] = {}
    exec(compile(source, "a test", "exec"), made)
    test: Callable[..., None] = next(v for k, v in made.items() if k.startswith("test"))
    return test


def _arguments(
    test: Callable[..., None], given: dict[str, Any], calls: list[tuple[Any, Any]]
) -> dict[str, Any]:
    """Give a test what it asks for; note what each call of it returns."""

    def noted(answer: Any) -> Any:  # noqa: ANN401
        @functools.wraps(answer)
        def call(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401
            result = answer(*arguments, **named)
            calls.append((answer, result))
            return result

        return call

    wanted = {name: given[name] for name in inspect.signature(test).parameters}
    return {
        name: value
        if inspect.isclass(value) or value is None
        else noted(value)
        if callable(value)
        else copy.deepcopy(value)  # an answer may change it, and other notebooks get it too
        for name, value in wanted.items()
    }


def _kind(value: Any) -> str:  # noqa: ANN401
    if isinstance(value, Proxy):
        return value.__name__
    if isinstance(value, (bool, int, float)) or getattr(value, "shape", None) == ():
        return "number"
    if isinstance(value, (list, tuple)) or hasattr(value, "shape"):
        return "sequence"
    return type(value).__name__


class Checker:
    """The tests of one master.

    Parameters
    ----------
    master
        Its own cells run here: a test may ask for what they make.
    """

    def __init__(self, master: Master) -> None:
        self.master = master
        self._given: dict[str, dict[str, Any]] = {}
        names: dict[str, Any] = {"__name__": "exercise"}
        for name, exercise in master.exercises.items():
            for source in [*master.given_to(name), exercise.solution]:
                exec(compile(source, f"{master.slug}, {name}", "exec"), names)
            self._given[name] = dict(names)
        self._solutions = {
            each: names[each]
            for exercise in master.exercises.values()
            for each in answer_names(exercise.solution)
        }

    def check(self, name: str, process: Sandbox, to_the_end: bool = True) -> list[Check]:
        """Run the tests of an exercise against the answers in a process, or until one fails."""
        exercise = self.master.exercises[name]
        tests = [(test, False) for test in exercise.tests]
        tests += [(test, True) for test in exercise.hidden_tests]
        given = self._given[name] | self._proxies(exercise, process)
        checks: list[Check] = []
        for test, hidden in tests:
            checks.append(self._run(test, hidden, given, process))
            if not (checks[-1].passed or to_the_end):
                break
        return checks

    def _proxies(self, exercise: Exercise, process: Sandbox) -> dict[str, Proxy | None]:
        solution = self._given[exercise.name]
        try:
            there = [*process.ask("names")["names"]]
        except (Stopped, KeyError, TypeError):  # it has gone, or been meddled with
            there = []
        return {
            name: Proxy(process, name, name, inspect.getdoc(solution[name]))
            if name in there
            else None
            for name in answer_names(exercise.solution)
        }

    def _run(self, source: str, hidden: bool, given: dict[str, Any], process: Sandbox) -> Check:
        test = _compiled(source)
        check = self._once(test, hidden, given, process)
        # An answer could make what a test compares with equal to what it returns.
        meddlers = [p for p in given.values() if isinstance(p, Proxy) and p.changes_arguments]
        for proxy in meddlers:
            proxy.changes_arguments = False
            proxy.may_change_arguments = "Returns" not in (proxy.__doc__ or "")
        if check.passed and not all(proxy.may_change_arguments for proxy in meddlers):
            check = self._once(test, hidden, given, process)
            if not check.passed:
                said = f"{meddlers[0].__name__}() passes only as it changes what it is given: "
                check = Check(check.test, hidden, False, f"{said}return something new.")
        for proxy in meddlers:
            proxy.changes_arguments, proxy.may_change_arguments = False, True
        return check

    def _once(
        self, test: Callable[..., None], hidden: bool, given: dict[str, Any], process: Sandbox
    ) -> Check:
        calls: list[tuple[Any, Any]] = []
        try:
            self._seed(process)
            plainly(test)(**_arguments(test, given, calls))
        except AnswerError as error:
            return Check(test.__name__, hidden, False, str(error))
        except Exception as error:
            said = self._wrong_kind(test, given, calls) or str(error) or type(error).__name__
            return Check(test.__name__, hidden, False, said)
        return Check(test.__name__, hidden, True)

    def _wrong_kind(
        self, test: Callable[..., None], given: dict[str, Any], calls: list[tuple[Any, Any]]
    ) -> str:
        """Say so where a number came back and a list was asked for: what a test says fits less."""
        expected: list[tuple[Any, Any]] = []
        with contextlib.suppress(AssertionError):  # a solution that fails is told of elsewhere
            test(**_arguments(test, given | self._solutions, expected))
        for (_, wanted), (answer, got) in zip(expected, calls, strict=False):
            if _kind(wanted) != _kind(got):
                return told_returned(answer, got)
        return ""

    @staticmethod
    def _seed(process: Sandbox) -> None:
        random.seed(0)
        for library, seed in (("numpy", "random.seed"), ("torch", "manual_seed")):
            if library in sys.modules:
                call: Any = sys.modules[library]
                for part in seed.split("."):
                    call = getattr(call, part)
                call(0)
        try:
            process.ask("seed", seed=0)
        except Stopped as stopped:
            raise AnswerError(str(stopped)) from None


class Answers:
    """The process of one notebook; started again where a cell or an answer has ended it.

    Parameters
    ----------
    cells
        The code of each cell, by its number in the notebook.
    limits
        What the process may use.
    trusted
        Whether to run it without bubblewrap.

    Attributes
    ----------
    troubles : what went wrong in a cell, by its number.
    """

    def __init__(self, cells: dict[int, str], limits: Limits, trusted: bool = False) -> None:
        self.cells, self.limits, self.trusted = dict(cells), limits, trusted
        self.troubles: dict[int, str] = {}
        self._left_out = 0
        self._process: Sandbox | None = None

    def __enter__(self) -> Answers:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process:
            self._process.close()

    def ready(self) -> Sandbox:
        """Give a process in which the cells have run, with a fresh clock.

        Raises
        ------
        Stopped
            If cell after cell ends it.
        """
        while self._process is None or self._process.stopped:
            self.__exit__()
            self._process = Sandbox(self.limits, self.trusted)
            self._run_cells(self._process)
        self._process.restart_clock()
        return self._process

    def _run_cells(self, process: Sandbox) -> None:
        for number, source in self.cells.items():
            try:
                reply = process.ask("run", cell=f"cell {number}", source=source)
            except Stopped as stopped:
                self.troubles[number] = f"left out: {stopped}"
                self._left_out += 1
                if self._left_out > CELLS_TO_LEAVE_OUT:
                    raise
                del self.cells[number]
                return
            if error := reply.get("error"):
                self.troubles[number] = told(error)
