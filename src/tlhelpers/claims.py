"""The claims ledger: every number and testable statement of the book, and what settles it.

Entries are written by hand in ``book/claims/NN-slug.yaml`` (``book/claims/README.md`` explains
the format). This module reads them into typed objects, settles them (calls the function, looks up
the recorded sweep), and shows them in a page.
"""

from __future__ import annotations

import html
import importlib
import importlib.util
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import yaml

CHAPTERS = range(1, 21)
KINDS = ("computed", "measured", "cited")
VERDICTS = ("confirmed", "corrected", "depends", "not shown at this scale", "planned")
WHERE = ("prose", "table", "caption", "formula", "code", "output")
STATISTICS = ("mean", "low", "high", "count", "min", "max")
# A verdict that says "this is so" must rest on something that somebody has looked at.
FIRM_VERDICTS = ("confirmed", "corrected")

_ID = re.compile(r"(\d\d)-[a-z0-9]+(?:-[a-z0-9]+)*")


class LedgerError(ValueError):
    """An entry that cannot be used: says the file, the entry, the field and what to do."""


@dataclass(frozen=True)
class Source:
    """Where the claim comes from.

    Attributes
    ----------
    section : number of the section, 1 to 20, of the text that the book implements.
    figure : the number as given there, e.g. ``"93.4%"``; empty for a statement without a number.
    where : one of ``WHERE``.
    """

    section: int
    figure: str
    where: str


@dataclass(frozen=True)
class Computed:
    """Settled exactly, by a function that runs in seconds and without network.

    Attributes
    ----------
    function : ``chNN.name`` (in ``book/claims/computed/chNN.py``) or ``tlhelpers.module.name``.
    expects : what the function must return: number, text, truth value, list or mapping.
    arguments : keyword arguments of the call.
    tolerance : largest absolute difference allowed; 0 means equal.
    tolerance_reason : why the value is not exact; required where ``tolerance`` is not 0.
    """

    function: str
    expects: Any
    arguments: Mapping[str, Any] = field(default_factory=dict)
    tolerance: float = 0.0
    tolerance_reason: str = ""


@dataclass(frozen=True)
class Measured:
    """Settled by a recorded sweep in ``book/results``.

    Attributes
    ----------
    result : name of the sweep, e.g. ``"10-full-fine-tuning"``.
    value : the column that is looked at, e.g. ``"accuracy"``.
    between : lowest and highest value that leave the verdict standing.
    where : parameters that select the points, e.g. ``{"method": "full", "labels": 2000}``.
    minus : parameters that differ in the points to subtract, seed by seed, so that the
        entry is about a difference, e.g. ``{"method": "frozen"}``.
    statistic : one of ``STATISTICS``, over the seeds.
    """

    result: str
    value: str
    between: tuple[float, float]
    where: Mapping[str, Any] = field(default_factory=dict)
    minus: Mapping[str, Any] = field(default_factory=dict)
    statistic: str = "mean"


@dataclass(frozen=True)
class Cited:
    """Settled by a primary source, listed in ``book/claims/references.yaml``.

    Attributes
    ----------
    reference : key in ``references.yaml``.
    locator : table, section, page or file where the value stands.
    quote_value : the value there, as written there.
    checked : how and where it was looked up; empty if it was not.
    unchecked : why it could not be looked up; exactly one of the two is given.
    """

    reference: str
    locator: str
    quote_value: str
    checked: str = ""
    unchecked: str = ""


@dataclass(frozen=True)
class Planned:
    """What will settle the claim, and in which chapter."""

    experiment: str
    chapter: int


@dataclass(frozen=True)
class Claim:
    """One entry of the ledger.

    Attributes
    ----------
    id : ``NN-some-words``; ``NN`` is the chapter.
    claim : the statement, in our words.
    source : where it was found; ``None`` for a number of our own.
    kind : one of ``KINDS``.
    settled_by : what settles it; ``None`` only for a planned entry.
    verdict : one of ``VERDICTS``.
    why : one line of reason.
    instead : what a reader should do; required for a correction.
    prose : literal phrases with numbers by which chapter prose may state the claim.
    planned : required where ``verdict`` is ``"planned"``.
    also_in : further chapters whose prose may use the numbers.
    references : further keys of ``references.yaml`` that bear on the claim.
    file : name of the file it was read from.
    """

    id: str
    claim: str
    source: Source | None
    kind: str
    settled_by: Computed | Measured | Cited | None
    verdict: str
    why: str
    instead: str = ""
    prose: tuple[str, ...] = ()
    planned: Planned | None = None
    also_in: tuple[int, ...] = ()
    references: tuple[str, ...] = ()
    file: str = ""

    @property
    def chapter(self) -> int:
        """Number of the chapter that the entry belongs to."""
        return int(self.id[:2])

    def __repr__(self) -> str:
        """Read well at the end of a cell, without a browser."""
        return _plain_row(self)

    def _repr_html_(self) -> str:
        return ClaimTable([self])._repr_html_()


