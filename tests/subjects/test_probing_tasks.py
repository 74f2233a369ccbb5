import numpy as np
import pytest

from tlhelpers.subjects import probing_tasks

SPLITS = probing_tasks.SPLITS


def sentences(n):
    return {name: [["Bob", "sees", "the", "cat", "."] for _ in range(n)] for name in SPLITS}


def tags(rows):
    kinds = {
        "kind": ["name", "verb", None, "noun", "stop"],
        "place": [0, 1, 2, 3, 4],
        "sentence": ["first"] * 5,
    }
    return {
        task: {name: [tag for _ in of] for name, of in rows.items()} for task, tag in kinds.items()
    }


def test_words_of_a_sentence_are_in_its_split_and_have_its_labels():
    rows = sentences(30)
    words = probing_tasks.draw_words(rows, tags(rows), words_a_sentence=3)
    assert len(words.types) == 3 * 90 == len(words.split)
    assert np.unique(words.split, return_counts=True)[1].tolist() == [90, 90, 90]
    for i, word in enumerate(words.types):
        place = ["bob", "sees", "the", "cat"].index(word)  # the full stop is never drawn
        assert words.labels["place"][i] == place
        assert (words.labels["kind"][i] == -1) == (word == "the")
    assert words.label_names["kind"] == ["name", "noun", "verb"]


def test_rare_classes_have_no_label():
    rows = sentences(100)
    labels = [["common"] * 5 for _ in range(100)]
    labels[0] = ["rare"] * 5
    only = {"kind": {name: labels for name in SPLITS}}
    words = probing_tasks.draw_words(rows, only)
    assert words.label_names["kind"] == ["common"]
    assert (words.labels["kind"] == -1).sum() == 3 * 4


def test_another_seed_draws_other_words():
    rows = sentences(30)
    first, same, other = (
        probing_tasks.draw_words(rows, tags(rows), seed=s, words_a_sentence=2).positions
        for s in (0, 0, 1)
    )
    assert first == same != other


def drawn(n=60):
    rows = sentences(n)
    return probing_tasks.draw_words(rows, tags(rows))


def test_a_look_up_table_solves_what_the_word_tells_and_the_majority_does_not():
    assert probing_tasks.baselines(drawn(), "kind")["lookup"] == 1.0
    assert probing_tasks.baselines(drawn(), "kind")["majority"] == pytest.approx(1 / 3, abs=0.05)


def test_a_probe_on_one_hot_words_learns_the_control_task_as_well():
    words = drawn()
    kinds = sorted(set(words.types))
    by_word = np.eye(len(kinds))[[kinds.index(word) for word in words.types]]
    noise = np.random.default_rng(0).normal(size=(len(words.types), 4))
    hidden = np.stack([by_word, noise]).astype(np.float32)  # layer 0: the word; layer 1: nothing
    table = probing_tasks.probe(hidden, words, "kind")
    assert table["accuracy"].tolist()[0] == 1.0
    assert table["control"].tolist()[0] == 1.0
    assert table["selectivity"].tolist()[0] == 0.0
    assert table["accuracy"].tolist()[1] < 0.6
    assert table["best_so_far"].tolist() == [1.0, 1.0]


def test_examples_of_a_task_have_labels_and_are_no_more_than_asked():
    rows = probing_tasks.examples(drawn(), "kind", sizes={"train": 50, "validation": 9, "test": 9})
    assert [len(rows[name]) for name in SPLITS] == [50, 9, 9]
    words = drawn()
    for name, chosen in rows.items():
        assert (words.split[chosen] == name).all()
        assert (words.labels["kind"][chosen] >= 0).all()


def test_neighbours_are_near_and_of_other_sentences():
    words = drawn(3)
    vectors = np.random.default_rng(0).normal(size=(len(words.types), 8)).astype(np.float32)
    twin = next(i for i in range(len(words.types)) if i // 4 == 2)  # of the third sentence
    vectors[twin] = vectors[0] + 0.01
    found = probing_tasks.neighbours(vectors, words, row=0, n=4)
    assert len(found) == 5
    assert found["word"][0].lower() == words.types[0]  # the word itself
    assert found["word"][1].lower() == words.types[twin]
    assert found["cosine"].is_monotonic_decreasing
    assert found["cosine"][1] > 0.99


def test_a_word_is_shown_with_a_few_others_around():
    assert probing_tasks.in_context(list("abcdefgh"), 3, margin=1) == "… c d e …"
    assert probing_tasks.in_context(list("ab"), 0) == "a b"
