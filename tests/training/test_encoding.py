import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value
from torch.utils.data import TensorDataset
from transformers import RobertaConfig, RobertaForSequenceClassification

from tests.tiny_models import (
    reviews,
    tiny_causal_model,
    tiny_classifier,
    tiny_masked_model,
    tiny_seq2seq,
    tiny_tagger,
)
from tests.training.runs import QUICK
from tlhelpers.training.encoding import encode
from tlhelpers.training.fit import fit
from tlhelpers.training.prediction import evaluate, predict


def as_dataset(rows):
    features = Features({"text": Value("string"), "label": ClassLabel(names=["bad", "good"])})
    return Dataset.from_list(rows, features=features)


def as_tensors(rows, tokenizer):
    padded = tokenizer([row["text"] for row in rows], padding=True, return_tensors="pt")
    labels = torch.tensor([row["label"] for row in rows])
    return TensorDataset(padded["input_ids"], padded["attention_mask"], labels)


def test_the_same_data_in_any_shape_gives_the_same_batch(tokenizer):
    rows, model = reviews(8), tiny_classifier()
    all_rows = np.arange(8)
    wanted = encode(rows, tokenizer, model).batch(all_rows)
    columns = {key: [row[key] for row in rows] for key in rows[0]}
    for data in (as_dataset(rows), columns):
        batch = encode(data, tokenizer, model).batch(all_rows)
        assert batch.keys() == wanted.keys()
        assert all(torch.equal(batch[key], wanted[key]) for key in wanted)
    batch = encode(as_tensors(rows, tokenizer), None, model).batch(all_rows)
    assert all(torch.equal(batch[key], wanted[key]) for key in batch)


def test_pairs_of_texts_are_told_apart(tokenizer):
    data = {"premise": ["a film"], "hypothesis": ["a story"], "label": [0]}
    batch = encode(data, tokenizer, tiny_classifier()).batch(np.arange(1))
    assert batch["token_type_ids"].tolist() == [[0, 0, 0, 0, 1, 1, 1]]


def test_a_language_model_reads_its_labels_off_the_text(tokenizer):
    rows = {"text": ["a good film", "bad"]}
    batch = encode(rows, tokenizer, tiny_causal_model()).batch(np.arange(2))
    assert torch.equal(batch["labels"][0], batch["input_ids"][0])
    assert batch["labels"][1].tolist() == [*batch["input_ids"][1, :3].tolist(), -100, -100]


def test_text_longer_than_the_model_is_cut(tokenizer):
    examples = encode({"text": ["good " * 50], "label": [1]}, tokenizer, tiny_classifier())
    assert examples.lengths.tolist() == [32]
    short = encode(
        {"text": ["good " * 50], "label": [1]}, tokenizer, tiny_classifier(), max_length=8
    )
    assert short.lengths.tolist() == [8]


def test_columns_the_model_does_not_take_are_dropped(tokenizer):
    rows = [{**row, "id": 3} for row in reviews(4)]
    batch = encode(rows, tokenizer, tiny_classifier()).batch(np.arange(4))
    assert set(batch) == {"input_ids", "attention_mask", "token_type_ids", "labels"}


def test_labels_in_words_become_the_numbers_of_the_model(tokenizer):
    model = tiny_classifier(id2label={0: "bad", 1: "good"}, label2id={"bad": 0, "good": 1})
    rows = [{"text": "a", "label": "good"}, {"text": "b", "label": "bad"}]
    assert encode(rows, tokenizer, model).columns["labels"].values.tolist() == [1, 0]
    with pytest.raises(ValueError, match=r"labels \['fine'\], the model knows \['bad', 'good'\]"):
        encode([{"text": "a", "label": "fine"}], tokenizer, model)


