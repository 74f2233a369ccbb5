"""The book's languages, a YAML file each: how they are written, and the book's own words in them.

``table/CODE.yaml`` is opened when its language is asked for. A new language is one new file: give
it words for voice commands where Home Assistant has templates for it, and translations of
``meanings.yaml`` where somebody has written them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from tlhelpers.yaml_files import Entry, YamlFileError, YamlFolder, read

Words = Annotated[tuple[str, ...], Field(min_length=1)]


class Household(Entry):
    """What the templates of voice commands leave to the household, in the dictionary's form.

    A language that inflects nouns would change some of them.
    """

    rooms: Words
    devices: Words
    floors: Words
    groceries: Words


class Language(Entry):
    """What a page needs to know about a language.

    Attributes
    ----------
    name
        In English.
    script, family
        How it is written, and its family; of the Indo-European ones the branch is named too.
    crawl_gigabytes
        Size of its part of CC-100, the web text of XLM-R, as compressed files (Wenzek et al.,
        2020, arXiv:1911.00359; sizes as listed where the files are handed out).
    right_to_left, spaces_between_words
        How lines run, and whether spaces part the words.
    voice_commands
        Words that fill the templates of `tlhelpers.corpora.voice_commands`; None if the book
        draws no commands in it.
    translations
        Of the nouns and sentences in ``meanings.yaml``, by their English; may be empty.
    """

    name: str
    script: str
    family: str
    crawl_gigabytes: Annotated[float, Field(gt=0)]
    right_to_left: bool = False
    spaces_between_words: bool = True
    voice_commands: Household | None = None
    translations: dict[str, str] = Field(default_factory=dict)


class _Meanings(Entry):
    animal: Words
    other: Words
    sentence: Words


HERE = Path(__file__).parent / "table"
LANGUAGES = YamlFolder(HERE, Language)

# Recorded sweeps list their points, and average, in these orders. Later languages come after them.
_COMMANDS_IN_SWEEPS = (
    *("en", "de", "es", "fr", "it", "pt", "nl", "sv", "pl", "cs"),
    *("ru", "el", "hi", "ar", "he", "zh-CN", "ko"),
)
_DICTIONARY_IN_SWEEPS = ("en", "es", "fr", "de", "ru", "el", "hi", "ar", "he", "sw", "zh", "ko")


def with_voice_commands() -> tuple[str, ...]:
    """List the languages that have words for voice commands.

    Returns
    -------
    tuple of str
        Their codes: first those of the recorded sweeps, in the order of these.
    """
    found = tuple(code for code, language in LANGUAGES.items() if language.voice_commands)
    return _in_order(found, _COMMANDS_IN_SWEEPS)


def dictionary() -> dict[str, list[str]]:
    """Return the kind of each meaning, and what each translated language calls it.

    Returns
    -------
    dict
        Lists of one length under ``"kind"``, ``"en"`` and the code of each other language that has
        translations.

    Raises
    ------
    YamlFileError
        If a language translates some meanings only, or something that is none.
    """
    meanings = [
        (kind, english)
        for kind, words in read(HERE.parent / "meanings.yaml", _Meanings)
        for english in words
    ]
    english = [meaning for _, meaning in meanings]
    columns = {"en": english}
    for code, language in LANGUAGES.items():
        if language.translations:
            if wrong := set(english) ^ language.translations.keys():
                raise YamlFileError(
                    f"{code}.yaml: field 'translations' and the meanings in meanings.yaml differ "
                    f"in {', '.join(map(repr, sorted(wrong)))}. Translate each meaning, and none "
                    "besides."
                )
            columns[code] = [language.translations[meaning] for meaning in english]
    order = _in_order(tuple(columns), _DICTIONARY_IN_SWEEPS)
    return {"kind": [kind for kind, _ in meanings]} | {code: columns[code] for code in order}


def _in_order(codes: tuple[str, ...], first: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(codes, key=lambda code: (first + codes).index(code)))
