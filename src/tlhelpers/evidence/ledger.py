"""The entries of the claims ledger, read from ``book/claims`` into typed objects.

Entries are written by hand; ``book/claims/README.md`` explains the format. Whatever is wrong with
one is said with the file, the entry, the field, its value and what to do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

from pydantic import BeforeValidator, Field, Strict, ValidationError, model_validator

from tlhelpers import yaml_files
from tlhelpers.evidence.bars import (
    BAR_ADVICE,
    REFUTED,
    Changed,
    Judgement,
    Measured,
    Registered,
    judge,
)
from tlhelpers.evidence.comparison import RELATIONS, is_as_stated
from tlhelpers.evidence.fields import Number, Pairs, Text, Texts, Words, one_of, wrong
from tlhelpers.evidence.recorded import results_folder
from tlhelpers.yaml_files import Entry

CHAPTERS = range(1, 21)
KINDS = ("computed", "measured", "cited")
VERDICTS = (
    "confirmed",
    "corrected",
    "refuted here",
    "depends",
    "not shown at this scale",
    "planned",
)
WHERE = ("prose", "table", "caption", "formula", "code", "output")
# A verdict that says "this is so" must rest on something that somebody has looked at.
FIRM_VERDICTS = ("confirmed", "corrected")
# What somebody else read, or what authors promise of their work before they show it.
_NOT_THE_WORK_ITSELF = re.compile(
    r"\b(abstracts?|announcement|(?<!release )notes|quoted|digest|descriptions|translation)\b"
)


class LedgerError(ValueError):
    """An entry that cannot be used: says the file, the entry, the field and what to do."""


SweepName = Annotated[Words, Field(pattern=r"^\d\d(-[a-z0-9]+)+$")]
Chapter = Annotated[int, Strict(), Field(ge=CHAPTERS[0], le=CHAPTERS[-1])]


class Source(Entry):
    """Where the claim comes from.

    Attributes
    ----------
    section : int
        Number of the section, 1 to 20, of the text that the book implements.
    figure : str
        The number as given there, e.g. ``"93.4%"``; empty for a statement without a number.
    where : str
        One of ``WHERE``.
    value : number, text, truth value, list or mapping
        Of a computed entry: what its function gives if the source is right.
    digits : int
        Of how many significant digits the value is.
    relation : str
        One of ``comparison.RELATIONS``: how the function's number stands to the value if the
        source is right. Without digits and relation it is equal to it.
    """

    section: Chapter
    figure: Words = ""
    where: Annotated[str, one_of(WHERE)]
    value: bool | int | float | str | list[Any] | dict[Any, Any] | None = None
    digits: Annotated[int, Strict(), Field(ge=1)] | None = None
    relation: Annotated[str, one_of(RELATIONS)] | None = None

    @model_validator(mode="after")
    def _says_how_close_a_value_is(self) -> Source:
        if self.value is None and (self.digits or self.relation):
            advice = "Digits and relations belong to a value."
            raise wrong("value", "is missing", advice)
        if self.digits and self.relation:
            advice = "Give the value's digits, or how the number found stands to it."
            raise wrong("relation", "and 'digits' exclude each other", advice)
        if not self.relation:
            return self
        limits = self.value if self.relation == "between" else [self.value]
        count = 2 if self.relation == "between" else 1
        if (
            not isinstance(limits, list)
            or len(limits) != count
            or any(isinstance(x, bool) or not isinstance(x, int | float) for x in limits)
        ):
            advice = "Write one number, or [lowest, highest] with between."
            raise wrong("value", f"does not fit the relation {self.relation!r}", advice)
        return self


class Computed(Entry):
    """Settled exactly, by a function that runs in seconds and without network.

    Attributes
    ----------
    function : str
        ``chNN.name`` (in ``book/claims/computed/chNN.py``) or ``tlhelpers.module.name``.
    arguments : mapping
        Keyword arguments of the call.
    expects : number, text, truth value, list or mapping
        What the function must return.
    tolerance : float
        Largest absolute difference allowed; 0 means equal.
    tolerance_reason : str
        Why the value is not exact; required where ``tolerance`` is not 0.
    """

    function: Annotated[Words, Field(pattern=r"^(ch\d\d|tlhelpers(\.\w+)+)\.\w+$")]
    arguments: Pairs = Field(default_factory=dict)
    expects: bool | int | float | str | list[Any] | dict[Any, Any]
    tolerance: Annotated[Number, Field(ge=0)] = 0.0
    tolerance_reason: Words = ""

    @model_validator(mode="after")
    def _says_why_it_is_not_exact(self) -> Computed:
        if self.tolerance and not self.tolerance_reason:
            raise wrong("tolerance_reason", "is missing", "Say why the value is not exact.")
        return self


class Cited(Entry):
    """Settled by a primary source, listed in ``book/claims/references/``.

    Attributes
    ----------
    reference : str
        Key in ``references/``.
    locator : str
        Table, section, page or file where the value stands.
    quote_value : str
        The value there, as written there.
    checked : str
        How and where it was looked up; empty if it was not.
    unchecked : str
        Why it could not be looked up; exactly one of the two is given.
    suffices : str
        Why what was read is enough for a firm verdict, where it was an abstract or a quotation.
    """

    reference: Text
    locator: Text
    quote_value: Text
    checked: Words = ""
    unchecked: Words = ""
    suffices: Words = ""

    @property
    def rests_on_little(self) -> bool:
        """Whether an abstract or a quotation was read, and nothing says why that is enough."""
        return not self.suffices and bool(_NOT_THE_WORK_ITSELF.search(self.checked))

    @model_validator(mode="after")
    def _is_either_checked_or_not(self) -> Cited:
        if bool(self.checked) == bool(self.unchecked):
            advice = "Give exactly one: how and where it was checked, or why it could not be."
            raise wrong("checked", "and 'unchecked' do not exclude each other", advice)
        return self


class Planned(Entry):
    """Which sweeps will settle the claim, once they are recorded.

    Attributes
    ----------
    sweeps : tuple of str
        Names of sweeps, e.g. ``"18-transfer-vs-scratch"``.
    """

    sweeps: Annotated[tuple[SweepName, ...], Field(min_length=1)]


def _listed(value: object) -> object:
    """Allow one change where a list of them may stand."""
    return [value] if isinstance(value, dict | Changed) else value or ()


class Claim(Entry):
    """One entry of the ledger.

    Attributes
    ----------
    id : str
        ``NN-some-words``; ``NN`` is the chapter.
    claim : str
        The statement, in our words.
    source : Source or None
        Where it was found; ``None`` for a number of our own.
    kind : str
        One of ``KINDS``.
    settled_by : Computed, Measured, Cited or None
        What settles it; ``None`` only for a planned entry.
    stated_verdict : str or None
        One of ``VERDICTS``, written ``verdict:``; for a measured entry none but ``"planned"``,
        and derived, not written, for a computed one that states a value.
    why : str
        One line of reason.
    depends_on : str
        Of a computed entry whose value is not as stated: on what it depends whether it is. The
        verdict is then ``"depends"``, not ``"corrected"``.
    overturned_by : str
        What observation would overturn the verdict; required where it is typed, not derived.
    registered : Registered or None
        Of a measured entry, the bar that was written down before the run.
    changed : tuple of Changed
        What was done otherwise afterwards.
    instead : str
        What a reader should do; required for a correction.
    prose : tuple of str
        Literal phrases with numbers by which chapter prose may state the claim.
    planned : Planned or None
        Required where the verdict is ``"planned"``.
    also_in : tuple of int
        Further chapters whose prose may use the numbers.
    references : tuple of str
        Further keys of ``references/`` that bear on the claim.
    file : str
        Name of the file it was read from.
    results : Path or None
        Folder of the recorded sweeps.
    """

    id: Text
    claim: Text
    source: Source | None
    kind: Annotated[str, one_of(KINDS)]
    settled_by: Computed | Measured | Cited | None = None
    stated_verdict: Annotated[str, one_of(VERDICTS)] | None = Field(default=None, alias="verdict")
    why: Text
    depends_on: Words = ""
    overturned_by: Words = ""
    registered: Registered | None = None
    changed: Annotated[tuple[Changed, ...], BeforeValidator(_listed)] = ()
    instead: Words = ""
    prose: Texts = ()
    planned: Planned | None = None
    also_in: Annotated[tuple[Chapter, ...], BeforeValidator(lambda value: value or ())] = ()
    references: Texts = ()
    file: str = ""
    results: Path | None = None

    @property
    def chapter(self) -> int:
        """Number of the chapter that the entry belongs to."""
        return int(self.id[:2])

    @property
    def sweeps(self) -> tuple[str, ...]:
        """The recorded sweeps that settle it, or will, by name."""
        if isinstance(self.settled_by, Measured):
            return self.settled_by.sweeps
        return self.planned.sweeps if self.planned else ()

    @cached_property
    def judgement(self) -> Judgement | None:
        """What its bar and its recorded sweeps say; ``None`` unless it is measured and settled."""
        if self.registered is None or not isinstance(self.settled_by, Measured):
            return None
        return judge(self.registered, self.settled_by, self.results)

    @property
    def verdict(self) -> str:
        """One of ``VERDICTS``: as stated, or as the bar and the recorded sweep have it."""
        if self.judgement is not None:
            return self.judgement.verdict
        assert self.stated_verdict is not None, "the loader refuses an entry without a verdict"
        return self.stated_verdict

    @model_validator(mode="after")
    def _verdict_fits_what_settles_it(self) -> Claim:
        given = self.model_fields_set
        if self.kind == "measured":
            self._check_registration()
        elif "registered" in given or "changed" in given:
            field = "registered" if "registered" in given else "changed"
            raise wrong(field, "stands in an entry that is not measured", "Drop it.")
        elif self.stated_verdict == REFUTED:
            advice = "Only a bar and a recorded sweep give it; use corrected or depends."
            raise wrong("verdict", "cannot be stated", advice)
        if self.stated_verdict == "planned":
            if "settled_by" in given:
                advice = "Once it is settled, drop 'planned' and the verdict."
                raise wrong("settled_by", "contradicts the verdict 'planned'", advice)
            if self.planned is None:
                raise wrong("planned", "is missing", "Write {sweeps: [NN-slug]}.")
            return self
        if "planned" in given:
            advice = "Drop it, or say verdict: planned."
            raise wrong("planned", "contradicts the verdict", advice)
        if self.settled_by is None:
            advice = f"A {self.kind} entry needs it; an entry that waits says verdict: planned."
            raise wrong("settled_by", "is missing", advice)
        if self.kind != "measured" and self.stated_verdict is None:
            raise wrong("verdict", "is missing", _ADD_IT)
        firm = self.stated_verdict in FIRM_VERDICTS
        if firm and isinstance(self.settled_by, Cited) and self.settled_by.unchecked:
            advice = "Look the value up and say how (checked:), or use verdict: depends."
            raise wrong("verdict", "is firm, but the citation is unchecked", advice)
        if firm and isinstance(self.settled_by, Cited) and self.settled_by.rests_on_little:
            advice = (
                "Read the work itself, use verdict: depends, or say why what was read is enough "
                "(settled_by.suffices)."
            )
            raise wrong("verdict", "is firm, but rests on an abstract or a quotation", advice)
        if self.stated_verdict == "corrected" and not self.instead:
            raise wrong("instead", "is missing", _ADD_IT)
        return self

    def _check_registration(self) -> None:
        if self.registered is None:
            advice = "Write {experiment: ..., bar: ...} before the sweep is run."
            raise wrong("registered", "is missing", advice)
        if self.stated_verdict not in (None, "planned"):
            advice = "Drop it: the verdict follows from the bar and the recorded sweep."
            raise wrong("verdict", "is typed", advice)
        if isinstance(self.settled_by, Measured):
            named, parts = set(self.settled_by.parts), set(self.registered.bar.parts)
            if named != parts:
                wanted = ", ".join(sorted(parts)) or "none"
                raise wrong("settled_by.parts", "are not those of the bar", f"Name: {wanted}.")


class Reference(Entry):
    """A primary source.

    Attributes
    ----------
    key : str
        By which entries name it.
    authors, title, url : str
        As a reader would look for it; the link starts with ``https://``.
    year : int
        When it appeared.
    where : str
        The journal or the conference; may be empty.
    """

    key: str
    authors: Text
    year: Annotated[int, Strict(), Field(ge=1900, le=2099)]
    title: Text
    where: Words = ""
    url: Annotated[Words, Field(pattern="^https://")]


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


def read_yaml(path: Path) -> object:
    """Read one YAML file of the ledger; a key given twice is an error."""
    try:
        return yaml_files.read_yaml(path)
    except yaml_files.YamlFileError as error:
        raise LedgerError(str(error)) from error


_ADD_IT = "Every entry needs it: add one line."
_MAPPING = ("must be a mapping", "Write {name: value, ...}.")


def _choice(choices: Sequence[str]) -> tuple[str, str]:
    return "is not one of the choices", f"Use one of: {', '.join(choices)}."


def _number(lowest: int, highest: int) -> tuple[str, str]:
    return "is not such a number", f"Use a whole number from {lowest} to {highest}."


# What is wrong with a value that does not fit its field, and what to do.
_OF_FIELD = {
    "source": (
        "must be a mapping or null",
        "Write {section: NN, figure: '...', where: prose}, or null for our own number.",
    ),
    "source.section": _number(CHAPTERS[0], CHAPTERS[-1]),
    "source.where": _choice(WHERE),
    "source.digits": ("is not a whole number >= 1", "Count the significant digits of the value."),
    "source.relation": _choice(RELATIONS),
    "kind": _choice(KINDS),
    "verdict": _choice(VERDICTS),
    "prose": ("must be a list of texts", 'Write ["93.4 %", "2,000"], in quotes.'),
    "also_in": ("must be a list of chapters", "Write [11, 18]."),
    "references": ("must be a list of texts", "Write [hu-2021, liu-2024]."),
    "settled_by.function": (
        "is not such a path",
        "Write chNN.name (book/claims/computed/chNN.py) or tlhelpers.module.name.",
    ),
    "settled_by.arguments": _MAPPING,
    "settled_by.where": _MAPPING,
    "settled_by.minus": _MAPPING,
    "settled_by.expects": ("is missing", "Write the value that the function returns."),
    "settled_by.tolerance": ("is not a number >= 0", "Leave it out if the value is exact."),
    "settled_by.parts": ("are not such a mapping", "Write {name: {value: ..., where: ...}, ...}."),
    "registered.bar": ("is not a bar", BAR_ADVICE),
    "registered.margin": ("is not a number > 0", "Give it only to a bar that says 'equals'."),
    "planned.sweeps": ("is not a list of sweeps", "Write [18-transfer-vs-scratch]."),
    "year": _number(1900, 2099),
    "url": ("is not a link", "Write https://..."),
}
_OF_TYPE = {
    "missing": ("is missing", _ADD_IT),
    "too_short": ("is missing", _ADD_IT),
    "string_type": ("must be text", "Put the value in quotes."),
    "model_type": _MAPPING,
}
_SETTLED_BY: dict[object, type[Entry]] = {
    "computed": Computed,
    "measured": Measured,
    "cited": Cited,
}

E = TypeVar("E", bound=Entry)


def _fail(where: str, field: str, value: object, problem: str, advice: str) -> NoReturn:
    raise LedgerError(f"{where}: field '{field}' {problem} (value: {value!r}). {advice}")


def _checked(
    model: type[E], values: Mapping[str, Any], where: str, part: str = "", **ours: str | Path
) -> E:
    """Check a mapping of the file; ``ours`` are fields that are not written there."""
    fields = model.model_fields.items()
    known = [field.alias or name for name, field in fields if name not in ours]
    for name in values:
        if name not in known:
            advice = f"Use one of: {', '.join(known)}."
            _fail(where, f"{part}{name}", values[name], "is not known here", advice)
    try:
        return model.model_validate({**values, **ours})
    except ValidationError as error:
        found = error.errors()[0]
        if found["type"] == "ledger":
            name, problem = found["ctx"]["field"], found["msg"]
            advice = found["ctx"]["advice"]
        else:
            name = str(found["loc"][0])
            otherwise = _OF_TYPE.get(found["type"], (found["msg"], "Correct it."))
            problem, advice = _OF_FIELD.get(f"{part}{name}", otherwise)
        _fail(where, f"{part}{name}", values.get(name, "(absent)"), problem, advice)


def computed_verdict(source: Source | None, found: object, depends_on: str = "") -> str:
    """Derive the verdict of a computed entry from what its source states and what was found.

    Parameters
    ----------
    source : Source or None
        With a value; ``None`` for our own number, which stands or is mended.
    found : number, text, truth value, list or mapping
        What the entry's function gives.
    depends_on : str, optional
        The entry's reason why a value that is not as stated need not be a mistake.

    Returns
    -------
    str
        ``"confirmed"``, ``"corrected"`` or ``"depends"``.
    """
    if source is None or is_as_stated(found, source.value, source.digits, source.relation or ""):
        return "confirmed"
    return "depends" if depends_on else "corrected"


def derives_its_verdict(entry: Claim) -> bool:
    """Say whether an entry's verdict follows from its value: no verdict is written for it."""
    return isinstance(entry.settled_by, Computed) and (
        entry.source is None or entry.source.value is not None
    )


