"""Read the package's tables: small YAML files, checked against pydantic models.

Whatever is wrong with a file is said with its name, the field, its value and what to do. A table
of such files, one an entry, is read entry by entry, so that adding one leaves the others alone.
"""

from __future__ import annotations

import json
import re
import types
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails


class YamlFileError(ValueError):
    """A YAML file that cannot be used; the message names it and says what to do."""


class Entry(BaseModel):
    """What the models of our tables have in common: frozen, and no field that is not known."""

    model_config = ConfigDict(frozen=True, extra="forbid")


M = TypeVar("M", bound=BaseModel)


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
    """Read one YAML file; a key given twice is an error.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    object
        Its content: mappings, lists, texts, numbers, truth values.

    Raises
    ------
    YamlFileError
        If the file is not YAML.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except yaml.YAMLError as error:
        raise YamlFileError(f"{path.name}: not readable as YAML: {error}") from error


def read(path: Path, model: type[M]) -> M:
    """Read one YAML file into a pydantic model.

    Types are taken strictly: ``"12"`` is no number, ``12`` no text. A date is taken as its text.

    Parameters
    ----------
    path : pathlib.Path
        The file; its content is a mapping of the model's fields.
    model : type of pydantic.BaseModel
        Usually an `Entry`.

    Returns
    -------
    pydantic.BaseModel
        The file's content as an instance of `model`.

    Raises
    ------
    YamlFileError
        If the file is not YAML or does not fit the model: each field that does not, with its value
        and what to do.
    """
    content = read_yaml(path)
    if not isinstance(content, dict):
        fields = ", ".join(model.model_fields)
        raise YamlFileError(f"{path.name}: is not a mapping. Give these fields: {fields}.")
    try:
        # By way of JSON: strict types there allow a list for a tuple, as YAML has no tuples.
        return model.model_validate_json(json.dumps(content, default=str), strict=True)
    except ValidationError as error:
        problems = [_problem(details, model) for details in error.errors(include_url=False)]
        raise YamlFileError(f"{path.name}: " + f"\n{path.name}: ".join(problems)) from error


class YamlFolder(Mapping[str, M]):
    """The YAML files of a folder by name; each is opened when it is asked for, and no other.

    Parameters
    ----------
    folder : pathlib.Path
        Holds ``NAME.yaml`` for each entry.
    model : type of pydantic.BaseModel
        What a file is read into.
    """

    def __init__(self, folder: Path, model: type[M]) -> None:
        """Note where the files are; none is opened."""
        self.folder = folder
        self.model = model
        self._entries: dict[str, M] = {}

    def __getitem__(self, name: str) -> M:
        """Read an entry, once."""
        if name not in self:
            raise KeyError(name)
        if name not in self._entries:
            self._entries[name] = read(self._path(name), self.model)
        return self._entries[name]

    def __contains__(self, name: object) -> bool:
        """Whether there is such a file; it is not opened, nor is the folder listed."""
        return isinstance(name, str) and Path(name).name == name and self._path(name).is_file()

    def __iter__(self) -> Iterator[str]:
        """Go through the names in alphabetical order."""
        return iter(sorted(path.stem for path in self.folder.glob("*.yaml")))

    def __len__(self) -> int:
        """Count the files."""
        return sum(1 for _ in self)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.yaml"


def _problem(details: ErrorDetails, model: type[BaseModel]) -> str:
    """Say what is wrong with one field, and what to do about it."""
    location = details["loc"]
    field = f"field '{'.'.join(map(str, location))}'" if location else "the entry"
    if details["type"] == "missing":
        return f"{field} is missing. Add it; no entry goes without."
    whole = isinstance(details["input"], dict)  # the reason quotes the part that is wrong
    value = "" if whole else f" (value: {details['input']!r})"
    if details["type"] == "extra_forbidden":
        known = ", ".join(_fields_at(location[:-1], model)) or "those of the entries beside it"
        return f"{field} is not known here{value}. Use one of: {known}."
    reason = re.sub("^(Value error,|Input|String) ", "", details["msg"])
    advice = "Put the value in quotes." if details["type"] == "string_type" else "Correct it."
    return f"{field} {reason}{value}. {advice}"


def _fields_at(location: Sequence[int | str], annotation: Any) -> list[str]:  # noqa: ANN401
    """Names of the fields of the model that lies at this place inside another."""
    if get_origin(annotation) in (Union, types.UnionType):
        choices = [one for one in get_args(annotation) if one is not types.NoneType]
        return _fields_at(location, choices[0]) if len(choices) == 1 else []
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = annotation.model_fields
        return (
            list(fields)
            if not location
            else _fields_at(location[1:], fields[str(location[0])].annotation)
        )
    # Of a tuple, list or dict: the type of what it holds.
    inside = [one for one in get_args(annotation) if one is not Ellipsis]
    return _fields_at(location[1:], inside[-1])
