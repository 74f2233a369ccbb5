"""Question answering: windows, answers as texts, and what is refused."""

import itertools

import numpy as np
import pytest
import torch
from datasets import Dataset
from transformers import (
    BartConfig,
    BartForQuestionAnswering,
    DataCollatorWithPadding,
    XLNetConfig,
    XLNetForQuestionAnsweringSimple,
)

from tests.tiny_models import questions, tiny_reader, tiny_tokenizer
from tests.training.runs import NO_DROPOUT, QUICK
from tlhelpers.pretrained.models import load
from tlhelpers.training.encoding import encode
from tlhelpers.training.fit import fit
from tlhelpers.training.prediction import evaluate, predict
from tlhelpers.training.question_answering import LONGEST_ANSWER, Passages

CONTEXT = "the film was good and the story was very dull but not bad"


def asked(context=CONTEXT, text="dull", start=None, question="a good"):
    start = context.index(text) if start is None else start
    return {
        "question": question,
        "context": context,
        "answers": {"text": [text], "answer_start": [start]},
    }


def gold(rows):
    return ["".join(row["answers"]["text"][:1]) for row in rows]


def test_answers_are_learnt_scored_and_given_as_texts(tokenizer, tmp_path):
    train, held_out = questions(96, words=12), questions(32, seed=1, words=12)
    model = tiny_reader(**NO_DROPOUT)
    how = QUICK | {"epochs": 12, "max_length": 16, "best_metric": "exact_match"}
    result = fit(model, train, held_out, tokenizer=tokenizer, output_dir=tmp_path, **how)
    assert result.history["validation_exact_match"].max() > 0.9
    assert result.history["validation_exact_match"].iloc[0] < 0.9, "nothing was learnt"
    found = predict(model, held_out, tokenizer, max_length=16)
    right = np.mean(found == np.array(gold(held_out)))
    scores = evaluate(model, held_out, tokenizer, max_length=16, batch_size=5)
    assert scores["exact_match"] == pytest.approx(right)
    assert scores["exact_match"] <= scores["f1"]
    assert scores["exact_match"] == result.history["validation_exact_match"].max()
    again, its_tokenizer = load(str(tmp_path), task="question-answering", quiet=True)
    assert predict(again, held_out, its_tokenizer, max_length=16).tolist() == found.tolist()


def test_the_best_weights_can_be_those_of_the_best_f1(tokenizer):
    rows = questions(16)
    result = fit(tiny_reader(), rows, rows, tokenizer=tokenizer, best_metric="f1", **QUICK)
    overlap = result.history.set_index("epoch")["validation_f1"]
    assert overlap[result.best_epoch] == overlap.max()


def test_a_data_set_as_on_the_hub_gives_the_same_examples(tokenizer):
    rows = [{"id": str(n), "title": "a", **row} for n, row in enumerate(questions(12))]
    model = tiny_reader()
    from_hub = encode(Dataset.from_list(rows), tokenizer, model)
    assert from_hub.fingerprint() == encode(rows, tokenizer, model).fingerprint()
    assert set(from_hub.columns) == {
        "input_ids", "token_type_ids", "attention_mask", "start_positions", "end_positions",
    }  # fmt: skip


def test_a_long_context_is_read_in_windows_that_overlap(tokenizer):
    # [CLS] a good [SEP] (7 tokens of the context) [SEP]; 4 of the 7 come again in the next window.
    examples = encode([asked()], tokenizer, tiny_reader(), max_length=12)
    words = CONTEXT.split()
    windows = [
        [CONTEXT[begin:end] for begin, end in characters if begin >= 0]
        for characters in examples.passages.characters
    ]
    assert windows == [words[0:7], words[3:10], words[6:13]]
    assert examples.passages.questions.tolist() == [0, 0, 0]
    # "dull" is the tenth word: not in the first window, which says so at its [CLS].
    assert examples.columns["start_positions"].values.tolist() == [0, 10, 7]
    assert examples.columns["end_positions"].values.tolist() == [0, 10, 7]
    assert encode([asked()], tokenizer, tiny_reader()).passages.questions.tolist() == [0]


def test_an_answer_cut_by_the_edge_of_a_window_is_in_the_next_one_only(tokenizer):
    examples = encode([asked(text="story was")], tokenizer, tiny_reader(), max_length=12)
    assert examples.columns["start_positions"].values.tolist() == [0, 7, 4]
    assert examples.columns["end_positions"].values.tolist() == [0, 8, 5]