def _verdict_of_computed(values: Mapping[str, Any], parts: Mapping[str, Any], where: str) -> str:
    """Derive the verdict of a computed entry, or check what stands beside a typed one."""
    source, settled_by = parts.get("source"), parts["settled_by"]
    typed, depends_on = values.get("verdict"), str(values.get("depends_on") or "")
    if source is None or source.value is not None:
        if typed is not None:
            advice = "Drop it: the verdict follows from comparing the value with the function's."
            _fail(where, "verdict", typed, "is typed", advice)
        if "overturned_by" in values:
            advice = "Drop it: another value overturns the verdict."
            _fail(where, "overturned_by", values["overturned_by"], "says nothing new", advice)
        verdict = computed_verdict(source, settled_by.expects, depends_on)
        if depends_on and verdict == "confirmed":
            advice = "Drop it, or settle the entry where the statement does not hold."
            _fail(where, "depends_on", depends_on, "contradicts a value that is as stated", advice)
        return verdict
    if re.search(r"\d", source.figure):
        advice = "The figure has a number: write what the function gives if the source is right."
        _fail(where, "source.value", "(absent)", "is missing", advice)
    if not values.get("overturned_by"):
        advice = "Say what observation would overturn the verdict, or give the source a value."
        _fail(where, "overturned_by", "(absent)", "is missing", advice)
    if (typed == "depends") != bool(depends_on):
        advice = "Give the verdict 'depends' and say on what, or neither."
        _fail(where, "depends_on", depends_on, f"does not fit the verdict {typed!r}", advice)
    return str(typed)


