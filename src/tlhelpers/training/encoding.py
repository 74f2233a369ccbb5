"""From a data set to arrays: texts are tokenised once, and what does not fit is refused."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import TensorDataset

from tlhelpers.metrics import IGNORED
from tlhelpers.training.batching import (
    Collator,
    Column,
    Examples,
    answers_questions,
    is_causal,
    is_kind,
    kinds,
    plain,
)
from tlhelpers.training.question_answering import FORM, Passages, cut_into_windows

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

Data: TypeAlias = (
    "Dataset | Sequence[Mapping[str, Any]] | Mapping[str, Sequence[Any]] | TensorDataset"
)

LABEL_NAMES = ("labels", "label", "label_ids")
TAG_NAMES = ("tags", "ner_tags")
WORDS = "tokens"
QUESTION = ("question", "context")
ANSWERS = "answers"
POSITIONS = ("start_positions", "end_positions")
# Columns that are known to be read together; any other two are a pair only if one says so.
PAIRS = (
    ("premise", "hypothesis"),
    ("sentence1", "sentence2"),
    ("question1", "question2"),
    ("question", "sentence"),
    QUESTION,
)
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
    read_labels: bool = True,
    need_labels: bool = True,
    collator: Collator | None = None,
    name: str = "train",
) -> Examples:
    """Turn a data set into arrays, tokenising its texts once.

    Parameters
    ----------
    data : datasets.Dataset, list of dict, dict of lists or TensorDataset
        Texts, words (a column ``tokens``) or tokens (``input_ids``, ...), with ``label`` or
        ``labels``, for words ``tags``. For question answering ``question`` and ``context``, with
        ``answers`` as in SQuAD: ``{"text": [...], "answer_start": [...]}``, both empty where there
        is no answer. The tensors of a TensorDataset are ``input_ids``, (``attention_mask``,)
        ``labels`` in this order. Without ``attention_mask`` a text ends where padding begins.
    tokenizer : PreTrainedTokenizer, optional
        Needed for texts and words; also says what to pad with.
    model : nn.Module, optional
        Says which columns it takes, how many labels and how long a text.
    max_length : int, optional
        Longer texts are cut; by default at what tokenizer and model can take. A longer context of
        a question is read in windows of so many tokens, each an example of its own.
    text_columns : sequence of str, optional
        The column of the text, or the two of a pair. By default ``text``, or a pair of
        `PAIRS`, or the only column of strings; for question answering ``question`` and ``context``.
    read_labels : bool
        False leaves out the labels, whatever they are.
    need_labels : bool
        Whether it is an error that there are none.
    collator : callable, optional
        If it makes the labels, none are needed here.
    name : str
        How to call the data in an error message.

    Returns
    -------
    Examples
        The arrays. A word's tag stands at the first of its tokens; the others have none (-100).

    Raises
    ------
    ValueError
        If the data set is empty, lacks columns, or holds texts, labels or tokens that the model
        cannot take. The message says which, and what to do.
    TypeError
        If it is no data set.
    """
    columns = _columns(data, name)
    size = len(next(iter(columns.values()), []))
    if size == 0:
        raise ValueError(f"the {name} data set is empty: give at least one example")
    asks, passages = answers_questions(model), None
    words = not asks and "input_ids" not in columns and _are_words(columns, model, text_columns)
    candidates = (*TAG_NAMES, *LABEL_NAMES) if words else LABEL_NAMES
    label_column = next((label for label in candidates if label in columns), None)
    labels = columns.pop(label_column) if label_column else None
    if not read_labels or asks:
        labels = None
    if labels is not None and label_column is not None:
        _check_task(labels, label_column, model, name, checked=need_labels and collator is None)
        classes = getattr(getattr(data, "features", {}).get(label_column), "names", None)
        labels = _label_numbers(labels, label_column, model, classes, name)
    if "input_ids" not in columns:
        wanted = QUESTION if asks and text_columns is None else text_columns
        texts = [WORDS] if words else _text_columns(columns, wanted, name)
        if tokenizer is None:
            raise ValueError(
                f"the {name} data set holds text ({', '.join(texts)}): pass tokenizer=..., the one "
                "that was loaded with the model"
            )
        limit = max_length or _longest(tokenizer, model)
        cut = {"truncation": limit is not None, "max_length": limit}
        if asks:
            answers = columns.get(ANSWERS) if read_labels else None
            columns, passages = _windows(columns, texts, answers, tokenizer, limit, name)
        elif words:
            columns, labels = _tokens_of_words(
                _words(columns[WORDS], name), labels, tokenizer, cut, name
            )
        else:
            strings = [_strings(columns[text], text, name) for text in texts]
            columns = dict(tokenizer(*strings, **cut))
    else:
        columns = {key: list(values) for key, values in columns.items()}
        if max_length is not None:
            columns = {
                key: [row[:max_length] if np.ndim(row) else row for row in values]
                for key, values in columns.items()
            }
            if labels is not None:
                labels = [row[:max_length] if np.ndim(row) else row for row in labels]
    known = _accepted(model)
    if known is not None and collator is None:
        columns = {key: values for key, values in columns.items() if key in known}
    if asks and need_labels and collator is None and not set(POSITIONS) <= columns.keys():
        raise ValueError(
            f"the {name} data set has no answers: it needs a column {ANSWERS!r} of {FORM}, or "
            f"{' and '.join(POSITIONS)} beside its tokens; its columns are {_names(data)}"
        )
    if labels is None and need_labels and collator is None and not asks:
        if not is_causal(model):
            raise ValueError(
                f"the {name} data set has no labels: it needs a column "
                f"{' or '.join(map(repr, LABEL_NAMES[:2]))}, its columns are {_names(data)}; "
                "to train on masked words pass a collator that masks them"
            )
        labels = columns["input_ids"]  # a language model reads its labels off the text
    arrays = {key: _column(key, values, name) for key, values in columns.items()}
    if labels is not None:
        arrays["labels"] = _column("labels", labels, name)
    _check_values(arrays, label_column or "labels", model, name)
    offsets = arrays["input_ids"].offsets if "input_ids" in arrays else None
    lengths = np.ones(size, np.int64) if offsets is None else np.diff(offsets)
    if lengths.min() == 0:
        raise ValueError(f"example {int(lengths.argmin())} of the {name} data set has no tokens")
    _check_lengths(arrays, model, name)
    _check_positions(arrays, lengths, name)
    left = getattr(tokenizer, "padding_side", "right") == "left"
    bare = collator is None and offsets is not None and "attention_mask" not in arrays
    if bare and "attention_mask" in (known or ()):
        arrays["attention_mask"] = _mask(arrays["input_ids"], _pad_token(tokenizer, model), left)
    return Examples(
        arrays,
        lengths,
        _padding(tokenizer, model),
        left=left and not asks,  # where an answer starts is counted from the left
        # A RoBERTa finds the padding by itself, and counts otherwise.
        positions="position_ids" in (known or ()) and not _places_behind_padding(model),
        passages=passages,
    )


def check_classes(examples: Examples, model: nn.Module) -> None:
    """Refuse to train a classifier on one class only.

    Parameters
    ----------
    examples : Examples
        What it is to be trained on.
    model : nn.Module
        Any model; nothing happens unless it tells classes apart.

    Raises
    ------
    ValueError
        If all labels are one; the message says which.
    """
    labels = examples.columns.get("labels")
    if labels is None or not _has_classes(model) or labels.values.ndim > 1:
        return
    there = np.unique(labels.values[labels.values != IGNORED])
    if len(there) == 1:
        number = int(there[0])
        word = plain(model).config.id2label.get(number, number)
        raise ValueError(
            f"all labels of the train data set are {number} ({word}): a classifier learns nothing "
            "from one class. Give examples of two classes or more, such as by a shuffled sample "
            "instead of the first rows"
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
        for key, values in data.items():
            if isinstance(values, str) or not hasattr(values, "__len__"):
                raise ValueError(
                    f"column {key!r} of the {name} data set is {values!r}, one value: give a list "
                    "with one value an example"
                )
        sizes = {key: len(values) for key, values in data.items()}
        if len(set(sizes.values())) > 1:
            raise ValueError(
                f"the columns of the {name} data set have different lengths, {sizes}: give one "
                "value an example in each"
            )
        return dict(data)
    if isinstance(data, Sequence) and not isinstance(data, str):
        if len(data) and not isinstance(data[0], Mapping):
            raise TypeError(
                f"the {name} data is a list of {type(data[0]).__name__}: each example must be a "
                "dict, such as {'text': ..., 'label': ...}"
            )
        for row, example in enumerate(data):
            if example.keys() != data[0].keys():
                raise ValueError(
                    f"example {row} of the {name} data set has the columns {list(example)}, the "
                    f"first one {list(data[0])}: give the same to all"
                )
        return {key: [row[key] for row in data] for key in data[0]} if len(data) else {}
    raise TypeError(
        f"the {name} data is a {type(data).__name__}: give a datasets.Dataset, a list of dict, a "
        "dict of lists or a TensorDataset"
    )


def _is_text(values: Sequence[Any]) -> bool:
    return any(isinstance(value, str) for value in values)


def _are_words(
    columns: Mapping[str, Any], model: nn.Module | None, wanted: Sequence[str] | None
) -> bool:
    """Tell whether the texts come in words: for a tagger, and where there is no other text."""
    found = any(isinstance(row, Sequence | np.ndarray) for row in columns.get(WORDS, ()))
    if not found or isinstance(columns[WORDS][0], str) or wanted is not None:
        return False
    return is_kind(model, "TokenClassification") or not any(map(_is_text, columns.values()))


def _text_columns(columns: Mapping[str, Any], wanted: Sequence[str] | None, name: str) -> list[str]:
    if wanted is not None:
        wanted = [wanted] if isinstance(wanted, str) else list(wanted)
        missing = [column for column in wanted if column not in columns]
        if missing:
            raise ValueError(
                f"the {name} data set has no column {', '.join(missing)}: it has {list(columns)}"
            )
        if not 1 <= len(wanted) <= 2:
            raise ValueError(f"text_columns={wanted} must be one column, or the two of a pair")
        return wanted
    texts = [key for key, values in columns.items() if _is_text(values)]
    if "text" in texts:
        return ["text"]
    for pair in PAIRS:
        if set(pair) <= set(texts):
            return list(pair)
    if len(texts) == 1:
        return texts
    raise ValueError(
        f"the {name} data set must have one text column, or input_ids; its columns are "
        f"{list(columns)}, those with text {texts}: name the one to read with "
        "text_columns='...', or the two of a pair with text_columns=('...', '...')"
    )


def _strings(values: Sequence[Any], column: str, name: str) -> list[str]:
    for row, value in enumerate(values):
        if not isinstance(value, str):
            raise ValueError(
                f"row {row} of column {column!r} of the {name} data set holds {value!r}, no text: "
                "fill it in, or drop the row"
            )
    return list(values)


def _words(values: Sequence[Any], name: str) -> list[list[str]]:
    for row, words in enumerate(values):
        if words is None or isinstance(words, str) or not all(isinstance(w, str) for w in words):
            raise ValueError(
                f"row {row} of column {WORDS!r} of the {name} data set holds {words!r}, no list of "
                "words: fill it in, or drop the row"
            )
    return [list(words) for words in values]


def _windows(
    columns: Mapping[str, Any],
    texts: Sequence[str],
    answers: Sequence[Any] | None,
    tokenizer: PreTrainedTokenizerBase,
    limit: int | None,
    name: str,
) -> tuple[dict[str, Any], Passages]:
    """Tokenise questions together with the contexts that hold the answers."""
    if len(texts) != 2:
        raise ValueError(
            f"text_columns={texts} must name two columns, that of the question and that of the "
            "context"
        )
    questions, contexts = (_strings(columns[text], text, name) for text in texts)
    return cut_into_windows(questions, contexts, answers, tokenizer, limit, name)


def _tokens_of_words(
    words: list[list[str]],
    labels: Sequence[Any] | None,
    tokenizer: PreTrainedTokenizerBase,
    cut: Mapping[str, Any],
    name: str,
) -> tuple[dict[str, Any], Sequence[Any] | None]:
    """Tokenise texts that come in words, and give each word's tag to the first of its tokens."""
    if not tokenizer.is_fast:
        raise ValueError(
            f"{type(tokenizer).__name__} does not say which token belongs to which word: load a "
            "fast tokenizer, AutoTokenizer.from_pretrained(..., use_fast=True)"
        )
    tokens = tokenizer(words, is_split_into_words=True, **cut)
    if labels is None or not np.ndim(labels[0]):  # one label a text
        return dict(tokens), labels
    aligned = []
    for row, (text, tags) in enumerate(zip(words, labels, strict=True)):
        if len(text) != len(tags):
            raise ValueError(
                f"row {row} of the {name} data set has {len(text)} words and {len(tags)} tags: "
                "give each word one"
            )
        of_words = tokens.word_ids(row)
        first = [word != before for word, before in zip(of_words, [None, *of_words], strict=False)]
        aligned.append(
            [
                tags[word] if begins and word is not None else IGNORED
                for word, begins in zip(of_words, first, strict=True)
            ]
        )
    return dict(tokens), aligned


