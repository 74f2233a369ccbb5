import numpy as np
import pytest
from sklearn.metrics import f1_score

from tlhelpers.metrics import (
    answers,
    classification,
    entities,
    mean_interval,
    paired_interval,
    prediction_interval,
    tokens,
    wilson,
)

BIO = ["O", "B-place", "I-place", "B-person", "I-person"]


def test_accuracy_counts_right_answers():
    assert classification([0, 1, 1, 0], [0, 1, 0, 0])["accuracy"] == 0.75


def test_logits_are_scored_by_their_largest():
    logits = np.array([[2.0, 1.0], [0.0, 3.0], [1.0, 0.0]])
    assert classification(logits, [0, 1, 1]) == classification([0, 1, 0], [0, 1, 1])


def test_macro_f1_counts_a_rare_class_as_much_as_a_frequent_one():
    labels, predictions = [0] * 9 + [1], [0] * 10
    scores = classification(predictions, labels)
    assert scores["accuracy"] == 0.9
    assert scores["macro_f1"] == pytest.approx((2 * 9 / 19 + 0) / 2)
    assert scores["macro_f1"] == pytest.approx(
        f1_score(labels, predictions, average="macro", zero_division=0)
    )


@pytest.mark.parametrize(
    ("predictions", "labels", "message"),
    [([0, 1], [0], "same examples"), ([], [], "nothing to score")],
)
def test_scores_of_nothing_are_refused(predictions, labels, message):
    with pytest.raises(ValueError, match=message):
        classification(predictions, labels)


def test_padding_is_not_scored():
    assert tokens([[1, 2, 0]], [[1, -100, 2]]) == {"accuracy": 0.5}


def test_an_entity_counts_only_if_type_and_both_ends_are_right():
    truth = [[1, 2, 0, 3, 4]]  # place place O person person
    half = [[1, 0, 0, 3, 4]]  # the place is cut short
    scores = tokens(half, truth, BIO)
    assert (scores["precision"], scores["recall"], scores["f1"]) == (0.5, 0.5, 0.5)


def test_entities_are_read_as_the_conll_scorer_reads_them():
    assert entities(["B-x", "I-x", "O", "I-x", "B-x", "B-x", "I-y"]) == [
        ("x", 0, 2),
        ("x", 3, 4),
        ("x", 4, 5),
        ("x", 5, 6),
        ("y", 6, 7),
    ]


def test_entity_scores_equal_seqeval():
    seqeval = pytest.importorskip("seqeval.metrics")
    random = np.random.default_rng(0)
    truth, guess = random.integers(0, 5, (2, 40, 12))
    names = [[[BIO[i] for i in row] for row in tags] for tags in (truth, guess)]
    scores = tokens(guess, truth, BIO)
    assert scores["f1"] == pytest.approx(seqeval.f1_score(*names))
    assert scores["precision"] == pytest.approx(seqeval.precision_score(*names))
    assert scores["recall"] == pytest.approx(seqeval.recall_score(*names))


def test_interval_over_seeds_by_hand():
    # Mean 2, standard error 1 / sqrt(3), Student's t for 2 degrees of freedom 4.3027 (any table).
    interval = mean_interval([1, 2, 3])
    assert interval.mean == 2
    assert interval.high - interval.mean == pytest.approx(4.3027 / 3**0.5, abs=1e-4)
    assert interval.mean - interval.low == pytest.approx(interval.high - interval.mean)


def test_nineteen_of_twenty_intervals_hold_the_true_mean():
    random = np.random.default_rng(0)
    intervals = [mean_interval(random.normal(0.8, 0.02, 5)) for _ in range(2000)]
    held = np.mean([i.low <= 0.8 <= i.high for i in intervals])
    assert held == pytest.approx(0.95, abs=0.02)  # four standard errors of 2,000 draws


@pytest.mark.parametrize(("values", "message"), [([0.8], "more seeds"), ([0.8, np.nan], "finite")])
def test_an_interval_needs_two_finite_values(values, message):
    with pytest.raises(ValueError, match=message):
        mean_interval(values)


def test_wilson_by_hand_and_inside_0_and_1():
    # 9 of 10: the textbook's (Brown, Cai and DasGupta 2001) formula with z = 1.96.
    interval = wilson(9, 10)
    assert interval.low == pytest.approx(0.5958, abs=1e-3)
    assert interval.high == pytest.approx(0.9821, abs=1e-3)
    assert wilson(10, 10).high == 1.0
    assert wilson(0, 10).low == 0.0


@pytest.mark.parametrize(("k", "n"), [(3, 2), (-1, 2), (0, 0)])
def test_wilson_refuses_impossible_counts(k, n):
    with pytest.raises(ValueError, match=f"k={k}, n={n}"):
        wilson(k, n)