def _read_entry(
    file: str, chapter: int, values: object, references: Mapping[str, Reference], results: Path
) -> Claim:
    if not isinstance(values, dict):
        raise LedgerError(f"{file}: {values!r} is not an entry. Write '- id: ...' and its fields.")
    where = f"{file}: entry {str(values.get('id', '(no id)'))!r}"
    models = {
        "source": Source,
        "settled_by": _SETTLED_BY.get(str(values.get("kind"))),
        "planned": Planned,
        "registered": Registered,
        "changed": Changed,
    }
    parts: dict[str, Any] = {
        name: _checked(model, values[name], where, f"{name}.")
        for name, model in models.items()
        if model and isinstance(values.get(name), dict)
    }
    if isinstance(parts.get("settled_by"), Computed):
        values = {**values, "verdict": _verdict_of_computed(values, parts, where)}
    elif "source" in parts and parts["source"].value is not None:
        advice = "Only a computed entry is compared with it."
        _fail(where, "source.value", parts["source"].value, "is compared with nothing", advice)
    entry = _checked(Claim, {**values, **parts}, where, file=file, results=results)
    if not re.fullmatch(rf"{chapter:02d}(-[a-z0-9]+)+", entry.id):
        advice = f"Write {chapter:02d}-some-words in lower case, digits and hyphens."
        _fail(where, "id", entry.id, "does not fit this file", advice)
    if isinstance(entry.settled_by, Cited) and entry.settled_by.reference not in references:
        advice = "Add it to the chapter's file there."
        key = entry.settled_by.reference
        _fail(where, "settled_by.reference", key, "is not in references/", advice)
    for key in entry.references:
        if key not in references:
            advice = f"Add {key!r} to the chapter's file in references/ first."
            _fail(where, "references", values["references"], "names an unknown reference", advice)
    return entry


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
            if key in files:
                raise LedgerError(
                    f"{file}: source {key!r} stands in {files[key]} too. "
                    "Keep it with the first chapter that cites it."
                )
            files[key] = file
            fields = values if isinstance(values, dict) else {}
            where = f"{file}: entry {str(key)!r}"
            references[str(key)] = _checked(Reference, fields, where, key=str(key))
    return references


