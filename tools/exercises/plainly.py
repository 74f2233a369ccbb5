"""Say in plain words what an answer returned, where a check cannot use it.

The text of this file also goes into the student's notebook, in front of each check.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any


def plainly(check: Callable[..., None]) -> Callable[..., None]:
    """Let a check name a missing return, a wrong type or a wrong shape.

    Parameters
    ----------
    check
        A function of answers that raises AssertionError with what is wrong.

    Returns
    -------
    Callable
        The same, but an error that comes from using what an answer returned becomes an
        AssertionError that tells what it was; an error inside an answer stays as it is.
    """

    @functools.wraps(check)
    def checked(**given: Any) -> None:  # noqa: ANN401
        last: dict[str, Any] = {}

        def watched(answer: Any) -> Any:  # noqa: ANN401
            def call(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401
                last.update(inside=True, answer=answer)
                result = answer(*arguments, **named)
                last.update(inside=False, returned=result)
                return result

            return call if callable(answer) and not inspect.isclass(answer) else answer

        missing = [name for name, answer in given.items() if answer is None]
        if missing:
            raise AssertionError(f"There is no {missing[0]}() here: run the cell that defines it.")
        answers = {name: watched(answer) for name, answer in given.items()}
        try:
            check(**answers)  # what is wrong is said below
        except Exception as error:
            if isinstance(error, AssertionError) or last.get("inside", True):
                raise
            message = told(last["answer"], last["returned"], error)
        else:
            return
        raise AssertionError(message)

    return checked


def told(answer: Any, returned: Any, error: Exception | None = None) -> str:  # noqa: ANN401
    """Say what an answer returned, and what its docstring asks for."""
    name, task = answer.__name__, " ".join((inspect.getdoc(answer) or "Returns").split())
    if "Returns" not in task:
        return f"The check cannot use what {name}() left: {error}."
    if returned is None:
        return f"{name}() returns nothing yet: write it, end it with return."
    asked = task[task.index("Returns") :].removeprefix("Returns").strip()
    wanted = f" It should return {asked}" if asked else ""
    return f"{name}() returned {_described(returned)}, and the check cannot use that.{wanted}"


def _described(value: Any) -> str:  # noqa: ANN401
    if isinstance(value, (bool, int, float, str)):
        return repr(value)[:80]
    kind = f"a value of type {getattr(value, '__name__', type(value).__name__)}"
    if hasattr(value, "shape"):
        return f"{kind} and shape {tuple(value.shape)}"
    return f"{kind} and length {len(value)}" if hasattr(value, "__len__") else kind