def _longest(tokenizer: PreTrainedTokenizerBase | None, model: nn.Module | None) -> int | None:
    """Say how many tokens both tokenizer and model take; None if neither has a limit."""
    limits = [getattr(tokenizer, "model_max_length", None), _positions(model)]
    known = [limit for limit in limits if limit is not None and 0 < limit < 1_000_000]
    return int(min(known)) if known else None


def _positions(model: nn.Module | None) -> int | None:
    """Say how many tokens a model takes; None if it has no limit."""
    model = plain(model)
    limit = getattr(getattr(model, "config", None), "max_position_embeddings", None)
    limit = limit and limit - _places_behind_padding(model)
    return limit if limit is not None and limit > 0 else None


def _places_behind_padding(model: nn.Module | None) -> int:
    """Say how many places a RoBERTa leaves out, which counts from behind the padding's own."""
    for name, module in [] if model is None else model.named_modules():
        if (
            name.endswith("position_embeddings")
            and getattr(module, "padding_idx", None) is not None
        ):
            return int(module.padding_idx) + 1
    return 0


def _check_lengths(arrays: Mapping[str, Column], model: nn.Module | None, name: str) -> None:
    limit = _positions(model)
    if limit is None:
        return
    for key in ("input_ids", "labels"):
        offsets = arrays[key].offsets if key in arrays else None
        sizes = np.zeros(1) if offsets is None else np.diff(offsets)
        if sizes.max() > limit:
            raise ValueError(
                f"example {int(sizes.argmax())} of the {name} data set has {int(sizes.max())} "
                f"{'tokens' if key == 'input_ids' else 'labels'}, the model takes {limit}: cut it "
                f"with max_length={limit}, or split it before"
            )


