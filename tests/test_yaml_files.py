"""YAML files: what fits its model is read; what does not is named, with what to do."""

from typing import Annotated, Self

import pytest
from pydantic import Field, ValidationError, field_validator, model_validator

from tlhelpers.yaml_files import Entry, YamlFileError, read, read_yaml


class Part(Entry):
    name: Annotated[str, Field(pattern="^[a-z]+$")]
    size: Annotated[int, Field(gt=0)]

    @model_validator(mode="after")
    def _small(self) -> Self:
        if self.size > 3 * len(self.name):
            raise ValueError(f"size {self.size} is too large for the name {self.name!r}")
        return self


class Whole(Entry):
    title: str
    parts: tuple[Part, ...] = ()
    named: dict[str, Part] = Field(default_factory=dict)
    spare: Part | None = None
    rate: float = 0.0

    @field_validator("title")
    @classmethod
    def _a_sentence(cls, title: str) -> str:
        if not title.endswith("."):
            raise ValueError("must end with a full stop")
        return title


GOOD = """\
title: A whole.
parts:
  - {name: first, size: 1}
  - {name: second, size: 2}
named: {other: {name: third, size: 3}}
"""


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "whole.yaml"
    file.write_text(GOOD, "utf-8")
    return file


def test_a_file_becomes_a_frozen_model(path):
    whole = read(path, Whole)
    assert whole.title == "A whole."
    assert whole.parts == (Part(name="first", size=1), Part(name="second", size=2))
    assert whole.named["other"].size == 3
    with pytest.raises(ValidationError):
        whole.title = "Another."


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("title: A whole.\n", "", "whole.yaml: field 'title' is missing. Add it"),
        (
            "size: 1}",
            "size: 1, colour: red}",
            "field 'parts.0.colour' is not known here (value: 'red'). Use one of: name, size.",
        ),
        ("size: 3}", "weight: 3}", "field 'named.other.weight' is not known here (value: 3)."),
        (
            "named:",
            "spare: {nam: x}\nnamed:",
            "field 'spare.nam' is not known here (value: 'x'). Use one of: name, size.",
        ),
        ("size: 2", "size: -2", "field 'parts.1.size' should be greater than 0 (value: -2)."),
        ("name: first", "name: First!", "field 'parts.0.name' should match pattern"),
        ("A whole.", "A whole", "field 'title' must end with a full stop (value: 'A whole')."),
        ("size: 2", "size: '2'", "field 'parts.1.size' should be a valid integer (value: '2')."),
        ("size: 2", "size: yes", "field 'parts.1.size' should be a valid integer (value: True)."),
        (
            "size: 2",
            "size: 99",
            "field 'parts.1' size 99 is too large for the name 'second'. Correct it.",
        ),
        ("A whole.", "12", "should be a valid string (value: 12). Put the value in quotes."),
    ],
)
def test_a_wrong_field_is_named_with_its_value_and_what_to_do(path, old, new, message):
    assert old in GOOD
    path.write_text(GOOD.replace(old, new), "utf-8")
    with pytest.raises(YamlFileError) as raised:
        read(path, Whole)
    assert message in str(raised.value)
    assert str(raised.value).startswith("whole.yaml: field")


def test_every_wrong_field_is_named_at_once(path):
    path.write_text(GOOD.replace("size: 1", "size: 0").replace("size: 2", "size: x"), "utf-8")
    with pytest.raises(YamlFileError, match=r"(?s)parts\.0\.size.*\nwhole\.yaml: .*parts\.1\.size"):
        read(path, Whole)


@pytest.mark.parametrize("content", ["", "- a\n- b\n", "text"])
def test_a_file_that_is_no_mapping_is_told_its_fields(path, content):
    path.write_text(content, "utf-8")
    with pytest.raises(YamlFileError, match=r"whole\.yaml: is not a mapping\. .* title, parts"):
        read(path, Whole)


def test_a_key_given_twice_is_refused(path):
    path.write_text(GOOD + "title: Another whole.\n", "utf-8")
    with pytest.raises(YamlFileError, match=r"(?s)whole\.yaml: .*'title' is given twice"):
        read(path, Whole)


def test_a_file_that_is_no_yaml_is_named(path):
    path.write_text("title: [", "utf-8")
    with pytest.raises(YamlFileError, match=r"whole\.yaml: not readable as YAML"):
        read_yaml(path)


def test_numbers_may_be_written_without_a_point_and_dates_are_text(path):
    path.write_text("title: A whole.\nrate: 1e-5", "utf-8")
    assert read(path, Whole).rate == 1e-5
    path.write_text("{name: abc, size: 2, checked: 2026-07-01}", "utf-8")

    class Dated(Part):
        checked: str

    assert read(path, Dated).checked == "2026-07-01"