@dataclass(frozen=True)
class Reference:
    """A primary source."""

    key: str
    authors: str
    year: int
    title: str
    url: str
    where: str = ""


@dataclass(frozen=True)
class Ledger:
    """All entries and references, in the order of the files."""

    entries: tuple[Claim, ...]
    references: Mapping[str, Reference]
    folder: Path

    def __getitem__(self, claim_id: str) -> Claim:
        """Return the entry with this id."""
        for entry in self.entries:
            if entry.id == claim_id:
                return entry
        chapter = claim_id[:2]
        near = [entry.id for entry in self.entries if entry.id[:2] == chapter]
        known = ", ".join(near) if near else "none"
        raise KeyError(
            f"no claim {claim_id!r} in {self.folder}. Entries of chapter {chapter!r}: {known}. "
            "Add the entry to the ledger or correct the id."
        )

    def of_chapter(self, chapter: int, also: bool = False) -> list[Claim]:
        """Return the entries of one chapter, with those lent to it if ``also`` is true."""
        return [
            entry
            for entry in self.entries
            if entry.chapter == chapter or (also and chapter in entry.also_in)
        ]


# ---------------------------------------------------------------------------------------------
# Reading


class _Loader(yaml.SafeLoader):
    """YAML that refuses a key given twice and reads ``1e-5`` as a number."""


def _mapping_without_repeats(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node)
        if key in seen:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {key!r} is given twice", key_node.start_mark
            )
        seen.add(key)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping_without_repeats)
# YAML 1.1 wants 1.0e-5; learning rates are written 1e-5 everywhere else.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def read_yaml(path: Path) -> object:
    """Read one YAML file of the ledger; a key given twice is an error."""
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except yaml.YAMLError as error:
        raise LedgerError(f"{path.name}: not readable as YAML: {error}") from error


@dataclass
class _Fields:
    """A mapping of the file, with enough context to say what is wrong with it."""

    file: str
    entry: str
    values: Mapping[str, Any]
    prefix: str = ""

    def fail(self, name: str, problem: str, advice: str) -> NoReturn:
        value = self.values.get(name, "(absent)") if self.values else "(absent)"
        raise LedgerError(
            f"{self.file}: entry {self.entry!r}: field '{self.prefix}{name}' {problem} "
            f"(value: {value!r}). {advice}"
        )

    def only(self, allowed: Iterable[str]) -> None:
        allowed = list(allowed)
        for name in self.values:
            if name not in allowed:
                self.fail(str(name), "is not known here", f"Use one of: {', '.join(allowed)}.")

    def text(self, name: str, required: bool = True) -> str:
        value = self.values.get(name, "")
        if not isinstance(value, str):
            self.fail(name, "must be text", "Put the value in quotes.")
        value = " ".join(value.split())
        if required and not value:
            self.fail(name, "is missing", "Every entry needs it: add one line.")
        return value

    def choice(self, name: str, choices: Sequence[str]) -> str:
        value = self.values.get(name)
        if value not in choices:
            self.fail(name, "is not one of the choices", f"Use one of: {', '.join(choices)}.")
        return str(value)

    def number(self, name: str, allowed: range) -> int:
        value = self.values.get(name)
        if isinstance(value, bool) or not isinstance(value, int) or value not in allowed:
            advice = f"Use a whole number from {allowed.start} to {allowed.stop - 1}."
            self.fail(name, "is not such a number", advice)
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        value = self.values.get(name) or []
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.fail(name, "must be a list of texts", 'Write ["93.4 %", "2,000"], in quotes.')
        return tuple(" ".join(item.split()) for item in value)

    def mapping(self, name: str) -> Mapping[str, Any]:
        value = self.values.get(name) or {}
        if not isinstance(value, dict):
            self.fail(name, "must be a mapping", "Write {name: value, ...}.")
        return value

    def below(self, name: str) -> _Fields:
        return _Fields(self.file, self.entry, self.mapping(name), f"{self.prefix}{name}.")


