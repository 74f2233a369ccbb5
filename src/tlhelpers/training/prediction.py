"""What a model makes of data: evaluation and prediction, without gradients."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from accelerate.utils import set_seed
from accelerate.utils.memory import should_reduce_batch_size
from numpy.typing import NDArray
from torch import Tensor, distributed, nn

from tlhelpers import metrics
from tlhelpers.device import choose_precision
from tlhelpers.metrics import IGNORED
from tlhelpers.profiles import device_for
from tlhelpers.training import checkpoints
from tlhelpers.training.batching import (
    Batch,
    Collator,
    Examples,
    count_labels,
    is_causal,
    is_kind,
    length_order,
    plain,
)
from tlhelpers.training.encoding import Data, encode
from tlhelpers.training.unread_tokens import skip_unread_tokens

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# For questions: their answers, and the lists of right ones.
Metrics = Callable[[NDArray[Any], Any], Mapping[str, float]]
LossFunction = Callable[[Any, Batch], Tensor]


def evaluate(
    model: nn.Module,
    data: Data,
    tokenizer: PreTrainedTokenizerBase | None = None,
    metrics: Metrics | None = None,
    *,
    collator: Collator | None = None,
    loss_function: LossFunction | None = None,
    text_columns: Sequence[str] | None = None,
    batch_size: int = 64,
    max_length: int | None = None,
    device: str = "auto",
    precision: str = "auto",
    seed: int = 0,
) -> dict[str, float]:
    """Measure a model on labelled data.

    Parameters
    ----------
    model : nn.Module
        As for :func:`tlhelpers.training.fit.fit`, like the five that follow and `text_columns`.
    data : datasets.Dataset, list of dict, dict of lists or TensorDataset
        Examples with labels.
    tokenizer : PreTrainedTokenizer, optional
        Needed for texts.
    metrics : callable, optional
        Gives scores.
    collator : callable, optional
        Makes the batches; its labels count.
    loss_function : callable, optional
        Replaces the model's own loss.
    text_columns : sequence of str, optional
        Which columns to tokenise.
    batch_size : int
        Examples a pass.
    max_length : int, optional
        Tokens after which a text is cut.
    device, precision : str
        As in :class:`tlhelpers.training.settings.Settings`.
    seed : int
        For a collator that draws at random: the same draw each time.

    Returns
    -------
    dict
        ``loss``, and what ``metrics`` returns.

    Raises
    ------
    ValueError
        If the data set is empty, lacks labels or does not fit the model; or if ``metrics`` are
        asked of a model that predicts pieces of its vocabulary: its loss and perplexity are added
        up batch by batch, its logits are not kept.
    """
    examples = encode(
        data,
        tokenizer,
        model,
        max_length=max_length,
        text_columns=text_columns,
        need_labels=loss_function is None,
        collator=collator,
        name="evaluation",
    )
    where = device_for(model, device).value
    return evaluate_examples(
        model.to(where),
        examples,
        metrics=metrics,
        collator=collator,
        loss_function=loss_function,
        batch_size=batch_size,
        device=where,
        precision=choose_precision(where, precision).value,
        seed=seed,
    )


def predict(
    model: nn.Module,
    data: Data,
    tokenizer: PreTrainedTokenizerBase | None = None,
    *,
    text_columns: Sequence[str] | None = None,
    batch_size: int = 64,
    max_length: int | None = None,
    device: str = "auto",
    precision: str = "auto",
) -> NDArray[Any]:
    """Return a model's logits, or its answers to questions, in the order of the data.

    Memory that runs out halves the batches, as in training.

    Parameters
    ----------
    model : nn.Module
        As for :func:`evaluate`.
    data : datasets.Dataset, list of dict, dict of lists, TensorDataset, list of str or str
        Examples; their labels are not looked at. One string is one text.
    tokenizer, text_columns, batch_size, max_length, device, precision : optional
        As for :func:`evaluate`.

    Returns
    -------
    array of shape (N, C), (N, L, C) or (N,)
        Logits, one row an example; for token labels one a token, zeros behind the end of a text.
        For questions the text of each answer, at most 30 tokens of the context; empty if the model
        says that there is none. Questions that come as tokens have no text: logits of shape
        (N, L, 2), for each token those of an answer's start and end.

    Raises
    ------
    ValueError
        If the data set is empty or does not fit the model, or the model predicts pieces of its
        vocabulary: logits over it for every token of every text would fill the memory.
    """
    if isinstance(data, str):
        data = [data]
    if isinstance(data, Sequence) and len(data) and isinstance(data[0], str):
        data = {"text": data}
    examples = encode(
        data,
        tokenizer,
        model,
        max_length=max_length,
        text_columns=text_columns,
        read_labels=False,
        need_labels=False,
        name="prediction",
    )
    _refuse_a_vocabulary(model)
    where = device_for(model, device).value
    found = _infer(
        model.to(where), examples, batch_size, where, choose_precision(where, precision).value
    )
    rows = [
        (index, logits)
        for indices, _, outputs, _ in found
        for index, logits in zip(indices, _own_logits(outputs), strict=True)
    ]
    logits = _in_order(rows, len(examples), examples.lengths, left=examples.left)
    return logits if examples.passages is None else examples.passages.answers(logits)


def evaluate_examples(
    model: nn.Module,
    examples: Examples,
    *,
    metrics: Metrics | None,
    collator: Collator | None,
    loss_function: LossFunction | None,
    batch_size: int,
    device: torch.device,
    precision: torch.dtype,
    seed: int,
) -> dict[str, float]:
    """Do the work of :func:`evaluate` on data that is encoded already."""
    metrics = metrics if metrics is not None else _default_metrics(model, examples)
    passages = examples.passages
    known = collator is not None or "labels" in examples.columns
    wanted = metrics is not None and (known if passages is None else passages.gold is not None)
    total = torch.zeros(2, dtype=torch.float64)
    rows: list[tuple[int, Tensor]] = []
    made: list[tuple[int, Tensor]] = []  # labels that a collator made, or changed
    with _same_draws(collator, device, seed):
        for indices, batch, outputs, loss in _infer(
            model, examples, batch_size, device, precision, collator, loss_function
        ):
            loss = own_loss(outputs) if loss is None else loss
            count = count_labels(batch, model)
            if count:
                total += torch.tensor([float(loss) * count, count], dtype=torch.float64)
            if wanted:
                rows += zip(indices, _predicted(model, outputs), strict=True)
            if wanted and collator is not None and passages is None:
                made += zip(indices, _labels(batch), strict=True)
    if _world() > 1:
        total = total.to(device, torch.float32) if device.type == "mps" else total.to(device)
        distributed.all_reduce(total)
    mean = float(total[0] / total[1].clamp(min=1))
    scores = {"loss": mean}
    if wanted:
        assert metrics is not None
        pieces = IGNORED if predicts_pieces(model) else None
        predicted: NDArray[Any]
        truth: Any
        if passages is not None:
            predicted = passages.answers(_in_order(rows, len(examples), examples.lengths))
            truth = passages.gold
        elif collator is not None:
            predicted = _in_order(rows, len(examples), fill=pieces)
            truth = _in_order(made, len(examples), fill=IGNORED)
        else:
            labels = examples.columns["labels"]
            truth, sizes = labels.values, None
            if labels.offsets is not None:
                sizes = np.diff(labels.offsets)
                truth = np.full((len(examples), int(sizes.max())), IGNORED, np.int64)
                for index, size in enumerate(sizes):
                    truth[index, :size] = labels[index]
            predicted = _in_order(rows, len(examples), sizes, left=examples.left, fill=pieces)
        scores |= {name: float(value) for name, value in metrics(predicted, truth).items()}
    elif predicts_pieces(model) and not plain(model).config.is_encoder_decoder:
        scores["perplexity"] = math.exp(min(mean, 700.0))
    return scores


def predicts_pieces(model: nn.Module) -> bool:
    """Tell whether a model's logits range over its vocabulary."""
    name = type(plain(model)).__name__
    return is_causal(model) or name.endswith(("ForMaskedLM", "ForConditionalGeneration"))