def test_several_labels_an_example_stay_decimal(tokenizer):
    model = tiny_classifier(problem_type="multi_label_classification")
    rows = [{"text": "a", "labels": [1.0, 0.0]}, {"text": "b", "labels": [1.0, 1.0]}]
    batch = encode(rows, tokenizer, model).batch(np.arange(2))
    assert batch["labels"].tolist() == [[1.0, 0.0], [1.0, 1.0]]
    assert torch.isfinite(model(**batch).loss)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "train data set is empty"),
        ({"text": [], "label": []}, "train data set is empty"),
        ([{"text": "good"}], "no labels"),
        ([{"text": "good", "label": 2}], "label 2 .* has 2 labels, 0 to 1"),
        ([{"text": "good", "label": -1}], "label -1"),
        ([{"text": "good", "label": 0.5}], "decimal numbers"),
        ([{"text": "good", "label": None}], "NoneType"),
        ([{"body": "a", "title": "b", "author": "c", "label": 0}], "text_columns="),
        ([{"number": 3, "label": 0}], "one text column"),
        ([{"input_ids": [2, 99, 3], "label": 0}], "token 99, .* do not belong together"),
        ([{"input_ids": [], "label": 0}, {"input_ids": [2], "label": 0}], "example 0 .* no tokens"),
    ],
)
def test_bad_data_is_refused_with_what_to_do(tokenizer, data, message):
    with pytest.raises(ValueError, match=message):
        encode(data, tokenizer, tiny_classifier())


def test_text_without_a_tokenizer_is_refused():
    with pytest.raises(ValueError, match=r"pass tokenizer="):
        encode(reviews(2), None, tiny_classifier())


def test_a_whole_dataset_dict_is_refused_with_its_splits(tokenizer):
    data = DatasetDict(train=as_dataset(reviews(2)), test=as_dataset(reviews(2)))
    with pytest.raises(TypeError, match=r"splits \['train', 'test'\]"):
        encode(data, tokenizer, tiny_classifier())
    with pytest.raises(TypeError, match="list of str"):
        encode(["good"], tokenizer, tiny_classifier())


def test_token_labels_of_another_length_are_refused():
    with pytest.raises(ValueError, match="differ in length"):
        encode({"input_ids": [[2, 5, 3]], "labels": [[0, 1]]}, None, tiny_tagger())


def ids(examples):
    return examples.columns["input_ids"].values.tolist()


def test_a_further_text_column_is_not_joined_to_the_text(tokenizer):
    rows = reviews(8)
    leaking = [{**row, "label_text": "good" if row["label"] else "bad"} for row in rows]
    model = tiny_classifier()
    assert ids(encode(leaking, tokenizer, model)) == ids(encode(rows, tokenizer, model))
    asked = encode(leaking, tokenizer, model, text_columns=("text", "label_text"))
    assert len(ids(asked)) == len(ids(encode(rows, tokenizer, model))) + 2 * 8


def test_two_text_columns_of_other_names_are_asked_for(tokenizer):
    rows = [{"review": "good", "label_text": "good", "label": 1}]
    with pytest.raises(ValueError, match=r"\['review', 'label_text'\]: name the one to read with"):
        encode(rows, tokenizer, tiny_classifier())
    alone = encode(rows, tokenizer, tiny_classifier(), text_columns="review")
    assert alone.lengths.tolist() == [3]
    with pytest.raises(ValueError, match="must be one column, or the two of a pair"):
        encode(rows, tokenizer, tiny_classifier(), text_columns=["review"] * 3)


@pytest.mark.parametrize("pair", [("question", "context"), ("sentence1", "sentence2")])
def test_a_known_pair_is_read_in_its_own_order(tokenizer, pair):
    data = {pair[1]: ["bad"], "genre": ["a"], pair[0]: ["good film"], "label": [0]}
    examples = encode(data, tokenizer, tiny_classifier())
    assert ids(examples) == tokenizer("good film", "bad")["input_ids"]


@pytest.mark.parametrize("missing", [None, float("nan"), 7])
def test_a_missing_text_is_refused_with_its_row(tokenizer, missing):
    rows = [{"text": "good", "label": 1}, {"text": missing, "label": 0}]
    with pytest.raises(ValueError, match=r"row 1 of column 'text' of the train .* no text: fill"):
        encode(rows, tokenizer, tiny_classifier())
    first = list(reversed(rows))
    with pytest.raises(ValueError, match="row 0 of column 'text'"):
        encode(first, tokenizer, tiny_classifier())
    with pytest.raises(ValueError, match="row 1 of column 'text' of the prediction"):
        predict(tiny_classifier(), ["good", missing], tokenizer)