def _read_source(fields: _Fields) -> Source | None:
    if "source" not in fields.values:
        advice = "Write {section: NN, figure: '...', where: prose}, or null for our own number."
        fields.fail("source", "is missing", advice)
    if fields.values["source"] is None:
        return None
    source = fields.below("source")
    source.only(["section", "figure", "where"])
    return Source(
        section=source.number("section", CHAPTERS),
        figure=source.text("figure", required=False),
        where=source.choice("where", WHERE),
    )


def _read_computed(fields: _Fields) -> Computed:
    fields.only(["function", "arguments", "expects", "tolerance", "tolerance_reason"])
    function = fields.text("function")
    if not re.fullmatch(r"(ch\d\d|tlhelpers(\.\w+)+)\.\w+", function):
        advice = "Write chNN.name (book/claims/computed/chNN.py) or tlhelpers.module.name."
        fields.fail("function", "is not such a path", advice)
    if fields.values.get("expects") is None:
        fields.fail("expects", "is missing", "Write the value that the function returns.")
    tolerance = fields.values.get("tolerance", 0.0)
    if isinstance(tolerance, bool) or not isinstance(tolerance, int | float) or tolerance < 0:
        fields.fail("tolerance", "is not a number >= 0", "Leave it out if the value is exact.")
    reason = fields.text("tolerance_reason", required=False)
    if tolerance and not reason:
        fields.fail("tolerance_reason", "is missing", "Say why the value is not exact.")
    return Computed(
        function, fields.values["expects"], fields.mapping("arguments"), float(tolerance), reason
    )


def _read_measured(fields: _Fields) -> Measured:
    fields.only(["result", "value", "where", "minus", "statistic", "between"])
    between = fields.values.get("between")
    numbers = isinstance(between, list) and all(
        isinstance(item, int | float) and not isinstance(item, bool) for item in between
    )
    if not numbers or len(between) != 2 or not between[0] < between[1]:  # type: ignore[arg-type,index]
        fields.fail("between", "is not an interval", "Write [lowest, highest].")
    statistic = "mean"
    if "statistic" in fields.values:
        statistic = fields.choice("statistic", STATISTICS)
    return Measured(
        result=fields.text("result"),
        value=fields.text("value"),
        between=(float(between[0]), float(between[1])),  # type: ignore[index]
        where=fields.mapping("where"),
        minus=fields.mapping("minus"),
        statistic=statistic,
    )


def _read_cited(fields: _Fields, references: Mapping[str, Reference]) -> Cited:
    fields.only(["reference", "locator", "quote_value", "checked", "unchecked"])
    key = fields.text("reference")
    if key not in references:
        fields.fail("reference", "is not in references.yaml", "Add the reference there first.")
    checked, unchecked = fields.text("checked", False), fields.text("unchecked", False)
    if bool(checked) == bool(unchecked):
        advice = "Give exactly one: how and where it was checked, or why it could not be."
        fields.fail("checked", "and 'unchecked' do not exclude each other", advice)
    return Cited(key, fields.text("locator"), fields.text("quote_value"), checked, unchecked)


def _read_settlement(
    fields: _Fields, kind: str, references: Mapping[str, Reference]
) -> Computed | Measured | Cited:
    below = fields.below("settled_by")
    if not below.values:
        advice = f"A {kind} entry needs it; an entry that waits says verdict: planned."
        fields.fail("settled_by", "is missing", advice)
    if kind == "computed":
        return _read_computed(below)
    if kind == "measured":
        return _read_measured(below)
    return _read_cited(below, references)


