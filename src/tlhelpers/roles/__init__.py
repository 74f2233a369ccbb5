"""What a role ("encoder", "sentiment") means in each profile: a YAML file a role.

``models/NAME.yaml`` and ``data/NAME.yaml`` hold a `ModelSource` or a `DataSource` under ``tiny``,
under ``full``, or under both. A file is opened when its role is asked for, and no other with it:
who adds a role changes nothing for those who ask for another one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Generic, Literal, Self, TypeVar

from pydantic import Field, model_validator

from tlhelpers.assets import table as assets
from tlhelpers.languages import LANGUAGES, with_voice_commands
from tlhelpers.profiles import PROFILE_NAMES, Profile, ProfileName, current
from tlhelpers.yaml_files import Entry, YamlFolder

Kind = Literal[
    "classification",
    "pairs",
    "tokens",
    "question-answering",
    "summarisation",
    "translation",
    "similarity",
    "text",
]


class _Source(Entry):
    name: str
    checked: str
    asset: str | None = None
    licence: str = ""
    note: str = ""

    @model_validator(mode="after")
    def _licence_in_one_place(self) -> Self:
        terms = _terms(self)
        if self.asset is None:
            if lacking := [name for name, text in terms.items() if not text]:
                raise ValueError(f"must give {' and '.join(lacking)}, as it names no asset")
        elif self.asset not in assets.names():
            raise ValueError(
                f"must name an asset that there is, not {self.asset!r}: {', '.join(assets.names())}"
            )
        elif given := [name for name, text in terms.items() if text]:
            raise ValueError(
                f"must not give {' and '.join(given)}: that stands with the asset {self.asset!r}"
            )
        return self


S = TypeVar("S", bound=_Source)


def _terms(source: _Source) -> dict[str, str]:
    """Return what an asset says in place of the source."""
    names = ("licence", "citation")
    return {name: getattr(source, name) for name in names if name in type(source).model_fields}


def _with_terms_of_its_asset(source: S) -> S:
    if source.asset is None:
        return source
    asset = assets.asset(source.asset)
    return source.model_copy(update={name: getattr(asset, name) for name in _terms(source)})


class ModelSource(_Source):
    """Where the model of one role comes from in one profile.

    Attributes
    ----------
    name
        What it is called, for the reader.
    hub
        Its id on the model hub.
    asset
        For the tiny profile: the asset that holds it, which a function of
        `tlhelpers.pretrained.from_assets` turns into a folder. None if it exists on the hub only.
    licence
        Licence of the weights; with an asset, the asset's.
    revision
        Branch, tag or commit on the hub.
    note
        What a user must know.
    checked
        How id and licence were checked.
    """

    hub: str
    revision: str = "main"


class TokenLengths(Entry):
    """How long the texts in a column of a data set are.

    Attributes
    ----------
    mean, p95
        Tokens of a text, as the models of its role in the full profile cut it: their mean, and
        what 95 % of the texts do not exceed.
    """

    mean: float = Field(gt=0)
    p95: float

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.mean < self.p95 < 3.8 * self.mean:  # no lognormal has them further apart
            raise ValueError(f"p95 must lie above the mean, {self.mean:g}, by less than 3.8 times")
        return self

    @property
    def sigma(self) -> float:
        """Deviation of the logarithm, if the lengths are lognormal."""
        z = 1.6449  # of the 95 % point: ln(p95 / mean) = z sigma - sigma^2 / 2
        return z - math.sqrt(z * z - 2 * math.log(self.p95 / self.mean))


class DataSource(_Source):
    """Where the data set of one role comes from in one profile.

    Attributes
    ----------
    name
        What it is called, for the reader.
    kind
        ``"classification"``, ``"pairs"``, ``"tokens"``, ``"question-answering"``,
        ``"summarisation"``, ``"translation"``, ``"similarity"`` or ``"text"``.
    licence, citation
        Of the content; with an asset, the asset's.
    hub, config, revision
        Id, configuration and revision on the hub; None for an asset. ``{language}`` in the
        configuration stands for the language's code.
    asset, reader
        An asset's name and the key of its reader in `tlhelpers.corpora.from_assets.READERS`; None
        if it comes from the hub.
    columns
        The source's column names and what they are called here.
    splits
        Train, validation and test, and what the source calls them. A missing one is cut from
        train.
    label_names
        Readable names of the classes, in the order of their numbers.
    in_languages
        For a multilingual set: codes of the languages that the book uses, or those of
        `tlhelpers.languages` that have words for voice commands. The default is English.
    rows
        How many rows each split on the hub has; the longest language's, if they differ. With
        `tokens` it lets the cost of a page in the full profile be computed; empty if not known.
    tokens
        How long its texts are, by their column on the hub; of a translation, in either language.
    sizes_from
        Where `rows` and `tokens` are from, or how they were estimated.
    domain
        Whether it is text of a special domain, with a split ``unlabelled`` to go on pretraining.
    note
        What a user must know.
    checked
        How id, configuration and columns were checked.
    """

    kind: Kind
    citation: str = ""
    hub: str | None = None
    config: str | None = None
    revision: str | None = None
    reader: str | None = None
    columns: dict[str, str] = Field(default_factory=dict)
    splits: dict[str, str] = Field(default_factory=dict)
    label_names: tuple[str, ...] = ()
    in_languages: tuple[str, ...] | Literal["those with voice commands"] = ()
    rows: dict[str, int] = Field(default_factory=dict)
    tokens: dict[str, TokenLengths] = Field(default_factory=dict)
    sizes_from: str = ""
    domain: bool = False

    @model_validator(mode="after")
    def _from_an_asset_or_the_hub(self) -> Self:
        if (self.asset is None) == (self.hub is None):
            raise ValueError("must name either an asset or an id on the hub")
        if (self.asset is None) != (self.reader is None):
            raise ValueError("must name a reader if it names an asset, and only then")
        return self

    @model_validator(mode="after")
    def _sizes_with_their_origin(self) -> Self:
        if not (bool(self.rows) == bool(self.tokens) == bool(self.sizes_from)):
            raise ValueError("must give rows, tokens and sizes_from together, or none of them")
        return self

    @property
    def languages(self) -> tuple[str, ...]:
        """List the codes of a multilingual set's languages; none if it is in English only."""
        if isinstance(self.in_languages, str):
            return with_voice_commands()
        return self.in_languages

    def has_language(self, code: str) -> bool:
        """Say whether the set has a language, opening that language's file at most.

        Parameters
        ----------
        code : str
            The language's code; a set without `languages` is in ``"en"``.

        Returns
        -------
        bool
            Whether it has the language.
        """
        if isinstance(self.in_languages, str):
            return code in LANGUAGES and LANGUAGES[code].voice_commands is not None
        return code in (self.in_languages or ("en",))


