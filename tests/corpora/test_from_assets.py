"""The tiny profile's data sets: the same three splits everywhere, nothing twice."""

import numpy as np
import pytest

from tlhelpers.corpora.by_role import COLUMNS, data, label_names
from tlhelpers.corpora.from_assets import READERS, rated_sentences
from tlhelpers.corpora.splitting import drop_near_duplicates
from tlhelpers.roles import DATASETS

movie_sentences = pytest.mark.real_assets("sentiment")


@pytest.fixture(scope="module")
def sentiment():
    return data("sentiment", profile="tiny", quiet=True)


@movie_sentences
def test_the_movie_sentences_have_these_splits(sentiment, capsys):
    assert {name: len(split) for name, split in sentiment.items()} == {
        "train": 8_569,
        "validation": 500,
        "test": 1_000,
    }
    assert sentiment["train"].column_names == ["text", "label", "rating"]
    assert label_names(sentiment) == ["negative", "positive"]


@movie_sentences
def test_no_sentence_is_in_two_splits(sentiment):
    texts = [text for split in sentiment.values() for text in split["text"]]
    assert len(drop_near_duplicates(texts)) == len(texts) == 10_069


@movie_sentences
def test_the_label_is_the_sign_of_a_clear_rating(sentiment):
    for split in sentiment.values():
        ratings = np.asarray(split["rating"])
        assert np.abs(ratings).min() >= 0.5
        assert np.abs(ratings).max() <= 4
        np.testing.assert_array_equal(np.asarray(split["label"]), ratings > 0)


@movie_sentences
def test_each_split_has_both_classes_in_their_share(sentiment):
    for split in sentiment.values():
        assert np.mean(split["label"]) == pytest.approx(0.496, abs=0.001)


@movie_sentences
def test_accents_are_read_as_the_critics_wrote_them(sentiment):
    """The file is UTF-8, though often called latin-1: read so, "é" becomes two signs."""
    texts = [text for split in sentiment.values() for text in split["text"]]
    assert any("cliché" in text for text in texts)
    assert not any("Ã" in text for text in texts)


def test_near_copies_and_unclear_ratings_are_left_out():
    lines = [
        "1\t2.0\tA truly wonderful film about the sea.",
        "2\t1.9\t...a truly wonderful film about the sea!",
        "3\t0.4\tIt has a beginning and an end.",
        "4\t-0.5\tA dull walk through an empty town.",
        "5\t-3.1\tI want these two hours of my life back.",
        "6\t2.2\tFunny from the first scene to the last.",
    ]
    assert rated_sentences("\n".join(lines))["rating"] == [2.0, -0.5, -3.1, 2.2]


TINY = sorted(role for role in DATASETS if "tiny" in DATASETS[role])


@pytest.fixture(scope="module")
def tiny_sets():
    return {role: data(role, profile="tiny", quiet=True) for role in TINY}


every_corpus = pytest.mark.real_assets(
    "sentiment", "sentiment-zh", "topics", "intents", "biomedical", "legal"
)


@pytest.mark.slow
@every_corpus
@pytest.mark.parametrize("role", TINY)
def test_a_tiny_set_has_three_splits_with_the_columns_of_its_kind(tiny_sets, role):
    splits = tiny_sets[role]
    assert [name for name in splits if name != "unlabelled"] == ["train", "validation", "test"]
    assert min(len(split) for split in splits.values()) >= 150
    for name in ("train", "validation", "test"):
        assert set(COLUMNS[DATASETS[role]["tiny"].kind]) <= set(splits[name].column_names)
    assert splits["train"].info.citation


@pytest.mark.slow
@every_corpus
@pytest.mark.parametrize("role", ["topics", "legal", "biomedical", "sentiment-chinese"])
def test_no_text_of_a_tiny_set_is_in_two_splits(tiny_sets, role):
    splits = tiny_sets[role]
    texts = [text for name in ("train", "validation", "test") for text in splits[name]["text"]]
    assert len(set(texts)) == len(texts)
    held_out = set(splits["validation"]["text"]) | set(splits["test"]["text"])
    if "unlabelled" in splits:
        assert not held_out & set(splits["unlabelled"]["text"])


@pytest.mark.slow
@every_corpus
@pytest.mark.parametrize("role", ["topics", "legal", "biomedical"])
def test_every_class_is_in_every_split(tiny_sets, role):
    names = label_names(tiny_sets[role])
    for split in ("train", "validation", "test"):
        assert set(tiny_sets[role][split]["label"]) == set(range(len(names)))


def test_each_role_of_an_asset_names_a_reader_that_there_is():
    assert {DATASETS[role]["tiny"].reader for role in TINY} == set(READERS)