def _read_entry(file: str, chapter: int, values: object, references: Mapping[str, Reference]) -> Claim:
    if not isinstance(values, dict):
        raise LedgerError(f"{file}: {values!r} is not an entry. Write '- id: ...' and its fields.")
    fields = _Fields(file, str(values.get("id", "(no id)")), values)
    fields.only(name for name in Claim.__dataclass_fields__ if name != "file")
    match = _ID.fullmatch(fields.text("id"))
    if not match or int(match.group(1)) != chapter:
        advice = f"Write {chapter:02d}-some-words in lower case, digits and hyphens."
        fields.fail("id", "does not fit this file", advice)
    kind = fields.choice("kind", KINDS)
    verdict = fields.choice("verdict", VERDICTS)
    planned = None
    settled_by: Computed | Measured | Cited | None = None
    if verdict == "planned":
        if "settled_by" in values:
            advice = "Once it is settled, give the verdict and drop 'planned'."
            fields.fail("settled_by", "contradicts the verdict 'planned'", advice)
        below = fields.below("planned")
        below.only(["experiment", "chapter"])
        planned = Planned(below.text("experiment"), below.number("chapter", CHAPTERS))
    else:
        if "planned" in values:
            fields.fail("planned", "contradicts the verdict", "Drop it, or say verdict: planned.")
        settled_by = _read_settlement(fields, kind, references)
    if isinstance(settled_by, Cited) and settled_by.unchecked and verdict in FIRM_VERDICTS:
        advice = "Look the value up and say how (checked:), or use verdict: depends."
        fields.fail("verdict", "is firm, but the citation is unchecked", advice)
    also_in = values.get("also_in") or []
    if not isinstance(also_in, list) or not all(number in CHAPTERS for number in also_in):
        fields.fail("also_in", "must be a list of chapters", "Write [11, 18].")
    for key in fields.texts("references"):
        if key not in references:
            advice = f"Add {key!r} to references.yaml first."
            fields.fail("references", "names an unknown reference", advice)
    return Claim(
        id=fields.text("id"),
        claim=fields.text("claim"),
        source=_read_source(fields),
        kind=kind,
        settled_by=settled_by,
        verdict=verdict,
        why=fields.text("why"),
        instead=fields.text("instead", required=verdict == "corrected"),
        prose=fields.texts("prose"),
        planned=planned,
        also_in=tuple(also_in),
        references=fields.texts("references"),
        file=file,
    )


def _read_references(folder: Path) -> dict[str, Reference]:
    path = folder / "references.yaml"
    if not path.exists():
        return {}
    references = {}
    for key, values in (read_yaml(path) or {}).items():
        fields = _Fields(path.name, str(key), values if isinstance(values, dict) else {})
        fields.only(["authors", "year", "title", "where", "url"])
        url = fields.text("url")
        if not url.startswith("https://"):
            fields.fail("url", "is not a link", "Write https://...")
        references[str(key)] = Reference(
            key=str(key),
            authors=fields.text("authors"),
            year=fields.number("year", range(1900, 2100)),
            title=fields.text("title"),
            url=url,
            where=fields.text("where", required=False),
        )
    return references


def ledger_folder() -> Path:
    """Return ``book/claims`` of the checkout, or the copy inside an installed package."""
    checkout = Path(__file__).resolve().parents[2] / "book" / "claims"
    return checkout if checkout.is_dir() else Path(__file__).resolve().parent / "ledger"


def load_ledger(folder: Path | None = None) -> Ledger:
    """Read every ``NN-slug.yaml`` and ``references.yaml`` of a folder.

    Parameters
    ----------
    folder : default ``ledger_folder()``.

    Raises
    ------
    LedgerError
        Naming the file, the entry, the field, its value and what to do.
    """
    folder = ledger_folder() if folder is None else Path(folder)
    references = _read_references(folder)
    entries: dict[str, Claim] = {}
    for path in sorted(folder.glob("[0-9][0-9]-*.yaml")):
        content = read_yaml(path)
        if not isinstance(content, list):
            raise LedgerError(f"{path.name}: is not a list. Start each entry with '- id: ...'.")
        for values in content:
            entry = _read_entry(path.name, int(path.name[:2]), values, references)
            if entry.id in entries:
                other = entries[entry.id].file
                raise LedgerError(
                    f"{path.name}: entry {entry.id!r}: field 'id' is taken by an entry in {other}. "
                    "Choose another id."
                )
            entries[entry.id] = entry
    return Ledger(tuple(entries.values()), references, folder)


@lru_cache(maxsize=1)
def _ledger() -> Ledger:
    return load_ledger()


# ---------------------------------------------------------------------------------------------
# Settling


@dataclass(frozen=True)
class Settled:
    """What settling an entry gave.

    Attributes
    ----------
    value : the value found; ``None`` for a planned entry.
    holds : whether it is what the ledger says.
    detail : one line to read.
    """

    value: Any
    holds: bool
    detail: str


