"""What a measured entry registers before its sweep runs, and the verdict that follows from it.

A bar is written down, and frozen by `python -m tools.register`, before the sweep that settles it.
The verdict is never typed. It is confirmed if the whole 95 % interval lies on the right side of the
bar, refuted here if the whole interval lies on the wrong side, and else not shown at this scale.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from tlhelpers.evidence.fields import Number, Pairs, Range, Text, Texts, Words, wrong
from tlhelpers.evidence.recorded import Measurement, recorded
from tlhelpers.metrics import Interval
from tlhelpers.yaml_files import Entry

CONFIRMED, REFUTED, NOT_SHOWN = "confirmed", "refuted here", "not shown at this scale"


class Bar(Entry):
    """What the interval is held against; one form, and only one, is given.

    Attributes
    ----------
    above, below : float
        The whole interval lies above, or below, this number.
    between : tuple of float, float
        The whole interval lies inside.
    equals : float
        The whole interval is no farther from this number than the registered margin.
    order : tuple of str
        Settings, best first: each neighbours' difference lies above 0.
    each : mapping of str to Bar
        Several comparisons by name, all of which have to be confirmed.
    """

    above: Number | None = None
    below: Number | None = None
    between: Range | None = None
    equals: Number | None = None
    order: Annotated[tuple[Text, ...] | None, Field(min_length=2)] = None
    each: Annotated[dict[str, Bar] | None, Field(min_length=1)] = None

    @model_validator(mode="after")
    def _has_one_form(self) -> Bar:
        if len(self.model_dump(exclude_none=True)) != 1:
            raise wrong("bar", "does not have one form", BAR_ADVICE)
        if any(bar.each or bar.order for bar in (self.each or {}).values()):
            raise wrong("bar", "nests 'each' or 'order' in 'each'", "Name its parts one by one.")
        return self

    @property
    def parts(self) -> tuple[str, ...]:
        """What a sweep has to give numbers for, by name; nothing for a single comparison."""
        return self.order or tuple(self.each or ())

    @property
    def is_equivalence(self) -> bool:
        """Whether a margin is needed."""
        return self.equals is not None or any(
            bar.is_equivalence for bar in (self.each or {}).values()
        )

    def region(self, margin: float | None) -> tuple[float, float]:
        """Return the lowest and the highest number on the right side of a single comparison."""
        if self.equals is not None:
            return self.equals - (margin or 0.0), self.equals + (margin or 0.0)
        if self.between is not None:
            return self.between
        return (
            float("-inf") if self.above is None else self.above,
            float("inf") if self.below is None else self.below,
        )

    def in_words(self, margin: float | None = None) -> str:
        """Say the bar to a reader."""
        if self.above is not None:
            return f"above {self.above:g}"
        if self.below is not None:
            return f"below {self.below:g}"
        if self.between is not None:
            return f"between {self.between[0]:g} and {self.between[1]:g}"
        if self.equals is not None:
            return f"within {margin:g} of {self.equals:g}"
        if self.order is not None:
            return " over ".join(self.order)
        named = {name: bar.in_words(margin) for name, bar in (self.each or {}).items()}
        if len(set(named.values())) == 1:
            return f"{next(iter(named.values()))} for each of: {', '.join(named)}"
        return "; ".join(f"{name} {words}" for name, words in named.items())


BAR_ADVICE = (
    "Write one of {above: x}, {below: x}, {between: [low, high]}, {equals: x} with a margin, "
    "{order: [best, next, ...]}, {each: {name: {above: x}, ...}}."
)


class Registered(Entry):
    """What was written down before the run.

    Attributes
    ----------
    experiment : str
        What is compared, on which texts, how tuned, over how many seeds.
    bar : Bar
        What the 95 % interval has to clear.
    margin : float or None
        How far from equal still counts as equal; for a bar with ``equals``, and only there.
    """

    experiment: Text
    bar: Bar
    margin: Annotated[Number, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _has_a_margin_where_it_needs_one(self) -> Registered:
        if self.bar.is_equivalence != (self.margin is not None):
            advice = "Give it with a bar that says 'equals', and with no other."
            raise wrong("margin", "does not fit the bar", advice)
        return self

    @property
    def digest(self) -> str:
        """The first 16 digits of its sha256; the same for ``0.1`` and ``0.10``."""
        content = json.dumps(self.model_dump(exclude_none=True), sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def in_words(self) -> str:
        """Say the bar to a reader."""
        return self.bar.in_words(self.margin)


class Changed(Entry):
    """What was done otherwise after the bar was registered; the first bar gives the verdict still.

    Attributes
    ----------
    what : str
        What was changed.
    why : str
        The reason.
    """

    what: Text
    why: Text


class Numbers(Entry):
    """Where the numbers of one comparison lie in recorded sweeps.

    Attributes
    ----------
    result : str
        Name of the sweep, e.g. ``"10-full-fine-tuning"``.
    value : str
        The column that is looked at, e.g. ``"accuracy"``.
    where : mapping
        Parameters that select the points, e.g. ``{"method": "full", "labels": 2000}``.
    minus : mapping
        Parameters that differ in the points to subtract, e.g. ``{"method": "frozen"}``.
    minus_value : str
        The column to subtract, if it is another.
    difference : tuple of str
        In place of all these, for a part: the part to subtract from, and the one to subtract.
    """

    result: Words = ""
    value: Words = ""
    where: Pairs = Field(default_factory=dict)
    minus: Pairs = Field(default_factory=dict)
    minus_value: Words = ""
    difference: Texts = ()

    def measured(self, folder: Path | None) -> Measurement:
        """Look them up in the recorded sweeps of a folder."""
        sweep = recorded(self.result, folder)
        return sweep.measurement(self.value, self.where, self.minus, self.minus_value)


class Measured(Numbers):
    """Settled by recorded sweeps in ``book/results``.

    Attributes
    ----------
    result, value, where, minus, minus_value
        Where the numbers lie, for all parts that do not say otherwise.
    parts : mapping of str to Numbers
        By the names of the bar's ``each`` or ``order``; ``where`` adds to that of all.
    """

    parts: dict[str, Numbers] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _names_sweep_and_value(self) -> Measured:
        for name in self.parts or ("",):
            for field in ("result", "value"):
                if not getattr(self.of_part(name), field):
                    raise wrong(field, "is missing", "Every comparison needs it: add one line.")
            difference = self.parts.get(name, Numbers()).difference
            if difference and (len(difference) != 2 or not self._are_plain(difference)):
                raise wrong(
                    "difference",
                    "does not name two other parts",
                    f"Two of: {', '.join(self.parts)}.",
                )
        return self

    def _are_plain(self, names: Sequence[str]) -> bool:
        return all(name in self.parts and not self.parts[name].difference for name in names)

    def measured_part(self, name: str, folder: Path | None) -> Measurement:
        """Look a part up in the recorded sweeps of a folder; the whole for an empty name."""
        difference = self.parts.get(name, Numbers()).difference
        first, *less = (self.of_part(part).measured(folder) for part in difference or (name,))
        return first.minus(less[0]) if less else first

    def of_part(self, name: str) -> Numbers:
        """Return where the numbers of a part lie; of the whole for an empty name."""
        part = self.parts.get(name, Numbers())
        return Numbers(
            result=part.result or self.result,
            value=part.value or self.value,
            where={**self.where, **part.where},
            minus=part.minus or self.minus,
            minus_value=part.minus_value or self.minus_value,
        )

    @property
    def sweeps(self) -> tuple[str, ...]:
        """The sweeps that it rests on, by name."""
        named = [self.of_part(name).result for name in self.parts or ("",)]
        return tuple(dict.fromkeys(named))


@dataclass(frozen=True)
class Judged:
    """One comparison held against its bar.

    Attributes
    ----------
    name : str
        Of the part; empty if there is one comparison only.
    measurement : Measurement
        The interval, and what it covers.
    bar : str
        The bar in words.
    verdict : str
        What follows.
    """

    name: str
    measurement: Measurement
    bar: str
    verdict: str


@dataclass(frozen=True)
class Judgement:
    """The verdict on a measured entry, with each comparison behind it."""

    verdict: str
    parts: tuple[Judged, ...]

    @property
    def value(self) -> float | dict[str, float]:
        """The mean, or the means by name."""
        means = {part.name: part.measurement.interval.mean for part in self.parts}
        return means.get("", means)

    def __str__(self) -> str:
        """Say the comparisons in a line, and what all of them share once."""
        if len(self.parts) == 1:
            (part,) = self.parts
            return f"{part.measurement}; bar: {part.bar}"
        bars = {part.bar for part in self.parts}
        covers = {part.measurement.covers for part in self.parts}
        said = []
        for part in self.parts:
            _, low, high, *_ = part.measurement.interval
            over = f" over {part.measurement.covers}" if len(covers) > 1 else ""
            bar = f" (bar: {part.bar})" if len(bars) > 1 else ""
            said.append(f"{part.name} {low:.3g} to {high:.3g}{over}{bar}")
        over = f" over {covers.pop()}" if len(covers) == 1 else ""
        bar = f"; bar for each: {bars.pop()}" if len(bars) == 1 else ""
        return f"95 % intervals{over}: {'; '.join(said)}{bar}"


def verdict_on(interval: Interval, low: float, high: float) -> str:
    """Hold an interval against the numbers from ``low`` to ``high``.

    Parameters
    ----------
    interval : Interval
        The 95 % interval.
    low, high : float
        The ends of the region on the right side of the bar; the ends do not count.

    Returns
    -------
    str
        ``"confirmed"``, ``"refuted here"`` or ``"not shown at this scale"``.
    """
    if low < interval.low and interval.high < high:
        return CONFIRMED
    if interval.high < low or high < interval.low:
        return REFUTED
    return NOT_SHOWN


def all_of(verdicts: Sequence[str]) -> str:
    """Return the verdict on a claim that is true only if each of its parts is."""
    if REFUTED in verdicts:
        return REFUTED
    return CONFIRMED if set(verdicts) == {CONFIRMED} else NOT_SHOWN


def judge(registered: Registered, measured: Measured, folder: Path | None = None) -> Judgement:
    """Hold what was recorded against the bar that was registered.

    Parameters
    ----------
    registered : Registered
        The bar.
    measured : Measured
        Where the numbers lie.
    folder : Path, optional
        Folder of the recorded sweeps; by default the book's.

    Returns
    -------
    Judgement
        The verdict, and each comparison.

    Raises
    ------
    ResultsError
        If there is no such recorded sweep, or it lacks a number.
    """
    bar, margin = registered.bar, registered.margin
    compared: list[tuple[str, Measurement, Bar]] = []
    if bar.order:
        found = [measured.measured_part(name, folder) for name in bar.order]
        for place, name in enumerate(bar.order[1:]):
            words = f"{bar.order[place]} minus {name}"
            compared.append((words, found[place].minus(found[place + 1]), Bar(above=0.0)))
    else:
        bars: Mapping[str, Bar] = bar.each or {"": bar}
        for name, single in bars.items():
            compared.append((name, measured.measured_part(name, folder), single))
    parts = tuple(
        Judged(
            name,
            measurement,
            single.in_words(margin),
            verdict_on(measurement.interval, *single.region(margin)),
        )
        for name, measurement, single in compared
    )
    return Judgement(all_of([part.verdict for part in parts]), parts)
