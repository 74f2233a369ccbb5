"""The entries of the claims ledger, read from ``book/claims`` into typed objects.

Entries are written by hand; ``book/claims/README.md`` explains the format. Whatever is wrong with
one is said with the file, the entry, the field, its value and what to do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
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
    """Settled by a primary source, listed in ``book/claims/references/``.

    Attributes
    ----------
    reference : key in ``references/``.
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
    references : further keys of ``references/`` that bear on the claim.
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

    def _repr_html_(self) -> str:
        from tlhelpers.evidence.claims import ClaimList

        return ClaimList([self])._repr_html_()


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


# The parser in C reads the whole ledger ten times as fast; not every build of PyYAML has it.
_SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_SafeLoader):  # type: ignore[misc]
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
        fields.fail("reference", "is not in references/", "Add it to the chapter's file there.")
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


def _read_entry(
    file: str, chapter: int, values: object, references: Mapping[str, Reference]
) -> Claim:
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
            advice = f"Add {key!r} to the chapter's file in references/ first."
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


def _read_references(folder: Path, chapter: int | None) -> dict[str, Reference]:
    references: dict[str, Reference] = {}
    files: dict[str, str] = {}
    for path in sorted((folder / "references").glob("[0-9][0-9]-*.yaml")):
        # A source stands with the first chapter that cites it: later files have none for this one.
        if chapter is not None and int(path.name[:2]) > chapter:
            continue
        file = f"references/{path.name}"
        content = read_yaml(path)
        if not isinstance(content, dict):
            raise LedgerError(f"{file}: is not a mapping. Start each source with its key.")
        for key, values in content.items():
            fields = _Fields(file, str(key), values if isinstance(values, dict) else {})
            if key in files:
                raise LedgerError(
                    f"{file}: source {key!r} stands in {files[key]} too. "
                    "Keep it with the first chapter that cites it."
                )
            files[key] = file
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
    checkout = Path(__file__).resolve().parents[3] / "book" / "claims"
    return checkout if checkout.is_dir() else Path(__file__).resolve().parents[1] / "ledger"


def load_ledger(folder: Path | None = None, chapter: int | None = None) -> Ledger:
    """Read the ``NN-slug.yaml`` of a folder and of its ``references/``.

    Parameters
    ----------
    folder : default ``ledger_folder()``.
    chapter : read the entries of this chapter alone. A page that does so need not run again when
        those of another chapter change.

    Raises
    ------
    LedgerError
        Naming the file, the entry, the field, its value and what to do.
    """
    folder = ledger_folder() if folder is None else Path(folder)
    references = _read_references(folder, chapter)
    entries: dict[str, Claim] = {}
    files = "[0-9][0-9]-*.yaml" if chapter is None else f"{chapter:02d}-*.yaml"
    for path in sorted(folder.glob(files)):
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