def test_prediction_interval_holds_one_more_run_as_often_as_it_says():
    random = np.random.default_rng(0)
    runs = random.normal(size=(4000, 6))
    inside = 0
    for row in runs:
        interval = prediction_interval(row[:5])
        inside += interval.low <= row[5] <= interval.high
    # Binomial error of 4,000 draws at 95 % is 0.35 points; three of them either way.
    assert abs(inside / len(runs) - 0.95) < 0.0105


def test_an_interval_over_seeds_and_texts_holds_the_true_difference():
    """Five seeds, 200 texts, each with an effect of its own: in 95 of 100 worlds, nearly."""
    generator = np.random.default_rng(0)
    inside, only_seeds = 0, 0
    for _ in range(600):
        seeds = 0.02 * generator.standard_normal((5, 1))
        texts = 0.4 * generator.standard_normal((1, 200))
        table = 0.1 + seeds + texts + 0.5 * generator.standard_normal((5, 200))
        interval = paired_interval(table)
        inside += interval.low <= 0.1 <= interval.high
        of_seeds = mean_interval(table.mean(axis=1))
        only_seeds += of_seeds.low <= 0.1 <= of_seeds.high
    # Three standard errors of a share of 600 below 95 %, and little above it.
    assert 0.923 <= inside / 600 <= 0.985
    assert only_seeds / 600 < 0.9, "an interval over seeds alone misses what the texts do"


def test_where_texts_do_not_differ_the_interval_is_that_over_seeds():
    by_seed = np.array([0.1, 0.3, 0.2, 0.5, 0.4])
    interval = paired_interval(np.repeat(by_seed[:, None], 50, axis=1))
    expected = mean_interval(by_seed)
    assert interval.low == pytest.approx(expected.low)
    assert interval.high == pytest.approx(expected.high)


def test_a_paired_interval_needs_texts_and_is_open_with_one_seed():
    with pytest.raises(ValueError, match=r"\(seeds, texts\)"):
        paired_interval([1.0, 0.0])
    assert paired_interval([[1, 0, 0]]).high == np.inf
    assert paired_interval(np.ones((3, 4))) == (1.0, 1.0, 1.0, 3, 0.95)


# As evaluate-v2.0.py of SQuAD scores them (it gives percent).
@pytest.mark.parametrize(
    ("prediction", "gold", "exact_match", "f1"),
    [
        ("Denver Broncos", ["Denver Broncos"], 1, 1),
        ("  the DENVER   Broncos!", ["Denver Broncos"], 1, 1),
        ("Broncos", ["Denver Broncos"], 0, 2 / 3),
        ("Carolina", ["Denver", "the Carolina Panthers", "Carolina"], 1, 1),
        ("Carolina", ["Denver", "the Carolina Panthers"], 0, 2 / 3),
        ("a dog and a dog", ["dog"], 0, 2 * (1 / 3) / (1 / 3 + 1)),  # "and dog dog", once right
        ("dog dog cat", ["dog dog bird"], 0, 2 / 3),
        ("theatre", ["the atre"], 0, 0),  # an article is a word
        ("U.S.", ["us"], 1, 1),
        ("twenty-one", ["twenty one"], 0, 0),  # the hyphen is left out: "twentyone"
        ("", [], 1, 1),
        ("", ["Denver"], 0, 0),
        ("Denver", [], 0, 0),
        ("the", [], 1, 1),  # nothing is left of it
        ("", ["the", "..."], 1, 1),
        ("Denver", ["the", "Denver"], 1, 1),
        ("the", ["the", "Denver"], 0, 0),  # a right answer of which nothing is left does not count
        ("Größe", ["größe"], 1, 1),
        ("9 – 7", ["9 7"], 0, 0.8),  # only ASCII punctuation is left out
    ],
)
def test_answers_are_scored_as_by_the_script_of_squad(prediction, gold, exact_match, f1):
    scores = answers([prediction], [gold])
    assert scores == {"exact_match": exact_match, "f1": pytest.approx(f1)}


def test_answers_are_scored_by_the_mean_over_questions():
    scores = answers(np.array(["a dog", "cat", ""]), [["dog"], ["a cat sat"], ["bird"]])
    assert scores == {"exact_match": pytest.approx(1 / 3), "f1": pytest.approx((1 + 2 / 3) / 3)}
    with pytest.raises(ValueError, match="1 predictions for 2 questions"):
        answers(["dog"], [["dog"], []])
    with pytest.raises(ValueError, match="0 predictions for 0 questions"):
        answers([], [])