def test_first_and_last_token_are_those_that_the_tokenizer_finds(tokenizer):
    rows = [row for row in questions(40) if row["answers"]["text"]]
    examples = encode(rows, tokenizer, tiny_reader())
    tokens = tokenizer([row["question"] for row in rows], [row["context"] for row in rows])
    for number, row in enumerate(rows):
        start = row["answers"]["answer_start"][0]
        end = start + len(row["answers"]["text"][0]) - 1
        for key, character in (("start_positions", start), ("end_positions", end)):
            wanted = tokens.char_to_token(number, character, sequence_index=1)
            assert examples.columns[key].values[number] == wanted


def test_the_answer_is_the_best_span_of_any_window():
    generator = np.random.default_rng(0)
    context = " ".join("abcdefghijklmnopqrstuvwxyz" * 2)
    size, inside = 45, range(4, 44)  # tokens of a window, and those of the context
    logits = generator.normal(size=(2, size, 2)).astype(np.float32)
    logits[0, 3] = logits[1, 44] = 99  # outside of the context: no answer, however likely
    logits[:, 0] = -9
    characters = [np.full((size, 2), -1), np.full((size, 2), -1)]
    for window, shift in enumerate((0, 12)):
        letters = 2 * (np.array(inside) - 4 + shift)
        characters[window][inside] = np.stack([letters, letters + 1], axis=1)
    passages = Passages([context], None, np.array([0, 0]), characters, np.array([0, 0]))
    spans = [
        (logits[window, first, 0] + logits[window, last, 1], window, first, last)
        for window in (0, 1)
        for first, last in itertools.product(inside, inside)
        if first <= last < first + LONGEST_ANSWER
    ]
    _, window, first, last = max(spans)
    begin, end = characters[window][first, 0], characters[window][last, 1]
    assert passages.answers(logits).tolist() == [context[begin:end]]
    logits[1, 0] = 9
    assert passages.answers(logits).tolist() == [context[begin:end]], "one window has an answer"
    logits[0, 0] = 9
    assert passages.answers(logits).tolist() == [""]


def test_no_answer_is_longer_than_thirty_tokens():
    logits = np.zeros((1, 42, 2), np.float32)
    logits[0, 1, 0] = logits[0, 41, 1] = 5
    logits[0, 20, 1] = 4
    letters = np.arange(42) - 1
    characters = [np.stack([letters, letters + (letters >= 0)], axis=1)]
    passages = Passages(["x" * 41], None, np.array([0]), characters, np.array([0]))
    assert passages.answers(logits).tolist() == ["x" * 20]


def test_a_context_without_words_has_no_answer(tokenizer):
    rows = [{"question": "good", "context": ""}, {"question": "good", "context": "film"}]
    assert predict(tiny_reader(), rows, tokenizer)[0] == ""


def test_answers_do_not_depend_on_how_windows_are_batched_and_padded(tokenizer):
    rows, model = questions(20, words=12), tiny_reader(initializer_range=0.5)
    left = tiny_tokenizer()
    left.padding_side = "left"
    whole = evaluate(model, rows, tokenizer, max_length=16)
    for other in (
        evaluate(model, rows, tokenizer, max_length=16, batch_size=1),
        evaluate(model, rows, left, max_length=16),
        evaluate(
            model, rows, tokenizer, max_length=16, collator=DataCollatorWithPadding(tokenizer)
        ),
    ):
        # The loss of transformers' own models does: its softmax runs over the padding, too.
        assert {**other, "loss": 0} == {**whole, "loss": 0}


def test_metrics_of_ones_own_get_answers_and_right_ones(tokenizer):
    rows, seen = questions(6), []

    def longest(found, right):
        seen.append((found.tolist(), right))
        return {"longest": max(map(len, found))}

    model = tiny_reader()
    assert set(evaluate(model, rows, tokenizer, longest)) == {"loss", "longest"}
    assert seen == [
        (predict(model, rows, tokenizer).tolist(), [r["answers"]["text"] for r in rows])
    ]


def test_questions_without_answers_can_be_answered_and_not_be_scored(tokenizer):
    bare = [{key: row[key] for key in ("question", "context")} for row in questions(6)]
    model = tiny_reader()
    assert predict(model, bare, tokenizer).tolist() == predict(
        model, questions(6), tokenizer
    ).tolist()  # fmt: skip
    named = [{"q": row["question"], "text": row["context"]} for row in bare]
    assert predict(model, named, tokenizer, text_columns=("q", "text")).shape == (6,)
    with pytest.raises(
        ValueError, match=r"evaluation data set has no answers: .* 'answers' of {'t"
    ):
        evaluate(model, bare, tokenizer)


