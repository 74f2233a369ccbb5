"""Types of the ledger's fields, and how a field says what is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, Strict
from pydantic_core import PydanticCustomError


def _on_one_line(text: str) -> str:
    return " ".join(text.split())


def one_of(choices: Sequence[str]) -> Any:  # noqa: ANN401 -- pydantic's FieldInfo
    """Allow these texts only."""
    return Field(pattern=f"^({'|'.join(choices)})$")


def _in_order(pair: tuple[float, float]) -> tuple[float, float]:
    if not pair[0] < pair[1]:
        raise ValueError("the lowest value comes first")
    return pair


Words = Annotated[str, AfterValidator(_on_one_line)]
Text = Annotated[Words, Field(min_length=1)]
Number = Annotated[float, Strict()]
Range = Annotated[tuple[Number, Number], AfterValidator(_in_order)]
# An optional list or mapping may be written without a value.
Texts = Annotated[tuple[Words, ...], BeforeValidator(lambda value: value or ())]
Pairs = Annotated[dict[str, Any], BeforeValidator(lambda value: value or {})]


def wrong(field: str, problem: str, advice: str) -> PydanticCustomError:
    """Say what is wrong with a field in the light of the others."""
    return PydanticCustomError("ledger", problem, {"field": field, "advice": advice})  # type: ignore[arg-type]
