import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value
from torch.utils.data import TensorDataset

from tests.tiny_models import reviews, tiny_causal_model, tiny_classifier, tiny_tagger
from tlhelpers.training.encoding import encode


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
        ([{"text": "a", "title": "b", "author": "c", "label": 0}], "text_columns="),
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