def ledger_folder() -> Path:
    """Return ``book/claims`` of the checkout, or the copy inside an installed package."""
    checkout = Path(__file__).resolve().parents[3] / "book" / "claims"
    return checkout if checkout.is_dir() else Path(__file__).resolve().parents[1] / "ledger"


def load_ledger(folder: Path | None = None, chapter: int | None = None) -> Ledger:
    """Read the ``NN-slug.yaml`` of a folder and of its ``references/``.

    Parameters
    ----------
    folder : Path, optional
        By default ``ledger_folder()``.
    chapter : int, optional
        Read the entries of this chapter alone. A page that does so need not run again when those
        of another chapter change.

    Returns
    -------
    Ledger
        The entries in the order of the files.

    Raises
    ------
    LedgerError
        Naming the file, the entry, the field, its value and what to do.
    """
    results = results_folder() if folder is None else Path(folder).parent / "results"
    folder = ledger_folder() if folder is None else Path(folder)
    references = _read_references(folder, chapter)
    entries: dict[str, Claim] = {}
    files = "[0-9][0-9]-*.yaml" if chapter is None else f"{chapter:02d}-*.yaml"
    for path in sorted(folder.glob(files)):
        content = read_yaml(path)
        if not isinstance(content, list):
            raise LedgerError(f"{path.name}: is not a list. Start each entry with '- id: ...'.")
        for values in content:
            entry = _read_entry(path.name, int(path.name[:2]), values, references, results)
            if entry.id in entries:
                other = entries[entry.id].file
                raise LedgerError(
                    f"{path.name}: entry {entry.id!r}: field 'id' is taken by an entry in {other}. "
                    "Choose another id."
                )
            entries[entry.id] = entry
    return Ledger(tuple(entries.values()), references, folder)