def _check_positions(arrays: Mapping[str, Column], lengths: NDArray[np.int64], name: str) -> None:
    """Refuse an answer outside of its tokens, cut off or never there: it would be left out."""
    for key in POSITIONS:
        values = arrays[key].values if key in arrays else np.zeros(1, np.int64)
        wrong = np.flatnonzero((values < 0) | (values >= lengths))
        if wrong.size:
            row = int(wrong[0])
            raise ValueError(
                f"example {row} of the {name} data set has {key} {values[row]} and {lengths[row]} "
                "tokens: count from 0, and give windows that hold the answer whole"
            )


def _check_task(
    labels: Sequence[Any], column: str, model: nn.Module | None, name: str, *, checked: bool
) -> None:
    """Refuse missing labels, and one label a text where the model predicts a token a place."""
    for row, label in enumerate(labels):
        if label is None:
            raise ValueError(
                f"row {row} of column {column!r} of the {name} data set holds NoneType, no label: "
                "fill it in, or drop the row"
            )
    single = isinstance(labels[0], str) or np.ndim(labels[0]) == 0
    encoder_decoder = getattr(getattr(plain(model), "config", None), "is_encoder_decoder", False)
    answers = any("Classification" in kind or "Answering" in kind for kind in kinds(model))
    writes = is_causal(model) or is_kind(model, "MaskedLM") or (encoder_decoder and not answers)
    if checked and single and writes:
        raise ValueError(
            f"column {column!r} of the {name} data set holds one label a text ({labels[0]!r}), but "
            f"{type(plain(model)).__name__} predicts tokens: to learn the labels load a classifier "
            f"(task='classification'); to learn the texts drop the column {column!r}"
        )


