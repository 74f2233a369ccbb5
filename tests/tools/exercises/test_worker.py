"""What crosses between a test and an answer arrives as it was sent."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import AutoModel, LlamaConfig

from tools.exercises.worker import Notebook, decode, encode, encode_model


def there_and_back(value):
    def refuse(other):
        raise TypeError(type(other).__name__)

    return decode(json.loads(json.dumps(encode(value, refuse))), refuse)


@pytest.mark.parametrize(
    "value",
    [None, True, 3, 2.5, "ä", [1, [2]], (1, "a"), {1: 2, (3, 4): [5]}, {1, 2}, float("inf")],
)
def test_plain_values(value):
    back = there_and_back(value)
    assert back == value and type(back) is type(value)


@pytest.mark.parametrize("dtype", ["float32", "int64", "bool", "<U3", "complex64"])
def test_arrays(dtype):
    array = np.array([[1, 0, 1], [0, 1, 1]]).astype(dtype)
    back = there_and_back(array)
    assert back.dtype == array.dtype and (back == array).all()
    assert there_and_back(array[0, 0]) == array[0, 0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64, torch.bool])
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3)])
def test_tensors(dtype, shape):
    tensor = torch.ones(shape).to(dtype)
    back = there_and_back(tensor)
    assert back.dtype == dtype and torch.equal(back, tensor)


def test_tables():
    table = pd.DataFrame({"epoch": [1, 2], "accuracy": [0.5, 0.75], "note": ["a", "b"]})
    pd.testing.assert_frame_equal(there_and_back(table), table)


def test_iterators_arrive_as_lists():
    assert there_and_back(range(3)) == there_and_back(x for x in (0, 1, 2)) == [0, 1, 2]


@pytest.mark.parametrize("forged", [{"is": "array", "type": "O", "shape": [1], "data": "AAAA"}])
def test_no_python_objects_are_read_from_bytes(forged):
    with pytest.raises(ValueError):
        decode(forged, lambda _: None)


def layers():
    each = {"up": torch.nn.Linear(3, 5, bias=False), "down": torch.nn.Linear(5, 3)}
    return torch.nn.Sequential(torch.nn.ModuleDict(each), torch.nn.LayerNorm(3), torch.nn.GELU())


def of_transformers():
    config = LlamaConfig(
        vocab_size=9, hidden_size=8, intermediate_size=12, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2,
    )  # fmt: skip
    return AutoModel.from_config(config)


@pytest.mark.parametrize("make", [layers, of_transformers])
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_models_arrive_with_their_names_shapes_and_weights(make, device):
    with torch.device(device):
        model = make()
    sent = json.loads(json.dumps(encode_model(model)))
    back = Notebook()._other(sent)
    before, after = dict(model.named_parameters()), dict(back.named_parameters())
    assert {n: p.shape for n, p in after.items()} == {n: p.shape for n, p in before.items()}
    assert [type(m) for m in back.modules()] == [type(m) for m in model.modules()]
    assert all(p.is_meta or torch.equal(p, before[n]) for n, p in after.items())


def test_other_layers_are_refused_with_those_that_can_be_sent():
    with pytest.raises(TypeError, match=r"a Conv1d cannot be sent.*Linear, Embedding"):
        encode_model(torch.nn.Sequential(torch.nn.Conv1d(1, 1, 1)))
