"""Samples and splits: each class in its share, nothing twice."""

import collections

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, Features, Value

from tlhelpers.corpora.splitting import drop_near_duplicates, sample, split_off


@pytest.fixture
def sorted_rows():
    """Ninety rows of one class, then ten of the other, as files often have them."""
    features = Features(text=Value("string"), label=ClassLabel(names=["no", "yes"]))
    columns = {"text": [f"text {i}" for i in range(100)], "label": [0] * 90 + [1] * 10}
    return Dataset.from_dict(columns, features=features)


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