def test_tokens_with_positions_can_be_trained_on(tokenizer):
    rows, model = questions(16), tiny_reader()
    examples = encode(rows, tokenizer, model)
    tokens = {
        name: [column[row].tolist() for row in range(16)]
        for name, column in examples.columns.items()
    }
    assert evaluate(model, tokens) == {
        "loss": pytest.approx(evaluate(model, rows, tokenizer)["loss"], rel=1e-5)
    }
    assert predict(model, tokens).shape == (16, examples.lengths.max(), 2)
    fit(model, tokens, tokens, **QUICK)
    with pytest.raises(ValueError, match=r"example \d+ .* end_positions \d+ and 4 tokens: count"):
        evaluate(model, {**tokens, "start_positions": [0] * 16}, max_length=4)
    del tokens["end_positions"]
    with pytest.raises(ValueError, match="start_positions and end_positions beside its tokens"):
        evaluate(model, tokens)


SMALL = {"vocab_size": 22, "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}
BART = BartConfig(
    d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
    decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16,
    max_position_embeddings=32, **SMALL,
)  # fmt: skip
XLNET = XLNetConfig(d_model=16, n_layer=1, n_head=2, d_inner=16, **SMALL)


@pytest.mark.parametrize(
    ("kind", "config"), [(BartForQuestionAnswering, BART), (XLNetForQuestionAnsweringSimple, XLNET)]
)
def test_other_families_answer_too(tokenizer, kind, config):
    torch.manual_seed(0)
    model, rows = kind(config), questions(8, words=12)
    fit(model, rows, rows, tokenizer=tokenizer, max_length=16, **QUICK)
    assert set(evaluate(model, rows, tokenizer)) == {"loss", "exact_match", "f1"}
    for row, found in zip(rows, predict(model, rows, tokenizer), strict=True):
        assert found in row["context"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            asked(start=8),
            r"row 1 of column 'answers' .*: 'dull' does not stand at 8 .* ' was' is: m",
        ),
        (asked(start=-4), "'dull' does not stand at -4"),
        (
            asked() | {"answers": {"text": ["dull"], "answer_start": []}},
            "row 1 .* holds .*: give {'",
        ),
        (
            asked() | {"answers": {"text": [None], "answer_start": [3]}},
            "row 1 .* holds .*: give {'",
        ),
        (asked() | {"answers": "dull"}, "row 1 of column 'answers' .* holds 'dull': give {'text'"),
        (asked() | {"answers": None}, "row 1 of column 'answers' .* holds None"),
        (asked(question=None), "row 1 of column 'question' .* holds None, no text"),
        (asked(question="good " * 30), "question in row 1 .* 30 tokens, a window of 32 has room"),
    ],
)
def test_bad_questions_are_refused_with_their_row(tokenizer, row, message):
    with pytest.raises(ValueError, match=message):
        encode([asked(), row], tokenizer, tiny_reader())


def test_an_answer_that_no_window_holds_is_refused(tokenizer):
    long = asked(text="was good and the story was very dull")
    with pytest.raises(
        ValueError, match=r"row 1 .* no window of 12 tokens, 4 of them shared .*was"
    ):
        encode([asked(), long], tokenizer, tiny_reader(), max_length=12)
    assert encode([long], tokenizer, tiny_reader()).lengths.tolist() == [18]


@pytest.mark.parametrize("missing", ["question", "context", "answers"])
def test_a_missing_column_is_named(tokenizer, missing):
    rows = [{key: value for key, value in asked().items() if key != missing}]
    message = "no answers: it needs" if missing == "answers" else f"no column {missing}: it has"
    with pytest.raises(ValueError, match=f"the train data set has {message}"):
        fit(tiny_reader(), rows, tokenizer=tokenizer, **QUICK)


def test_one_text_column_is_no_question_with_its_context(tokenizer):
    with pytest.raises(ValueError, match=r"\['context'\] must name two columns"):
        predict(tiny_reader(), [asked()], tokenizer, text_columns="context")


def test_a_tokenizer_that_does_not_know_its_characters_is_refused(tokenizer, monkeypatch):
    monkeypatch.setattr(type(tokenizer), "is_fast", False)
    with pytest.raises(ValueError, match=r"where in a text a token stands: load a fast tokenizer"):
        encode([asked()], tokenizer, tiny_reader())
