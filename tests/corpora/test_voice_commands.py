"""Voice commands: drawn from templates, labelled by intent, tagged by slot."""

import json

import numpy as np
import pytest

from tlhelpers.corpora.voice_commands import (
    INTENTS,
    PER_INTENT,
    TAG_NAMES,
    Command,
    command_splits,
    tagged_words,
)
from tlhelpers.languages import with_voice_commands
from tlhelpers.roles import DATASETS

hassil = pytest.importorskip("hassil")
templates = pytest.mark.real_assets("intents")


def folder_with(tmp_path, sentences, lists=None, language="en"):
    content = {
        "language": language,
        "intents": {
            name: {"data": [{"sentences": of_intent}]} for name, of_intent in sentences.items()
        },
        "lists": lists or {},
        "expansion_rules": {"the": "(the|my)"},
    }
    (tmp_path / f"{language}.json").write_text(json.dumps(content), "utf-8")
    return tmp_path


@pytest.fixture
def lights(tmp_path):
    return folder_with(
        tmp_path,
        {
            "HassTurnOn": [f"turn on {word} [<the>] {{name}}" for word in "abcdefgh"],
            "HassLightSet": ["[set] {area} light to {brightness} percent"],
            "HassTurnOff": ["turn off {unheard_of}", "off [<the>] {name}"],
        },
        {"brightness": {"range": {"from": 0, "to": 100}}},
    )


def test_a_word_has_the_tag_of_the_slot_that_it_filled():
    command = Command("dim living room to 40%", ((4, 15, "area"), (19, 21, "brightness")))
    assert tagged_words(command) == (
        ["dim", "living", "room", "to", "40", "%"],
        ["O", "B-AREA", "I-AREA", "O", "B-LEVEL", "O"],
    )


def test_two_slots_of_one_kind_side_by_side_begin_anew():
    command = Command("kitchen bedroom", ((0, 7, "area"), (8, 15, "area")))
    assert tagged_words(command)[1] == ["B-AREA", "B-AREA"]


def test_a_slot_without_a_tag_leaves_its_words_outside():
    assert tagged_words(Command("play jazz", ((5, 9, "search_query"),)))[1] == ["O", "O"]


def test_without_spaces_each_character_is_a_word():
    command = Command("打开厨房灯", ((2, 4, "area"),))
    assert tagged_words(command, spaces=False) == (
        ["打", "开", "厨", "房", "灯"],
        ["O", "O", "B-AREA", "I-AREA", "O"],
    )


def test_a_template_of_the_test_served_for_nothing_else(lights):
    splits = command_splits(lights, "en")
    kinds = [
        {text.split()[2] for text in split["text"] if text.startswith("turn on")}
        for split in splits.values()
    ]
    assert all(kinds)
    assert sum(map(len, kinds)) == len(set.union(*kinds))


def test_an_intent_of_few_templates_splits_its_commands(lights):
    splits = command_splits(lights, "en")
    label = list(INTENTS).index("HassLightSet")
    texts = [{row["text"] for row in split if row["label"] == label} for split in splits.values()]
    assert all(texts)
    assert sum(map(len, texts)) == len(set.union(*texts))


def test_a_template_that_nobody_can_fill_is_passed_over(lights):
    splits = command_splits(lights, "en")
    texts = [text for split in splits.values() for text in split["text"]]
    assert not any(text.startswith("turn off") for text in texts)
    assert any(text.startswith("off") for text in texts)


def test_a_command_of_two_intents_is_dropped(tmp_path):
    folder = folder_with(tmp_path, {"HassTurnOn": ["do it", "on"], "HassTurnOff": ["Do it", "off"]})
    texts = {t.lower() for split in command_splits(folder, "en").values() for t in split["text"]}
    assert texts == {"on", "off"}


def test_the_same_seed_draws_the_same_commands(lights):
    first, again = command_splits(lights, "en", seed=1), command_splits(lights, "en", seed=1)
    other = command_splits(lights, "en", seed=2)
    assert first["train"]["text"] == again["train"]["text"]
    assert first["train"]["text"] != other["train"]["text"]


def test_a_language_without_words_is_refused_with_those_that_have_some(lights):
    for language in ("sw", "tlh"):
        with pytest.raises(LookupError, match=f"no words .* in '{language}', only in en, de, es"):
            command_splits(lights, language)


@templates
def test_the_languages_of_the_role_are_those_with_words():
    for role in ("intents", "ner"):
        assert set(DATASETS[role]["tiny"].languages) == set(with_voice_commands())


@templates
@pytest.mark.slow
@pytest.mark.parametrize("language", sorted(with_voice_commands()))
def test_a_language_has_commands_of_most_intents(language):
    from tlhelpers.assets.fetching import fetch

    splits = command_splits(fetch("intents"), language)
    assert splits["train"].features["label"].names == list(INTENTS.values())
    assert len(set(splits["test"]["label"])) >= 12
    texts = [text for split in splits.values() for text in split["text"]]
    assert len(set(texts)) == len(texts)
    for name, most in PER_INTENT.items():
        counts = np.bincount(splits[name]["label"])
        assert counts.max() <= most
    for row in splits["test"]:
        assert len(row["tokens"]) == len(row["tags"]) > 0
        assert "{" not in row["text"] and "<" not in row["text"]
    found = {TAG_NAMES[tag] for tags in splits["train"]["tags"] for tag in tags}
    assert {"O", "B-AREA", "B-DEVICE", "B-TIME"} <= found