def _label_numbers(
    labels: Sequence[Any],
    column: str,
    model: nn.Module | None,
    classes: Sequence[str] | None,
    name: str,
) -> Sequence[Any]:
    """Turn words into the model's numbers, and whole numbers of a regression into decimal ones."""
    config = getattr(plain(model), "config", None)
    if _is_regression(model):
        if classes:
            raise ValueError(
                f"column {column!r} of the {name} data set holds classes ({', '.join(classes)}), "
                "the model has one output and would learn their numbers as a regression: load it "
                "with labels=<the data set>"
            )
        if not isinstance(labels[0], str):
            return [np.asarray(label, np.float32) for label in labels]
    if getattr(config, "problem_type", None) == "multi_label_classification":
        return [np.asarray(label, np.float32) for label in labels]
    nested = np.ndim(labels[0]) > 0
    flat = [label for row in labels for label in row] if nested else labels
    if not any(isinstance(label, str) for label in flat):
        return labels
    number = getattr(config, "label2id", None) or {}
    unknown = sorted({label for label in map(str, flat) if label not in number})
    if unknown:
        raise ValueError(
            f"the {name} data set has the labels {unknown[:5]}, the model knows "
            f"{list(number)[:10]}: load the model with labels=[...] in the data set's own words"
        )
    return [[number[label] for label in row] if nested else number[row] for row in labels]


