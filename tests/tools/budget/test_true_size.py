"""A few rows become as many as the real set has, as long as its texts are."""

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Translation, Value
from pydantic import ValidationError

from tlhelpers.roles import DATASETS, DataSource, TokenLengths
from tools.budget.true_size import LONGEST, UnknownSizeError, at_true_size, draw_lengths, enlarged

SMALL = Dataset.from_dict(
    {"text": ["bad film", "good film"], "label": [0, 1]},
    Features(text=Value("string"), label=ClassLabel(names=["neg", "pos"])),
)


def test_lengths_have_the_mean_and_the_tail_that_the_role_file_gives():
    lengths = draw_lengths(10_000, TokenLengths(mean=53, p95=85))
    assert lengths.mean() == pytest.approx(53, rel=0.02)
    assert np.quantile(lengths, 0.95) == pytest.approx(85, rel=0.02)
    assert draw_lengths(1_000, TokenLengths(mean=292, p95=735)).max() == LONGEST


def test_rows_are_as_many_each_its_own_text_class_after_class():
    large = enlarged(SMALL, 1_000, {"text": TokenLengths(mean=53, p95=85)})
    assert len(large) == len(set(large["text"])) == 1_000
    assert large["label"][:500] == [0] * 500
    assert large.features == SMALL.features
    words = [len(text.split()) for text in large["text"]]
    assert np.mean(words) == pytest.approx(50, abs=4)


def test_words_get_their_length_and_their_tags_with_them():
    words = Features(
        tokens=List(Value("string")),
        ner_tags=List(ClassLabel(names=["O", "B-PER"])),
        spans=List(Value("string")),
    )
    small = Dataset.from_dict(
        {"tokens": [["Ada", "wrote"]], "ner_tags": [[1, 0]], "spans": [[]]}, words
    )
    large = enlarged(small, 1_000, {"tokens": TokenLengths(mean=20, p95=47)})
    assert all(
        len(row["tokens"]) == len(row["ner_tags"]) and row["ner_tags"][:2] == [1, 0]
        for row in large
    )
    assert np.mean([len(row) for row in large["tokens"]]) == pytest.approx(18, abs=2)
    assert large[0]["spans"] == [] and large.features == small.features


def test_the_texts_of_a_pair_have_each_their_own_lengths():
    pair = Dataset.from_dict({"premise": ["A man sleeps."], "hypothesis": ["He is awake."]})
    known = {
        "premise": TokenLengths(mean=27, p95=60),
        "hypothesis": TokenLengths(mean=14, p95=25),
    }
    large = enlarged(pair, 2_000, known)
    premise, hypothesis = ([len(text.split()) for text in large[name]] for name in known)
    assert np.mean(premise) == pytest.approx(23, abs=3)
    assert np.mean(hypothesis) == pytest.approx(10, abs=3)
    assert abs(np.corrcoef(premise, hypothesis)[0, 1]) < 0.1


def test_a_translation_is_long_in_either_language():
    small = Dataset.from_dict(
        {"translation": [{"en": "a river", "fr": "une rivière"}]},
        Features(translation=Translation(["en", "fr"])),
    )
    large = enlarged(small, 500, {"translation": TokenLengths(mean=32, p95=80)})
    assert [row["fr"].split()[0] for row in large["translation"]] == ["une"] * 500
    assert np.mean([len(row["en"].split()) for row in large["translation"]]) > 25


@pytest.mark.parametrize("role", [role for role in DATASETS if "full" in DATASETS[role]])
def test_every_role_of_the_full_profile_says_how_large_its_set_is(role):
    source = DATASETS[role]["full"]
    assert set((source.splits or {"train": "train"}).values()) <= set(source.rows)
    assert "estimate" in source.sizes_from


def test_sizes_say_where_they_are_from():
    entry = DATASETS["topics"]["full"].model_dump() | {"sizes_from": ""}
    with pytest.raises(ValidationError, match="rows, tokens and sizes_from together"):
        DataSource(**entry)


def test_a_set_whose_size_is_not_known_is_refused(monkeypatch):
    load = at_true_size(lambda path, *rest: DatasetDict(train=SMALL, test=SMALL))
    assert {name: len(split) for name, split in load("stanfordnlp/imdb").items()} == {
        "train": 25_000,
        "test": 25_000,
    }
    bare = DATASETS["similarity"]["full"].model_copy(update={"rows": {}})
    monkeypatch.setattr("tools.budget.true_size.DATASETS", {"similarity": {"full": bare}})
    load = at_true_size(lambda path, *rest: DatasetDict(train=SMALL))
    with pytest.raises(UnknownSizeError, match=r"roles/data/similarity.yaml does not say how"):
        load("sentence-transformers/stsb")