def test_one_string_is_one_text(tokenizer):
    model = tiny_classifier()
    assert predict(model, "good film", tokenizer).shape == (1, 2)
    with pytest.raises(
        ValueError, match=r"column 'text' .* is 'good film', one value: give a list"
    ):
        predict(model, {"text": "good film"}, tokenizer)


def test_columns_that_do_not_match_are_refused(tokenizer):
    with pytest.raises(ValueError, match=r"different lengths, {'text': 2, 'label': 1}"):
        encode({"text": ["a", "b"], "label": [1]}, tokenizer, tiny_classifier())
    with pytest.raises(ValueError, match=r"example 1 .* has the columns \['text'\]"):
        encode([{"text": "a", "label": 1}, {"text": "b"}], tokenizer, tiny_classifier())


def test_one_class_is_refused_before_the_first_step(tokenizer):
    rows, steps = [row for row in reviews(32) if row["label"] == 1], []
    with pytest.raises(ValueError, match=r"all labels of the train data set are 1 \(LABEL_1\)"):
        fit(tiny_classifier(), rows, tokenizer=tokenizer, callbacks=[steps.append], **QUICK)
    assert not steps
    assert evaluate(tiny_classifier(), rows, tokenizer)["loss"] > 0


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (float("nan"), "row 2 of column 'label' .* is nan: fill it in, or drop the row"),
        (-1, "label -1 in row 2 of column 'label' .* count from 0 or drop the row"),
        (5, "label 5 in row 2 of column 'label' .* load it with num_labels=6"),
        (None, "row 2 of column 'label' .* NoneType, no label"),
    ],
)
def test_a_bad_label_is_named_with_column_and_row(tokenizer, label, message):
    rows = [*reviews(2), {"text": "good", "label": label}]
    with pytest.raises(ValueError, match=message):
        encode(rows, tokenizer, tiny_classifier())


def test_a_bad_label_of_a_token_is_named_with_its_row():
    data = {"input_ids": [[2, 5, 3], [2, 5, 3]], "labels": [[-100, 1, -100], [-100, 0, 7]]}
    with pytest.raises(ValueError, match="label 7 in row 1 of column 'labels'"):
        encode(data, None, tiny_tagger())
    regression = tiny_classifier(num_labels=1)
    rows = {"input_ids": [[2], [3]], "label": [0.5, float("nan")]}
    with pytest.raises(ValueError, match=r"row 1 of column 'label' .* is nan"):
        encode(rows, None, regression)


def test_labels_are_not_looked_at_to_predict(tokenizer):
    """The test sets of GLUE have -1 where the label is kept secret."""
    rows = [{"text": "good", "label": -1}, {"text": "bad", "label": -1}]
    assert predict(tiny_classifier(), rows, tokenizer).shape == (2, 2)


def test_classes_do_not_become_a_regression(tokenizer):
    with pytest.raises(ValueError, match=r"classes \(bad, good\), the model has one output"):
        encode(as_dataset(reviews(4)), tokenizer, tiny_classifier(num_labels=1))


def test_a_list_of_labels_for_one_text_is_refused(tokenizer):
    rows = [{"text": "good", "label": [0, 1]}]
    with pytest.raises(ValueError, match="problem_type='multi_label_classification'"):
        encode(rows, tokenizer, tiny_classifier())
    several = tiny_classifier(problem_type="multi_label_classification")
    batch = encode(rows, tokenizer, several).batch(np.arange(1))
    assert batch["labels"].tolist() == [[0.0, 1.0]]