def _predicted(model: nn.Module, outputs: Any) -> Tensor:  # noqa: ANN401 - any model's output
    """Give what metrics see: logits, or the pieces predicted, as all logits would not fit."""
    logits = _own_logits(outputs)
    return logits.argmax(-1).cpu() if predicts_pieces(model) else logits


def _refuse_a_vocabulary(model: nn.Module) -> None:
    if predicts_pieces(model):
        size = getattr(getattr(plain(model), "config", None), "vocab_size", "all")
        raise ValueError(
            f"{type(plain(model)).__name__} gives {size} logits a token, too many to keep for "
            "every text: take evaluate's loss, perplexity and metrics, or go through the texts in "
            "batches of your own and keep logits.argmax(-1)"
        )


def _infer(
    model: nn.Module,
    examples: Examples,
    batch_size: int,
    device: torch.device,
    precision: torch.dtype,
    collator: Collator | None = None,
    loss_function: LossFunction | None = None,
) -> Iterator[tuple[list[int], Batch, Any, Tensor | None]]:
    """Run this process's share of the examples through the model, longest first."""
    was_training = model.training
    model.eval()
    passes = 1  # a batch; more when memory does not last, for the rest of the data too
    try:
        for number, rows in enumerate(length_order(examples.lengths, batch_size)):
            if number % _world() != (distributed.get_rank() if _world() > 1 else 0):
                continue
            whole = examples.batch(rows, collator)
            waiting = np.array_split(np.arange(len(rows)), min(passes, len(rows)))
            while waiting:
                part = waiting[0]
                batch = {key: values[part] for key, values in whole.items()}
                try:
                    found = _forward(model, batch, device, precision, loss_function)
                except RuntimeError as error:
                    if not should_reduce_batch_size(error) or len(part) == 1:
                        raise
                    found = None
                if found is None:  # not in the except block: there, the error holds the memory
                    passes *= 2
                    waiting = [h for each in waiting for h in np.array_split(each, 2) if len(h)]
                    release_memory(device)
                    continue
                yield rows[part].tolist(), *found
                waiting.pop(0)
    finally:
        model.train(was_training)


