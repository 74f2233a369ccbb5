"""Data by role: the same three splits everywhere, nothing twice, classes in their share."""

import collections

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, Features, Value

from tlhelpers.corpora.by_role import (
    COLUMNS,
    data,
    drop_near_duplicates,
    label_names,
    sample,
    split_off,
)
from tlhelpers.corpora.from_assets import rated_sentences
from tlhelpers.roles import DATASETS

movie_sentences = pytest.mark.real_assets("sentiment")


@pytest.fixture(scope="module")
def sentiment():
    return data("sentiment", profile="tiny", quiet=True)


@pytest.fixture
def sorted_rows():
    """Ninety rows of one class, then ten of the other, as files often have them."""
    features = Features(text=Value("string"), label=ClassLabel(names=["no", "yes"]))
    columns = {"text": [f"text {i}" for i in range(100)], "label": [0] * 90 + [1] * 10}
    return Dataset.from_dict(columns, features=features)


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


@movie_sentences
def test_source_and_licence_come_along(sentiment):
    info = sentiment["test"].info
    assert "Hutto" in info.citation
    assert info.license == "MIT"
    assert "movie-review sentences" in info.description


@movie_sentences
def test_the_page_is_told_what_it_got(capsys):
    data("sentiment", profile="tiny")
    assert capsys.readouterr().out == (
        "movie-review sentences with human ratings: 8,569 train, 500 validation, 1,000 test "
        "· 2 classes: negative, positive\n"
    )


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


def test_texts_of_the_same_words_are_near_duplicates():
    texts = [
        "One of the best films of the year.",
        "one of the best films of the YEAR",
        "One of the worst films of the year.",
        "",
        "!!!",
    ]
    assert drop_near_duplicates(texts, threshold=0.9) == [0, 2, 3, 4]


def test_near_duplicates_are_those_that_comparing_all_pairs_finds():
    words = np.random.default_rng(0).choice(list("abcdefghij"), size=(200, 6))
    texts = [" ".join(row) for row in words]
    kept = []
    for i, text in enumerate(texts):
        bag = set(text.split())
        others = [set(texts[j].split()) for j in kept]
        if not any(len(bag & other) >= 0.7 * len(bag | other) for other in others):
            kept.append(i)
    assert drop_near_duplicates(texts, threshold=0.7) == kept
    assert 50 < len(kept) < 200


def test_an_impossible_threshold_is_refused():
    with pytest.raises(ValueError, match="threshold is 0; it must be above 0"):
        drop_near_duplicates(["a"], threshold=0)


def test_a_sample_of_rows_sorted_by_class_has_both_classes(sorted_rows):
    assert collections.Counter(sample(sorted_rows, 20)["label"]) == {0: 18, 1: 2}


def test_samples_of_one_seed_are_nested(sorted_rows):
    small, large = sample(sorted_rows, 10, seed=4), sample(sorted_rows, 50, seed=4)
    assert large["text"][:10] == small["text"][:10]
    assert sample(sorted_rows, 10, seed=5)["text"][:10] != small["text"][:10]


def test_a_sample_larger_than_the_set_is_the_set(sorted_rows):
    assert len(sample(sorted_rows, 1_000)) == 100


def test_a_sample_of_nothing_is_refused(sorted_rows):
    with pytest.raises(ValueError, match="n is 0; ask for 1 row or more"):
        sample(sorted_rows, 0)


def test_what_is_split_off_and_the_rest_are_the_whole(sorted_rows):
    rest, cut = split_off(sorted_rows, 30)
    assert len(cut) == 30
    assert sorted([*rest["text"], *cut["text"]]) == sorted(sorted_rows["text"])
    assert sum(cut["label"]) == 3
    assert rest["label"][:81] != [0] * 81, "the rest is shuffled, not sorted by class"


def test_a_language_that_the_set_does_not_have_is_refused():
    with pytest.raises(ValueError, match="'nli' has no language 'tlh' here; it has ar, bg"):
        data("nli", profile="full", language="tlh")


def test_a_hub_out_of_reach_says_what_to_do():
    with pytest.raises(ConnectionError, match="cannot get stanfordnlp/imdb") as error:
        data("sentiment", profile="full")
    assert "profile='tiny'" in str(error.value)