@pytest.mark.parametrize("make", [tiny_causal_model, tiny_masked_model, tiny_seq2seq])
def test_a_model_that_predicts_tokens_refuses_one_label_a_text(tokenizer, make):
    with pytest.raises(ValueError, match=r"'label' .* one label a text \(.\), but .*task="):
        encode(reviews(8), tokenizer, make())
    words = [{"text": "a film", "label": "good"}]
    with pytest.raises(ValueError, match=r"one label a text \('good'\)"):
        encode(words, tokenizer, make())


def test_rows_longer_than_the_model_are_refused_before_the_first_step(tokenizer):
    rows = [{"input_ids": [5] * n, "label": n % 2} for n in (8, 33, 40)]
    with pytest.raises(ValueError, match=r"example 2 .* 40 tokens, the model takes 32: .*=32"):
        encode(rows, tokenizer, tiny_classifier())
    assert encode(rows, tokenizer, tiny_classifier(), max_length=32).lengths.max() == 32
    with pytest.raises(ValueError, match="40 tokens, the model takes 32"):
        encode({"text": ["good " * 50], "label": [1]}, tokenizer, tiny_classifier(), max_length=40)


def test_a_roberta_counts_its_places_from_behind_the_padding(tokenizer):
    config = RobertaConfig(
        vocab_size=22, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=18, pad_token_id=1,
    )  # fmt: skip
    model = RobertaForSequenceClassification(config)
    rows = {"text": ["good " * 50, "bad"], "label": [1, 0]}
    assert encode(rows, tokenizer, model).lengths.max() == 16
    fit(model, rows, tokenizer=tokenizer, **QUICK)
    with pytest.raises(ValueError, match="17 tokens, the model takes 16"):
        encode(rows, tokenizer, model, max_length=17)


def tagged_words():
    tags = {"good": 1, "great": 1, "fine": 1, "bad": 2, "dull": 2, "poor": 2}
    words = [row["text"].split() for row in reviews(96)]
    return [{"tokens": text, "tags": [tags.get(word, 0) for word in text]} for text in words]


def test_a_tag_stands_at_the_first_token_of_its_word(tokenizer):
    rows = [{"tokens": ["good", "film-story", "a"], "tags": [2, 1, 0]}]
    batch = encode(rows, tokenizer, tiny_tagger()).batch(np.arange(1))
    # [CLS] good | film - story | a [SEP]
    assert batch["labels"].tolist() == [[-100, 2, 1, -100, -100, 0, -100]]
    cut = encode(rows, tokenizer, tiny_tagger(), max_length=4).batch(np.arange(1))
    assert cut["labels"].tolist() == [[-100, 2, 1, -100]]


def test_words_with_tags_can_be_trained_on(tokenizer):
    rows = tagged_words()
    model = tiny_tagger(
        id2label={0: "O", 1: "B-KIND", 2: "B-UNKIND"},
        label2id={"O": 0, "B-KIND": 1, "B-UNKIND": 2},
    )
    result = fit(
        model, rows[:64], rows[64:], tokenizer=tokenizer, best_metric="f1",
        **QUICK | {"epochs": 6},
    )  # fmt: skip
    assert result.history["validation_f1"].max() > 0.9
    names = list(model.config.label2id)
    in_words = [{**row, "tags": [names[tag] for tag in row["tags"]]} for row in rows]
    assert evaluate(model, in_words, tokenizer) == evaluate(model, rows, tokenizer)
    bare = [{"tokens": row["tokens"]} for row in rows]
    assert np.array_equal(predict(model, bare, tokenizer), predict(model, rows, tokenizer))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"tokens": ["good", "film"], "tags": [1]}, "row 1 .* has 2 words and 1 tags"),
        (
            {"tokens": ["good", None], "tags": [1, 0]},
            "row 1 of column 'tokens' .* no list of words",
        ),
        ({"tokens": ["good"], "tags": [9]}, "label 9 in row 1 of column 'tags'"),
        ({"tokens": ["good"], "tags": None}, "row 1 of column 'tags'"),
    ],
)
def test_bad_words_are_refused_with_their_row(tokenizer, row, message):
    with pytest.raises(ValueError, match=message):
        encode([{"tokens": ["bad"], "tags": [0]}, row], tokenizer, tiny_tagger())
