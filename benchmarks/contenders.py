"""What is measured: the workloads, and what each contender does with them.

All compute in fp32, with the same weights, examples, cut, batch size, rate, schedule and clipping,
and each in a process of its own. Timed are the call that trains and the call that evaluates, or the
call that embeds, on a model and on texts that are there already.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any, NamedTuple

import numpy as np
import torch
from datasets import Dataset
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
from torch import nn
from torch.utils.data import DataLoader
from transformers import (
    DataCollatorForTokenClassification,
    DataCollatorWithPadding,
    PreTrainedTokenizerBase,
    PrinterCallback,
    Trainer,
    TrainingArguments,
    get_scheduler,
)

import tlhelpers as tl
from benchmarks.workloads import WORKLOADS, Embedding, Training
from tlhelpers.device import memory
from tlhelpers.metrics import IGNORED
from tlhelpers.training.encoding import encode

RATE, DECAY = 2e-4, 0.01
EVAL_BATCH = 64


class Seconds(NamedTuple):
    """How long something took: on the clock, and of all processors together."""

    wall: float
    processor: float


@dataclass
class Given:
    """What a contender gets."""

    workload: Training
    model: Any
    tokenizer: PreTrainedTokenizerBase
    train: Dataset
    held_out: Dataset
    seed: int


def measure(name: str, contender: str, seed: int, threads: int) -> dict[str, float]:
    """Let one contender do one workload, in this process.

    Parameters
    ----------
    name, contender : str
        A key of `WORKLOADS`, and its ``ours`` or one of its ``baselines``.
    seed : int
        Draws the examples, their order, the head's weights and the dropout.
    threads : int
        For PyTorch.

    Returns
    -------
    dict
        Seconds (``wall``, ``processor``), examples, ``share_of_peak`` by both, and memory. After
        training also ``evaluation_wall`` and ``evaluation_processor``, after more than one epoch
        ``accuracy``.
    """
    torch.set_num_threads(threads)
    workload = WORKLOADS[name]
    peak = matrix_product_peak()
    examples = workload.examples
    if isinstance(workload, Embedding):
        measured, operations = _embed(workload, contender, seed)
    else:
        given = _prepare(workload, seed)
        trained, evaluated, accuracy = TRAINED_BY[contender](given)
        once = forward_operations(given.model, given.train["input_ids"])
        operations = 3 * workload.epochs * once
        examples *= workload.epochs
        measured = _named(trained) | {
            "evaluation_wall": evaluated.wall,
            "evaluation_processor": evaluated.processor,
            "held_out": workload.held_out,
        }
        if workload.epochs > 1:
            measured["accuracy"] = accuracy
    return measured | {
        "examples": examples,
        "share_of_peak_wall": operations / measured["wall"] / peak.wall,
        "share_of_peak_processor": operations / measured["processor"] / peak.processor,
        "peak_gflops": peak.wall / 1e9,
        "memory_gb": memory(torch.device("cpu")).value / 1e9,
    }


def timed(call: Callable[..., Any], *arguments: Any, **named: Any) -> tuple[Any, Seconds]:  # noqa: ANN401
    """Call something; return what it returns and how long it took."""
    wall, processor = time.perf_counter(), time.process_time()
    returned = call(*arguments, **named)
    return returned, Seconds(time.perf_counter() - wall, time.process_time() - processor)


def _named(seconds: Seconds) -> dict[str, float]:
    return {"wall": seconds.wall, "processor": seconds.processor}


def forward_operations(model: Any, texts: list[list[int]]) -> float:  # noqa: ANN401
    """Count what a model's layers multiply and add: Kaplan and others 2020, arXiv:2001.08361.

    Padding, and what `fit` leaves out of a last layer, do not change the count: it is work
    delivered, not work done.
    """
    lengths = np.array([len(ids) for ids in texts], float)
    config, layers = model.config, model.base_model.encoder
    weights = sum(p.numel() for p in layers.parameters())
    attention = 4 * config.num_hidden_layers * config.hidden_size * (lengths**2).sum()
    return float(2 * weights * lengths.sum() + attention)


def matrix_product_peak(size: int = 2048, times: int = 5) -> Seconds:
    """Give the most operations a second that a large product reaches, by either clock."""
    a, b = torch.randn(size, size), torch.randn(size, size)
    runs = [timed(torch.matmul, a, b)[1] for _ in range(times)]
    return Seconds(*(2 * size**3 / min(column) for column in zip(*runs, strict=True)))


def _prepare(workload: Training, seed: int) -> Given:
    splits = tl.data(workload.role, profile="tiny", quiet=True)
    model, tokenizer = tl.load(
        "encoder",
        task="tokens" if workload.tokens else "classification",
        labels=tl.label_names(splits, "tags" if workload.tokens else "label"),
        profile="tiny",
        seed=seed,
        quiet=True,
    )

    def encoded(split: str, rows: int, seed: int) -> Dataset:
        chosen = splits[split].shuffle(seed=seed).select(range(rows))
        examples = encode(chosen, tokenizer, model, max_length=workload.max_length)
        return Dataset.from_dict(
            {
                column: [values[row].tolist() for row in range(rows)]
                for column, values in examples.columns.items()
            }
        )

    train = encoded("train", workload.examples, seed)
    held_out = encoded("test", workload.held_out, 0)
    return Given(workload, model, tokenizer, train, held_out, seed)


# --------------------------------------------------------------------------------------------
# Training: each returns the seconds of training, those of evaluation, and the accuracy
# --------------------------------------------------------------------------------------------


def _by_fit(given: Given) -> tuple[Seconds, Seconds, float]:
    _, trained = timed(
        tl.fit,
        given.model,
        given.train,
        tokenizer=given.tokenizer,
        epochs=given.workload.epochs,
        learning_rate=RATE,
        batch_size=given.workload.batch_size,
        weight_decay=DECAY,
        warmup=0.0,
        precision="fp32",
        progress=False,
        seed=given.seed,
    )
    scores, evaluated = timed(
        tl.evaluate, given.model, given.held_out, given.tokenizer, precision="fp32"
    )
    return trained, evaluated, scores["accuracy"]


def _by_trainer(given: Given, *, best: bool) -> tuple[Seconds, Seconds, float]:
    tuned = {
        "optim": "adamw_torch_fused",
        "train_sampling_strategy": "group_by_length",  # in the evaluation as well
        "per_device_eval_batch_size": EVAL_BATCH,
    }
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            num_train_epochs=given.workload.epochs,
            learning_rate=RATE,
            per_device_train_batch_size=given.workload.batch_size,
            weight_decay=DECAY,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=True,
            seed=given.seed,
            **(tuned if best else {}),
        )
        trainer = Trainer(
            given.model,
            arguments,
            train_dataset=given.train,
            eval_dataset=given.held_out,
            data_collator=_collator(given),
            compute_metrics=lambda found: {"accuracy": _accuracy(*found)},
        )
        trainer.remove_callback(PrinterCallback)
        _, trained = timed(trainer.train)
        scores, evaluated = timed(trainer.evaluate)
    return trained, evaluated, scores["eval_accuracy"]


def _by_plain_loop(given: Given) -> tuple[Seconds, Seconds, float]:
    """Train as one does without any helper: no bucketing, no fused step."""

    def train(model: nn.Module) -> None:
        batches = DataLoader(
            given.train,
            batch_size=given.workload.batch_size,
            shuffle=True,
            collate_fn=_collator(given),
        )
        optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=DECAY)
        schedule = get_scheduler("linear", optimizer, 0, given.workload.epochs * len(batches))
        model.train()
        for batch in chain.from_iterable(repeat(batches, given.workload.epochs)):
            model(**batch).loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()

    @torch.no_grad()
    def evaluate(model: nn.Module) -> float:
        model.eval()
        batches = DataLoader(given.held_out, batch_size=EVAL_BATCH, collate_fn=_collator(given))
        logits = torch.cat([model(**batch).logits for batch in batches])
        return _accuracy(logits.numpy(), np.array(given.held_out["labels"]))

    torch.manual_seed(given.seed)
    _, trained = timed(train, given.model)
    accuracy, evaluated = timed(evaluate, given.model)
    return trained, evaluated, accuracy


def _collator(given: Given) -> Any:  # noqa: ANN401
    if given.workload.tokens:
        return DataCollatorForTokenClassification(given.tokenizer)
    return DataCollatorWithPadding(given.tokenizer)


def _accuracy(logits: np.ndarray[Any, Any], labels: np.ndarray[Any, Any]) -> float:
    return float((logits.argmax(-1) == labels)[labels != IGNORED].mean())


TRAINED_BY: dict[str, Callable[[Given], tuple[Seconds, Seconds, float]]] = {
    "Trainer, defaults": lambda given: _by_trainer(given, best=False),
    "Trainer, best": lambda given: _by_trainer(given, best=True),
    "plain loop": _by_plain_loop,
    "fit": _by_fit,
}


# --------------------------------------------------------------------------------------------
# Embedding
# --------------------------------------------------------------------------------------------


def _embed(workload: Embedding, contender: str, seed: int) -> tuple[dict[str, float], float]:
    """Embed with either library; see that both found the same vectors.

    Raises
    ------
    AssertionError
        If they did not: then they were not asked for the same.
    """
    rows = tl.data(workload.role, profile="tiny", quiet=True)["train"].shuffle(seed=seed)
    texts = list(rows["text"][: workload.examples])
    model, tokenizer = tl.load("encoder", profile="tiny", quiet=True)
    cut = workload.max_length

    def embed(texts: list[str]) -> np.ndarray[Any, Any]:
        return tl.embed(model, tokenizer, texts, max_length=cut, progress=False)

    folder = str(tl.weights_folder("encoder", profile="tiny"))
    body = Transformer(folder, max_seq_length=cut)
    pooling = Pooling(body.get_embedding_dimension(), "mean")
    sentence_model = SentenceTransformer(modules=[body, pooling], device="cpu")
    calls = {"embed": embed, "encode": sentence_model.encode}
    some = texts[:16]
    np.testing.assert_allclose(embed(some), sentence_model.encode(some), atol=1e-5)
    _, seconds = timed(calls[contender], texts)
    ids = tokenizer(texts, truncation=True, max_length=cut)["input_ids"]
    return _named(seconds), forward_operations(model, ids)