def _has_classes(model: nn.Module | None) -> bool:
    """Tell whether a model tells apart classes: no regression, not several labels a text."""
    problem = getattr(getattr(plain(model), "config", None), "problem_type", None)
    classifies = is_kind(model, "SequenceClassification") or is_kind(model, "TokenClassification")
    return classifies and not _is_regression(model) and problem != "multi_label_classification"


def _is_regression(model: nn.Module | None) -> bool:
    config = getattr(plain(model), "config", None)
    problem = getattr(config, "problem_type", None)
    one_output = is_kind(model, "SequenceClassification") and getattr(config, "num_labels", 0) == 1
    return problem == "regression" or (problem is None and one_output)


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


def _check_values(
    arrays: Mapping[str, Column], label_column: str, model: nn.Module | None, name: str
) -> None:
    config = getattr(plain(model), "config", None)
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
    wrong = np.flatnonzero(~np.isfinite(values.reshape(len(values), -1)).all(axis=1))
    if wrong.size:
        raise ValueError(
            f"the label in row {_row(labels, wrong[0])} of column {label_column!r} of the {name} "
            f"data set is {values[wrong[0]]}: fill it in, or drop the row"
        )
    if not _has_classes(model):
        return
    classes = config.num_labels
    if np.issubdtype(values.dtype, np.floating):
        if labels.offsets is None and values.ndim == 1:
            raise ValueError(
                f"labels of the {name} data set are decimal numbers ({values[0]}): a model "
                f"with {classes} labels needs whole ones; for a regression load it "
                "with labels=1, problem_type='regression'"
            )
        return
    ignored = (values == IGNORED) & (labels.offsets is not None)
    wrong = np.flatnonzero(((values < 0) | (values >= classes)) & ~ignored)
    if wrong.size:
        value = int(values[wrong[0]])
        advice = f"load it with num_labels={int(values.max()) + 1}" if value > 0 else "count from 0"
        raise ValueError(
            f"label {value} in row {_row(labels, wrong[0])} of column {label_column!r} of the "
            f"{name} data set: the model has {classes} labels, 0 to {classes - 1}; {advice} or "
            "drop the row"
        )
    if is_kind(model, "TokenClassification"):
        if not _same_offsets(labels, arrays["input_ids"]):
            raise ValueError(
                f"labels and input_ids of the {name} data set differ in length: give each token "
                "one label, -100 for those that have none"
            )
    elif labels.offsets is not None:
        raise ValueError(
            f"column {label_column!r} of the {name} data set holds a list of labels a text: give "
            "one, or load the model with problem_type='multi_label_classification'"
        )


def _row(column: Column, index: int) -> int:
    """Say to which example a value belongs."""
    if column.offsets is None:
        return int(index)
    return int(np.searchsorted(column.offsets, index, side="right")) - 1


def _same_offsets(one: Column, other: Column) -> bool:
    if one.offsets is None or other.offsets is None:
        return one.offsets is other.offsets
    return np.array_equal(one.offsets, other.offsets)


def _mask(ids: Column, pad: int | None, left: bool) -> Column:
    """Mark the tokens of rows that come without a mask: all but what they are filled up with."""
    assert ids.offsets is not None
    mask = np.ones(len(ids.values), np.int64)
    for start, end in itertools.pairwise(ids.offsets):
        tokens = start + np.flatnonzero(ids.values[start:end] != pad)
        if len(tokens):
            mask[slice(start, tokens[0]) if left else slice(tokens[-1] + 1, end)] = 0
    return Column(mask, ids.offsets)


def _pad_token(tokenizer: PreTrainedTokenizerBase | None, model: nn.Module | None) -> int | None:
    pad: int | None = getattr(tokenizer, "pad_token_id", None)
    if pad is None:
        pad = getattr(getattr(plain(model), "config", None), "pad_token_id", None)
    return pad


def _padding(tokenizer: PreTrainedTokenizerBase | None, model: nn.Module | None) -> dict[str, int]:
    pad = _pad_token(tokenizer, model) or 0
    return {
        "input_ids": pad,
        "token_type_ids": getattr(tokenizer, "pad_token_type_id", 0) or 0,
        "labels": IGNORED,
        "decoder_input_ids": pad,
        "special_tokens_mask": 1,
    }
