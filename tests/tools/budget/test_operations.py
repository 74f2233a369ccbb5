"""What is counted agrees with what one counts by hand."""

import pytest

from tools.budget.operations import cost, minutes

BERT = ("google-bert/bert-base-uncased", "BertForSequenceClassification", 2)
VECTORS = (30_522 + 512 + 2) * 768  # looked up, not multiplied


def test_fine_tuning_takes_six_operations_a_weight_and_token():
    """Of BERT-base on 2,000 texts of 256 tokens, three times: Kaplan and others 2020, table 1."""
    bert = cost(*BERT)
    counted = bert.operations(2_000 * 3, 256, backward="all")
    by_hand = 6 * (bert.weights - VECTORS) * 2_000 * 256 * 3
    # What the count has on top is the attention: 4 L C of the 24 C^2 of a layer, one in eighteen.
    assert counted == pytest.approx(by_hand, rel=0.10)
    assert counted > by_hand
    assert 0.5 < minutes(counted) < 0.8


def test_a_pass_forwards_takes_a_third_and_grows_with_the_square_of_the_length():
    bert = cost(*BERT)
    assert bert.operations(1, 256, backward="all") == pytest.approx(
        3 * bert.operations(1, 256), rel=0.01
    )
    assert bert.operations(8, 256) == pytest.approx(8 * bert.operations(1, 256))
    grown = bert.operations(1, 512) - 2 * bert.operations(1, 256)
    # Scores and mixing: 4 L^2 C operations a layer; twice the length has half of that too much.
    assert grown == pytest.approx(12 * 4 * 768 * (512**2 - 2 * 256**2), rel=0.01)


def test_activations_are_those_of_the_literature_in_float32():
    """Korthikanti and others 2022, section 4.1: 34 B L C bytes a layer and 5 B a L^2, in fp16."""
    # Of these, 16 and 2 values; and 2 masks and 1 of dropout, a byte each on a GPU. Off it, where
    # the count is made, a mask takes as much as a value.
    values, scores = 16 + 2, 2 + 1
    by_hand = 4 * 12 * (values * 16 * 256 * 768 + scores * 16 * 12 * 256**2)
    # The embeddings, the pooler and the head are on top.
    assert cost(*BERT).activations(16, 256) == pytest.approx(by_hand, rel=0.05)
