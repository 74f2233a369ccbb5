"""Voice commands in many languages, drawn from sentence templates that people wrote.

The templates are those of Home Assistant: "turn (on|off) [the] {area} lights". A draw walks through
one of them, tosses a coin at each choice, and remembers which words filled which slot. So each
command has a label (its intent) and its words have tags (its slots), and a template that served for
training never serves for testing, where an intent has templates enough.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value

from tlhelpers.languages import LANGUAGES, Household, with_voice_commands

if TYPE_CHECKING:
    from hassil.expression import Expression, ListReference
    from hassil.intents import IntentData, Intents

# The intents that most languages have, under the names that readers see.
INTENTS = {
    "HassTurnOn": "turn on",
    "HassTurnOff": "turn off",
    "HassLightSet": "set light",
    "HassSetPosition": "set position",
    "HassGetState": "get state",
    "HassGetWeather": "get weather",
    "HassGetCurrentTime": "get time",
    "HassGetCurrentDate": "get date",
    "HassClimateGetTemperature": "get temperature",
    "HassClimateSetTemperature": "set temperature",
    "HassStartTimer": "start timer",
    "HassCancelTimer": "cancel timer",
    "HassPauseTimer": "pause timer",
    "HassUnpauseTimer": "resume timer",
    "HassIncreaseTimer": "increase timer",
    "HassDecreaseTimer": "decrease timer",
    "HassTimerStatus": "get timer",
    "HassMediaNext": "next track",
    "HassMediaPrevious": "previous track",
    "HassMediaPause": "pause media",
    "HassMediaUnpause": "resume media",
    "HassSetVolume": "set volume",
    "HassSetVolumeRelative": "change volume",
    "HassShoppingListAddItem": "add to list",
}
# Slots by the tag that their words get; a slot that is not here gets none.
TAGS = {
    "area": "AREA",
    "name": "DEVICE",
    "floor": "FLOOR",
    "item": "ITEM",
    "color": "COLOUR",
    "temperature": "TEMPERATURE",
    "brightness": "LEVEL",
    "position": "LEVEL",
    "percentage": "LEVEL",
    "volume_level": "LEVEL",
    "volume_step": "LEVEL",
    "hours": "TIME",
    "minutes": "TIME",
    "seconds": "TIME",
    "start_hours": "TIME",
    "start_minutes": "TIME",
    "start_seconds": "TIME",
    "device_class": "KIND",
    "state": "STATE",
}
TAG_NAMES = ["O"] + [f"{bio}-{tag}" for tag in dict.fromkeys(TAGS.values()) for bio in "BI"]

# Lists that the templates leave to the household, and which of a language's words fill them; other
# open lists make a template unusable.
OPEN_LISTS = {
    "area": "rooms",
    "name": "devices",
    "floor": "floors",
    "shopping_list_item": "groceries",
    "todo_list_item": "groceries",
}
# What \w leaves out: the vowel signs of Devanagari and other marks that belong to a letter.
MARKS = "".join(c for c in map(chr, range(0x300, 0xFB20)) if unicodedata.category(c)[0] == "M")
WORD = re.compile(rf"[\w{MARKS}]+|[^\w\s{MARKS}]")
CHARACTER = re.compile(r"\d+|[a-zA-Z]+|\S")
SHARES = {"test": 0.25, "validation": 0.15, "train": 0.6}  # of an intent's templates
PER_INTENT = {"test": 30, "validation": 15, "train": 60}  # commands
ENOUGH_TEMPLATES = 6  # with fewer, the commands are split, not the templates


class Command(NamedTuple):
    """A command and the spans of its text that filled a slot."""

    text: str
    spans: tuple[tuple[int, int, str], ...]  # start, end, slot


class _CannotFillError(Exception):
    """The template asks for words that nobody has listed."""


def command_splits(folder: Path, language: str, seed: int = 0) -> DatasetDict:
    """Draw labelled and tagged commands of a language.

    Parameters
    ----------
    folder : pathlib.Path
        Where the templates are, a JSON file for each language.
    language : str
        One of `tlhelpers.languages.with_voice_commands`.
    seed : int
        Seed of the draws.

    Returns
    -------
    DatasetDict
        Columns ``text``, ``label``, ``tokens`` and ``tags``. The classes are the same in all
        languages, also where a language lacks some.

    Raises
    ------
    LookupError
        If nobody has listed words for voice commands in the language.
    """
    try:
        from hassil.intents import Intents
    except ImportError as error:
        raise ImportError(
            "the voice commands need the package hassil: pip install 'tlhelpers[chapters]'"
        ) from error
    household = _household(language)
    (path,) = folder.glob(f"**/{language}.json")
    intents = Intents.from_dict(json.loads(path.read_text("utf-8")))
    drawn: dict[str, dict[str, list[Command]]] = {name: {} for name in PER_INTENT}
    for number, intent in enumerate(INTENTS):
        if intent in intents.intents:
            rng = np.random.default_rng([seed, number])
            for split, commands in _draw_intent(intents, intent, household, rng).items():
                drawn[split][intent] = commands
    _drop_shared(drawn)
    spaces = LANGUAGES[language].spaces_between_words
    return DatasetDict(
        {name: _as_dataset(drawn[name], spaces, seed) for name in reversed(PER_INTENT)}
    )


def _household(language: str) -> Household:
    words = LANGUAGES[language].voice_commands if language in LANGUAGES else None
    if words is None:
        raise LookupError(
            f"no words for voice commands in {language!r}, only in "
            f"{', '.join(with_voice_commands())}; list some in the language's file"
        )
    return words


def _draw_intent(
    intents: Intents, intent: str, household: Household, rng: np.random.Generator
) -> dict[str, list[Command]]:
    """Draw the commands of one intent for each split, no text in two of them."""
    templates = [
        (block, sentence.expression)
        for block in intents.intents[intent].data
        for sentence in block.sentences
    ]
    templates = [templates[i] for i in rng.permutation(len(templates))]
    start, seen = 0, set()
    result: dict[str, list[Command]] = {}
    for split, share in SHARES.items():
        if len(templates) >= ENOUGH_TEMPLATES:
            stop = start + max(1, round(share * len(templates)))
            mine = templates[start:] if split == "train" else templates[start:stop]
            start = stop
        else:
            mine = templates
        result[split] = []
        # More draws than commands: many come out the same, and short intents run dry.
        for i in range(8 * PER_INTENT[split]):
            block, expression = mine[i % len(mine)]
            command = _draw(expression, block, intents, household, rng)
            if command is not None and command.text not in seen:
                seen.add(command.text)
                result[split].append(command)
            if len(result[split]) == PER_INTENT[split]:
                break
    return result


def _draw(
    expression: Expression,
    block: IntentData,
    intents: Intents,
    household: Household,
    rng: np.random.Generator,
) -> Command | None:
    """Walk through a template once; None if it asks for what nobody has listed."""
    try:
        pieces = _walk(expression, block, intents, household, rng)
    except _CannotFillError:
        return None
    text, spans = "", []
    for words, slot in pieces:
        words = re.sub(r"\s+", " ", words)
        if not text or text.endswith(" "):
            words = words.lstrip()
        if slot and words.strip():
            spans.append((len(text), len(text) + len(words.rstrip()), slot))
        text += words
    text = text.rstrip()
    return Command(text, tuple(spans)) if text else None


def _walk(
    expression: Expression,
    block: IntentData,
    intents: Intents,
    household: Household,
    rng: np.random.Generator,
) -> list[tuple[str, str | None]]:
    """Return the pieces of one way through an expression, each with the slot that it fills."""
    from hassil.expression import (
        Alternative,
        Group,
        ListReference,
        Permutation,
        RuleReference,
        TextChunk,
    )

    def walk(inner: Expression) -> list[tuple[str, str | None]]:
        return _walk(inner, block, intents, household, rng)

    if isinstance(expression, TextChunk):
        return [(expression.original_text, None)]
    if isinstance(expression, RuleReference):
        rules = intents.expansion_rules | block.expansion_rules
        return walk(rules[expression.rule_name].expression)
    if isinstance(expression, ListReference):
        words = _fill(expression, block, intents, household, rng, walk)
        return [(words, expression.slot_name)]
    assert isinstance(expression, Group)
    if isinstance(expression, Alternative):
        return walk(expression.items[rng.integers(len(expression.items))])
    items = list(expression.items)
    if isinstance(expression, Permutation):
        items = [items[i] for i in rng.permutation(len(items))]
        spaced = [[(" ", None), *walk(item), (" ", None)] for item in items]
        return [piece for pieces in spaced for piece in pieces]
    return [piece for item in items for piece in walk(item)]


def _fill(
    reference: ListReference,
    block: IntentData,
    intents: Intents,
    household: Household,
    rng: np.random.Generator,
    walk: Callable[[Expression], list[tuple[str, str | None]]],
) -> str:
    """Choose words for a slot."""
    from hassil.intents import RangeSlotList, TextSlotList

    if reference.is_inline_range:
        start, stop, step = reference.get_inline_range() or (0, 0, 1)
        return str(rng.choice(range(start, stop + 1, step)))
    values = (intents.slot_lists | block.slot_lists).get(reference.list_name)
    if isinstance(values, RangeSlotList):
        return str(rng.choice(range(values.start, values.stop + 1, values.step)))
    if isinstance(values, TextSlotList):
        value = values.values[rng.integers(len(values.values))]
        return "".join(words for words, _ in walk(value.text_in))
    if reference.list_name in OPEN_LISTS:
        choices = getattr(household, OPEN_LISTS[reference.list_name])
        return choices[rng.integers(len(choices))]
    raise _CannotFillError(reference.list_name)


def _drop_shared(drawn: dict[str, dict[str, list[Command]]]) -> None:
    """Drop commands that two intents share: nobody could label them."""
    owners: dict[str, set[str]] = defaultdict(set)
    for of_split in drawn.values():
        for intent, commands in of_split.items():
            for command in commands:
                owners[command.text.lower()].add(intent)
    for of_split in drawn.values():
        for intent, commands in of_split.items():
            of_split[intent] = [c for c in commands if len(owners[c.text.lower()]) == 1]


def tagged_words(command: Command, spaces: bool = True) -> tuple[list[str], list[str]]:
    """Split a command into words and give each its BIO tag.

    Parameters
    ----------
    command : Command
        Text and spans.
    spaces : bool
        Whether the language puts spaces between words; else every character is a word.

    Returns
    -------
    tuple of list of str
        The words, and a tag for each.
    """
    words, tags, previous = [], [], None
    for match in re.finditer(WORD if spaces else CHARACTER, command.text):
        words.append(match[0])
        inside = [span for span in command.spans if span[0] <= match.start() < span[1]]
        span = next((span for span in inside if span[2] in TAGS), None)
        if span is None:
            tags.append("O")
        else:
            tags.append(f"{'I' if span == previous else 'B'}-{TAGS[span[2]]}")
        previous = span
    return words, tags


def _as_dataset(drawn: dict[str, list[Command]], spaces: bool, seed: int) -> Dataset:
    names = list(INTENTS)
    rows = [
        (command, names.index(intent)) for intent, commands in drawn.items() for command in commands
    ]
    order = np.random.default_rng(seed).permutation(len(rows))
    tagged = [tagged_words(rows[i][0], spaces) for i in order]
    columns = {
        "text": [rows[i][0].text for i in order],
        "label": [rows[i][1] for i in order],
        "tokens": [words for words, _ in tagged],
        "tags": [[TAG_NAMES.index(tag) for tag in tags] for _, tags in tagged],
    }
    features = Features(
        text=Value("string"),
        label=ClassLabel(names=list(INTENTS.values())),
        tokens=List(Value("string")),
        tags=List(ClassLabel(names=TAG_NAMES)),
    )
    return Dataset.from_dict(columns, features=features)