def _forward(
    model: nn.Module,
    batch: Batch,
    device: torch.device,
    precision: torch.dtype,
    loss_function: LossFunction | None,
) -> tuple[Batch, Any, Tensor | None]:
    batch = {key: value.to(device) for key, value in batch.items()}
    with (
        torch.inference_mode(),
        torch.autocast(device.type, precision, enabled=precision != torch.float32),
        skip_unread_tokens(plain(model), enabled=loss_function is None),
    ):
        outputs = model(**batch)
        # Here, under the same autocast as in training: class weights meet 16-bit logits.
        loss = loss_function(outputs, batch) if loss_function else None
    return batch, outputs, loss


def release_memory(device: torch.device) -> None:
    """Give back what a pass that ran out of memory has left."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _in_order(
    rows: list[tuple[int, Tensor]],
    count: int,
    sizes: NDArray[np.int64] | None = None,
    *,
    left: bool = False,
    fill: int | None = None,
) -> NDArray[Any]:
    """Put rows that come longest first, from every process, back in the order of the data.

    Each row is of shape (C,) or (L, C), logits; or, with something to fill up with, of shape () or
    (L,), labels. What is of no use in a row of L places is cut off where sizes are known.
    """
    first = rows[0][1] if rows else torch.zeros(())
    per_token = first.ndim == (2 if fill is None else 1)
    width = max((len(row) for _, row in rows), default=0) if per_token else 0
    known = torch.tensor([first.shape[-1] if fill is None and rows else 0, int(per_token), width])
    if _world() > 1:  # a process without an example learns the shape from the others
        known = known.to(device_for().value)
        distributed.all_reduce(known, distributed.ReduceOp.MAX)
    classes, per_token, width = int(known[0]), bool(known[1]), int(known[2])
    if sizes is not None and per_token:
        width = int(sizes.max())
    shape = (count, *([width] if per_token else []), *([classes] if fill is None else []))
    start = fill if fill is not None and per_token else 0
    ordered = np.full(shape, start, np.float32 if fill is None else first.numpy().dtype)
    for index, row in rows:
        values = row.float().cpu().numpy() if fill is None else row.numpy()
        if per_token:
            size = len(values) if sizes is None else int(sizes[index])
            ordered[index, :size] = values[-size:] if left else values[:size]
        else:
            ordered[index] = values
    if _world() > 1:  # each process has filled in its own rows: less the filling, their sum has all
        gathered = torch.from_numpy(ordered - start).to(known.device)
        distributed.all_reduce(gathered)
        ordered = gathered.cpu().numpy() + start
    return ordered


def _labels(batch: Batch) -> Tensor:
    if "labels" not in batch:
        raise ValueError(
            f"metrics need labels, and the collator gave only {', '.join(batch)}: let it give "
            "labels, too, or leave metrics out"
        )
    return batch["labels"].cpu()


def _default_metrics(model: nn.Module, examples: Examples) -> Metrics | None:
    if examples.passages is not None:
        return metrics.answers
    labels = examples.columns.get("labels")
    if labels is None or not np.issubdtype(labels.values.dtype, np.integer):
        return None
    if is_kind(model, "SequenceClassification") and labels.offsets is None:
        return metrics.classification
    if is_kind(model, "TokenClassification"):
        names = [str(name) for name in plain(model).config.id2label.values()]
        named = all(name == "O" or name[:2] in ("B-", "I-") for name in names)
        return lambda logits, truth: metrics.tokens(logits, truth, names if named else None)
    return None


def own_loss(outputs: Any) -> Tensor:  # noqa: ANN401 - any model's output
    """Take the loss that a model computed itself."""
    loss = getattr(outputs, "loss", None)
    if loss is None:
        raise ValueError(
            "the model gave no loss: it is one without a head (load it for a task), or the batch "
            "has no labels; or pass loss_function=..."
        )
    assert isinstance(loss, Tensor)
    return loss


def _own_logits(outputs: Any) -> Tensor:  # noqa: ANN401 - any model's output
    if getattr(outputs, "start_logits", None) is not None:
        return torch.stack([outputs.start_logits, outputs.end_logits], dim=-1)  # (B, L, 2)
    logits = getattr(outputs, "logits", None)
    if logits is None:
        raise ValueError("the model gave no logits: load it with a head, for a task")
    assert isinstance(logits, Tensor)
    return logits


def _world() -> int:
    there = distributed.is_available() and distributed.is_initialized()
    return distributed.get_world_size() if there else 1


@contextmanager
def _same_draws(collator: Collator | None, device: torch.device, seed: int) -> Iterator[None]:
    """Let a collator mask the same words at each evaluation, without a trace in the training."""
    if collator is None:
        yield
        return
    state = checkpoints.random_state(device)
    set_seed(seed)
    try:
        yield
    finally:
        checkpoints.load_random_state(state, device)