def _load_computed_module(name: str, folder: Path) -> ModuleType:
    path = folder / "computed" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"tlhelpers_ledger_{name}", path)
    if spec is None or spec.loader is None or not path.exists():
        raise LedgerError(f"{path} does not exist. Write the function there.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def find_function(dotted: str, folder: Path) -> Callable[..., Any]:
    """Return the function behind ``chNN.name`` or ``tlhelpers.module.name``.

    Raises
    ------
    LedgerError
        If the module or the function does not exist.
    """
    module_name, _, name = dotted.rpartition(".")
    if module_name.startswith("tlhelpers"):
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            raise LedgerError(f"{dotted}: no module {module_name}. Correct the path.") from error
    else:
        module = _load_computed_module(module_name, folder)
    function = getattr(module, name, None)
    if not callable(function):
        raise LedgerError(f"{dotted}: no function {name!r} in {module_name}. Write it.")
    return function  # type: ignore[no-any-return]


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
    return math.isclose(value, expected, rel_tol=1e-12, abs_tol=tolerance)


def settle(entry: Claim, folder: Path | None = None, results: Path | None = None) -> Settled:
    """Settle one entry: call its function, look up its sweep, or report its citation.

    Parameters
    ----------
    entry : the entry.
    folder : folder of the ledger, for ``computed/chNN.py``.
    results : folder of the recorded sweeps.
    """
    settled_by = entry.settled_by
    if settled_by is None:
        return Settled(None, True, f"planned: {entry.planned.experiment if entry.planned else ''}")
    if isinstance(settled_by, Computed):
        function = find_function(settled_by.function, folder or ledger_folder())
        value = function(**settled_by.arguments)
        holds = agrees(value, settled_by.expects, settled_by.tolerance)
        relation = "equals" if holds else "differs from"
        detail = f"{settled_by.function} gives {value!r}, which {relation} {settled_by.expects!r}"
        return Settled(value, holds, detail)
    if isinstance(settled_by, Measured):
        from tlhelpers.results import recorded

        value = recorded(settled_by.result, results).statistic(
            settled_by.value, settled_by.where, settled_by.minus, settled_by.statistic
        )
        low, high = settled_by.between
        holds = low <= value <= high
        relation = "inside" if holds else "outside"
        detail = f"{settled_by.result}: {settled_by.value} {value:.4g}, {relation} {low} to {high}"
        return Settled(value, holds, detail)
    state = f"checked: {settled_by.checked}" if settled_by.checked else "not checked"
    detail = f"{settled_by.reference}, {settled_by.locator}: {settled_by.quote_value} ({state})"
    return Settled(settled_by.quote_value, True, detail)


# ---------------------------------------------------------------------------------------------
# In a page


def claim(claim_id: str) -> Claim:
    """Return one entry of the ledger.

    Raises
    ------
    KeyError
        If there is no such entry; the message lists those of the chapter.
    """
    return _ledger()[claim_id]


class Unsettled(AssertionError):
    """A page and the ledger disagree (raised only under ``TL_STRICT=1``)."""


def expect(claim_id: str, condition: object, detail: str = "") -> bool:
    """Say whether this run shows what the ledger says.

    Parameters
    ----------
    claim_id : id of the entry.
    condition : what must be true in this run for the claim to be shown.
    detail : what was measured, e.g. ``"84 % against 76 %"``.

    Returns
    -------
    bool
        Whether the claim was shown.

    Raises
    ------
    Unsettled
        Under ``TL_STRICT=1``, if the ledger has a firm verdict and the condition is false.

    Notes
    -----
    Under ``TL_MINIATURE=1`` models have a few thousand parameters, so nothing is judged.
    """
    entry = claim(claim_id)
    shown = bool(condition)
    measured = f" Measured: {detail}." if detail else ""
    if os.environ.get("TL_MINIATURE") == "1":
        print(f"Not judged in the miniature: {entry.claim}")
        return shown
    if shown:
        print(f"Shown: {entry.claim}{measured}")
        return True
    print(f"Not shown at this scale: {entry.claim}{measured} {entry.why}")
    if os.environ.get("TL_STRICT") == "1" and entry.verdict in FIRM_VERDICTS:
        raise Unsettled(
            f"{claim_id}: the ledger says {entry.verdict!r}, this run does not show it.{measured} "
            f"Find out which is wrong: change the verdict in {entry.file}, or mend the page."
        )
    return False


_ROW = "padding:.45em .7em;text-align:left;vertical-align:top;border-bottom:1px solid #8887"
_BADGES = {
    "confirmed": "✓ confirmed",
    "corrected": "✗ corrected",
    "depends": "± depends",
    "not shown at this scale": "○ not shown at this scale",
    "planned": "… planned",
}


def describe_evidence(entry: Claim, ledger: Ledger | None = None) -> str:
    """Say in a few words what settles an entry."""
    settled_by = entry.settled_by
    if isinstance(settled_by, Computed):
        return f"computed: {_readable(settled_by.expects)} ({settled_by.function})"
    if isinstance(settled_by, Measured):
        low, high = settled_by.between
        return f"measured: {settled_by.value} {low:g} to {high:g} (sweep {settled_by.result})"
    if isinstance(settled_by, Cited):
        reference = (ledger or _ledger()).references[settled_by.reference]
        state = "" if settled_by.checked else ", not checked at the source"
        return (
            f"cited: {settled_by.quote_value} ({reference.authors} {reference.year}, "
            f"{settled_by.locator}{state})"
        )
    return f"planned: {entry.planned.experiment}" if entry.planned else ""


def _readable(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_readable(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_readable(item) for item in value)
    return str(value)


def _plain_row(entry: Claim) -> str:
    said = f" Said: {entry.source.figure}." if entry.source and entry.source.figure else ""
    instead = f" Instead: {entry.instead}" if entry.instead else ""
    return f"[{_BADGES[entry.verdict]}] {entry.claim}{said} {entry.why}{instead}"


class ClaimTable:
    """Entries with their verdicts, as a table in a page and as lines elsewhere."""

    def __init__(self, entries: Sequence[Claim], ledger: Ledger | None = None) -> None:
        """Keep the entries in the order in which they are to be shown."""
        self.entries = list(entries)
        self._ledger = ledger

    def __repr__(self) -> str:
        """One line an entry, for terminals and readers of plain text."""
        return "\n".join(_plain_row(entry) for entry in self.entries) or "No entries yet."

    def _repr_html_(self) -> str:
        """Inherit colours from the page, so that light and dark both read well."""
        if not self.entries:
            return "<p>No entries yet.</p>"
        rows = []
        for entry in self.entries:
            figure = entry.source.figure if entry.source else ""
            said = f"<br><small>as stated: {html.escape(figure)}</small>" if figure else ""
            instead = ""
            if entry.instead:
                instead = f"<br><strong>Instead:</strong> {html.escape(entry.instead)}"
            evidence = html.escape(describe_evidence(entry, self._ledger))
            rows.append(
                f'<tr><td style="{_ROW}">{html.escape(entry.claim)}{said}</td>'
                f'<td style="{_ROW}">{_BADGES[entry.verdict]}</td>'
                f'<td style="{_ROW}">{html.escape(entry.why)}{instead}'
                f"<br><small>{evidence}</small></td></tr>"
            )
        heads = "".join(
            f'<th scope="col" style="{_ROW}">{head}</th>'
            for head in ("What the literature says", "Verdict", "What we found")
        )
        return (
            '<div style="overflow-x:auto" tabindex="0" role="region" aria-label="Claims checked">'
            '<table style="border-collapse:collapse;width:100%;color:inherit;background:none">'
            f"<thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
        )


def show_claims(
    chapter: int | None = None,
    verdicts: Sequence[str] = ("corrected", "depends", "not shown at this scale", "confirmed"),
    ids: Sequence[str] = (),
) -> ClaimTable:
    """Show what the literature says beside what was found.

    Parameters
    ----------
    chapter : show the entries of this chapter.
    verdicts : only entries with these verdicts, in this order.
    ids : show these entries, in this order, instead of a whole chapter.
    """
    ledger = _ledger()
    if ids:
        return ClaimTable([ledger[claim_id] for claim_id in ids], ledger)
    for verdict in verdicts:
        if verdict not in VERDICTS:
            raise ValueError(f"no verdict {verdict!r}. Use some of: {', '.join(VERDICTS)}.")
    entries = ledger.entries if chapter is None else ledger.of_chapter(chapter)
    chosen = [entry for verdict in verdicts for entry in entries if entry.verdict == verdict]
    return ClaimTable(chosen, ledger)
