"""From a data set to arrays: texts are tokenised once, and what does not fit is refused."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import TensorDataset

from tlhelpers.metrics import IGNORED
from tlhelpers.training.batching import Collator, Column, Examples, is_causal, plain

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

Data: TypeAlias = (
    "Dataset | Sequence[Mapping[str, Any]] | Mapping[str, Sequence[Any]] | TensorDataset"
)

LABEL_NAMES = ("labels", "label", "label_ids")
TENSOR_NAMES = {
    1: ("input_ids",),
    2: ("input_ids", "labels"),
    3: ("input_ids", "attention_mask", "labels"),
}


def encode(
    data: Data,
    tokenizer: PreTrainedTokenizerBase | None = None,
    model: nn.Module | None = None,
    *,
    max_length: int | None = None,
    text_columns: Sequence[str] | None = None,
    need_labels: bool = True,
    collator: Collator | None = None,
    name: str = "train",
) -> Examples:
    """Turn a data set into arrays, tokenising its texts once.

    Parameters
    ----------
    data : datasets.Dataset, list of dict, dict of lists or TensorDataset
        Texts (one string column, or two for pairs) or tokens (``input_ids``, ...), with ``label``
        or ``labels``. The tensors of a TensorDataset are ``input_ids``, (``attention_mask``,)
        ``labels`` in this order.
    tokenizer : PreTrainedTokenizer, optional
        Needed for texts; also says what to pad with.
    model : nn.Module, optional
        Says which columns it takes, how many labels and how long a text.
    max_length : int, optional
        Longer texts are cut; by default at what tokenizer and model can take.
    text_columns : sequence of str, optional
        The columns of the text (or pair), if there are more string columns than that.
    need_labels : bool
        Whether it is an error that there are none.
    collator : callable, optional
        If it makes the labels, none are needed here.
    name : str
        How to call the data in an error message.

    Returns
    -------
    Examples

    Raises
    ------
    ValueError
        If the data set is empty, lacks columns, or holds labels or tokens that the model does not
        know. The message says which, and what to do.
    TypeError
        If it is no data set.
    """
    columns = _columns(data, name)
    size = len(next(iter(columns.values()), []))
    if size == 0:
        raise ValueError(f"the {name} data set is empty: give at least one example")
    label_column = next((label for label in LABEL_NAMES if label in columns), None)
    if "input_ids" not in columns:
        texts = _text_columns(columns, text_columns, label_column, name)
        if tokenizer is None:
            raise ValueError(
                f"the {name} data set holds text ({', '.join(texts)}): pass tokenizer=..., the one "
                "that was loaded with the model"
            )
        limit = max_length or _longest(tokenizer, model)
        strings = [list(map(str, columns[text])) for text in texts]
        tokens = tokenizer(*strings, truncation=limit is not None, max_length=limit)
        labels = columns[label_column] if label_column else None
        columns = dict(tokens)
    else:
        labels = columns.pop(label_column) if label_column else None
        columns = {key: list(values) for key, values in columns.items()}
        if max_length is not None:
            columns = {
                key: [row[:max_length] if np.ndim(row) else row for row in values]
                for key, values in columns.items()
            }
            labels = [row[:max_length] if np.ndim(row) else row for row in labels or []] or None
    known = _accepted(model)
    if known is not None and collator is None:
        columns = {key: values for key, values in columns.items() if key in known}
    if labels is None and need_labels and collator is None:
        if not is_causal(model):
            raise ValueError(
                f"the {name} data set has no labels: it needs a column "
                f"{' or '.join(map(repr, LABEL_NAMES[:2]))}, its columns are {_names(data)}; "
                "to train on masked words pass a collator that masks them"
            )
        labels = columns["input_ids"]  # a language model reads its labels off the text
    arrays = {key: _column(key, values, name) for key, values in columns.items()}
    if labels is not None:
        arrays["labels"] = _column("labels", _label_numbers(labels, model, name), name)
    _check_values(arrays, model, name)
    offsets = arrays["input_ids"].offsets if "input_ids" in arrays else None
    lengths = np.ones(size, np.int64) if offsets is None else np.diff(offsets)
    if lengths.min() == 0:
        raise ValueError(f"example {int(lengths.argmin())} of the {name} data set has no tokens")
    return Examples(
        arrays,
        lengths,
        _padding(tokenizer, model),
        left=getattr(tokenizer, "padding_side", "right") == "left",
    )


def _accepted(model: nn.Module | None) -> set[str] | None:
    """Name the columns that a model takes; None if it takes any."""
    if model is None:
        return None
    parameters = inspect.signature(plain(model).forward).parameters
    return {key for key, value in parameters.items() if value.kind is not value.VAR_KEYWORD}


def _names(data: Data) -> list[str]:
    return list(_columns(data, ""))


def _columns(data: Data, name: str) -> dict[str, Any]:
    if isinstance(data, TensorDataset):
        names = TENSOR_NAMES.get(len(data.tensors))
        if names is None:
            raise ValueError(
                f"the {name} TensorDataset has {len(data.tensors)} tensors, 1 to 3 are understood "
                "(input_ids, attention_mask, labels): give a dict of lists for more"
            )
        return {key: tensor.cpu().numpy() for key, tensor in zip(names, data.tensors, strict=True)}
    if hasattr(data, "column_names") and hasattr(data, "with_format"):  # datasets.Dataset
        if isinstance(data.column_names, dict):
            raise TypeError(
                f"the {name} data is a DatasetDict with the splits {list(data.column_names)}: "
                "pass one of them"
            )
        plain = data.with_format(None)
        return {key: list(plain[key]) for key in data.column_names}
    if isinstance(data, Mapping):
        return dict(data)
    if isinstance(data, Sequence) and not isinstance(data, str):
        if len(data) and not isinstance(data[0], Mapping):
            raise TypeError(
                f"the {name} data is a list of {type(data[0]).__name__}: each example must be a "
                "dict, such as {'text': ..., 'label': ...}"
            )
        return {key: [row[key] for row in data] for key in data[0]} if len(data) else {}
    raise TypeError(
        f"the {name} data is a {type(data).__name__}: give a datasets.Dataset, a list of dict, a "
        "dict of lists or a TensorDataset"
    )


def _text_columns(
    columns: Mapping[str, Any], wanted: Sequence[str] | None, label: str | None, name: str
) -> list[str]:
    if wanted is not None:
        wanted = [wanted] if isinstance(wanted, str) else list(wanted)
        missing = [column for column in wanted if column not in columns]
        if missing:
            raise ValueError(
                f"the {name} data set has no column {', '.join(missing)}: it has {list(columns)}"
            )
        return wanted
    texts = [key for key, values in columns.items() if key != label and isinstance(values[0], str)]
    if not 1 <= len(texts) <= 2:
        raise ValueError(
            f"the {name} data set must have one text column, or two for pairs, or input_ids; its "
            f"columns are {list(columns)}, those with text {texts}: name them with text_columns=..."
        )
    return texts


def _longest(tokenizer: PreTrainedTokenizerBase | None, model: nn.Module | None) -> int | None:
    """Say how many tokens both tokenizer and model take; None if neither has a limit."""
    config = getattr(model, "config", None)
    limits = [
        getattr(tokenizer, "model_max_length", None),
        getattr(config, "max_position_embeddings", None),
    ]
    known = [limit for limit in limits if limit is not None and 0 < limit < 1_000_000]
    return int(min(known)) if known else None


def _label_numbers(labels: Sequence[Any], model: nn.Module | None, name: str) -> Sequence[Any]:
    if not isinstance(labels[0], str):
        return labels
    number = getattr(getattr(model, "config", None), "label2id", None) or {}
    unknown = sorted(set(labels) - set(number))
    if unknown:
        raise ValueError(
            f"the {name} data set has the labels {unknown[:5]}, the model knows "
            f"{list(number)[:10]}: load the model with labels=[...] in the data set's own words"
        )
    return [number[label] for label in labels]


def _column(key: str, values: Sequence[Any], name: str) -> Column:
    first = values[0]
    if first is None or isinstance(first, str):
        raise ValueError(
            f"column {key!r} of the {name} data set holds {type(first).__name__}, not numbers"
        )
    if np.ndim(first) == 0:
        flat = np.asarray(values)
        if flat.dtype == object:
            raise ValueError(f"column {key!r} of the {name} data set has missing values")
        return Column(_narrow(flat), None)
    sizes = np.fromiter((len(row) for row in values), np.int64, len(values))
    kind = np.asarray(first).dtype
    ragged = key not in ("labels",) or not np.issubdtype(kind, np.floating)
    if not ragged:  # several yes-or-no labels, or several regression targets, an example
        return Column(np.asarray(values, np.float32), None)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    return Column(_narrow(np.concatenate([np.asarray(row) for row in values])), offsets)


def _narrow(values: NDArray[Any]) -> NDArray[Any]:
    """Use the types that PyTorch computes with: int64 and float32."""
    return values.astype(np.float32 if np.issubdtype(values.dtype, np.floating) else np.int64)


def _check_values(arrays: Mapping[str, Column], model: nn.Module | None, name: str) -> None:
    model = plain(model)
    config = getattr(model, "config", None)
    if config is None:
        return
    vocabulary = getattr(config, "vocab_size", None)
    ids = arrays.get("input_ids")
    if vocabulary and ids is not None and ids.values.size and ids.values.max() >= vocabulary:
        raise ValueError(
            f"the {name} data set has the token {int(ids.values.max())}, the model's vocabulary "
            f"ends at {vocabulary - 1}: tokenizer and model do not belong together"
        )
    labels = arrays.get("labels")
    if labels is None:
        return
    values = labels.values
    kind = type(model).__name__
    if "Classification" in kind:
        classes = config.num_labels
        problem = getattr(config, "problem_type", None)
        if problem == "regression" or (problem is None and classes == 1):
            return
        if np.issubdtype(values.dtype, np.floating):
            if labels.offsets is None and values.ndim == 1:
                raise ValueError(
                    f"labels of the {name} data set are decimal numbers ({values[0]}): a model "
                    f"with {classes} labels needs whole ones; for regression use num_labels=1"
                )
            return
        real = values[values != IGNORED] if labels.offsets is not None else values
        wrong = real[(real < 0) | (real >= classes)]
        if wrong.size:
            raise ValueError(
                f"label {int(wrong[0])} in the {name} data set: the model has {classes} labels, 0 "
                f"to {classes - 1}; load it with num_labels={int(real.max()) + 1} or drop the row"
            )
        if "Token" in kind and not _same_offsets(labels, arrays["input_ids"]):
            raise ValueError(
                f"labels and input_ids of the {name} data set differ in length: give each token "
                "one label, -100 for those that have none"
            )


def _same_offsets(one: Column, other: Column) -> bool:
    if one.offsets is None or other.offsets is None:
        return one.offsets is other.offsets
    return np.array_equal(one.offsets, other.offsets)


def _padding(tokenizer: PreTrainedTokenizerBase | None, model: nn.Module | None) -> dict[str, int]:
    pad = getattr(tokenizer, "pad_token_id", None)
    if pad is None:
        pad = getattr(getattr(plain(model), "config", None), "pad_token_id", None)
    return {
        "input_ids": pad or 0,
        "token_type_ids": getattr(tokenizer, "pad_token_type_id", 0) or 0,
        "labels": IGNORED,
        "decoder_input_ids": pad or 0,
        "special_tokens_mask": 1,
    }