class _Role(Entry, Generic[S]):
    tiny: S | None = None
    full: S | None = None

    @model_validator(mode="after")
    def _in_a_profile(self) -> Self:
        if self.tiny is None and self.full is None:
            raise ValueError(f"must have a source under {' or '.join(PROFILE_NAMES)}")
        return self


class _Roles(Mapping[str, dict[ProfileName, S]]):
    """The roles of a folder by name, each with its sources by profile."""

    def __init__(self, files: YamlFolder[_Role[S]]) -> None:
        self._files = files

    def __getitem__(self, role: str) -> dict[ProfileName, S]:
        entry = self._files[role]
        sources: dict[ProfileName, S | None] = {"tiny": entry.tiny, "full": entry.full}
        return {
            name: _with_terms_of_its_asset(source)
            for name, source in sources.items()
            if source is not None
        }

    def __contains__(self, role: object) -> bool:
        return role in self._files  # Mapping's own would read the file

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


HERE = Path(__file__).parent
MODELS = _Roles(YamlFolder(HERE / "models", _Role[ModelSource]))
DATASETS = _Roles(YamlFolder(HERE / "data", _Role[DataSource]))


def source(
    table: Mapping[str, dict[ProfileName, S]], role: str, profile: str | Profile | None = None
) -> S:
    """Look a role up in `MODELS` or `DATASETS`.

    Parameters
    ----------
    table : mapping
        One of the two.
    role : str
        The role's name.
    profile : str or Profile, optional
        Which profile; by default the one in use.

    Returns
    -------
    ModelSource or DataSource
        Where the role's model or data set comes from.

    Raises
    ------
    LookupError
        If no such role exists, or it exists in the other profile only; the message lists
        what there is.
    """
    chosen = current(profile)
    if role not in table:
        raise LookupError(f"no role {role!r}; the roles are {', '.join(sorted(table))}")
    entry = table[role]
    if chosen.name not in entry:
        here = sorted(name for name in table if chosen.name in table[name])
        raise LookupError(
            f"{role!r} has nothing in the {chosen.name} profile: it needs the "
            f"{'model hub' if chosen.name == 'tiny' else 'tiny profile'}. "
            f"Here you can have {', '.join(here)}; or use profile="
            f"{'full' if chosen.name == 'tiny' else 'tiny'!r}"
        )
    return entry[chosen.name]
