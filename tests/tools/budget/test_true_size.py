"""A few rows become as many as the real set has, as long as its texts are."""

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from tlhelpers.roles import DATASETS, TokenLengths
from tools.budget.true_size import LONGEST, UnknownSizeError, at_true_size, draw_lengths, enlarged

SMALL = Dataset.from_dict(
    {"text": ["bad film", "good film"], "label": [0, 1]},
    Features(text=Value("string"), label=ClassLabel(names=["neg", "pos"])),
)


def test_lengths_have_the_mean_and_the_tail_that_the_role_file_gives():
    lengths = draw_lengths(10_000, TokenLengths(mean=53, p95=85, source="made up"))
    assert lengths.mean() == pytest.approx(53, rel=0.02)
    assert np.quantile(lengths, 0.95) == pytest.approx(85, rel=0.02)
    assert draw_lengths(1_000, TokenLengths(mean=292, p95=735, source="")).max() == LONGEST


def test_rows_are_as_many_each_its_own_text_class_after_class():
    large = enlarged(SMALL, 1_000, TokenLengths(mean=53, p95=85, source="made up"))
    assert len(large) == len(set(large["text"])) == 1_000
    assert large["label"][:500] == [0] * 500
    assert large.features == SMALL.features
    words = [len(text.split()) for text in large["text"]]
    assert np.mean(words) == pytest.approx(50, abs=4)


def test_a_set_whose_size_is_not_known_is_refused():
    load = at_true_size(lambda path, *rest: DatasetDict(train=SMALL, test=SMALL))
    assert {name: len(split) for name, split in load("stanfordnlp/imdb").items()} == {
        "train": 25_000,
        "test": 25_000,
    }
    assert DATASETS["similarity"]["full"].tokens is None
    with pytest.raises(UnknownSizeError, match=r"roles/data/similarity.yaml does not say how"):
        load("sentence-transformers/stsb")
