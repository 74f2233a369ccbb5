"""Load every role of the full profile and train it for a step; print what happened as JSON.

Run by the tests in a process of its own, because the libraries read their environment only when
they are imported: ``python -m tests.miniature.exercise``.
"""

import json
import socket
import sys
import traceback
from typing import Any

import torch

import tlhelpers as tl
from tests.miniature.checkpoints import EXCEPTIONS
from tlhelpers.corpora.by_role import COLUMNS
from tlhelpers.pretrained.models import count_parameters
from tlhelpers.pretrained.published import configuration
from tlhelpers.roles import DATASETS, MODELS

DECODERS = ("gpt2", "llama", "mistral")
SENTENCES = ["A warm and funny film.", "The plot is weak, and the ending makes no sense."]


def _no_network(*arguments: object, **keywords: object) -> None:
    raise AssertionError("the miniature reached for the network")


def tasks_of(model_type: str, encoder_decoder: bool) -> list[str | None]:
    """Return the tasks that the book gives to such a model."""
    if encoder_decoder:
        return [None, "seq2seq"]
    if model_type in DECODERS:
        return [None, "causal", "classification", "tokens"]
    return [None, "classification", "tokens", "question-answering", "mlm"]


def one_step(role: str, task: str | None) -> dict[str, Any]:
    """Load, run forward and backward, and report."""
    labels = ["O", "B", "I"] if task in ("classification", "tokens") else None
    model, tokenizer = tl.load(role, task=task, labels=labels, quiet=True)
    batch = tokenizer(SENTENCES, padding=True, truncation=True, max_length=64, return_tensors="pt")
    if task == "classification":
        batch["labels"] = torch.tensor([0, 2])
    elif task == "tokens":
        batch["labels"] = torch.ones_like(batch["input_ids"])
    elif task == "question-answering":
        batch["start_positions"] = batch["end_positions"] = torch.tensor([1, 2])
    elif task in ("mlm", "causal", "seq2seq"):
        batch["labels"] = batch["input_ids"].clone()
    model.train()
    if task is None:
        if model.config.is_encoder_decoder:
            batch["decoder_input_ids"] = batch["input_ids"]
        loss = model(**batch)[0].square().mean()
    else:
        loss = model(**batch).loss
    loss.backward()
    gradients = [p.grad.abs().sum().item() for p in model.parameters() if p.grad is not None]
    return {
        "class": type(model).__name__,
        "parameters": count_parameters(model),
        "dtype": str(model.dtype),
        "loss": loss.item(),
        "gradient": sum(gradients),
        "classes": list(model.config.id2label.values()) if labels else None,
        "padding": tokenizer.pad_token,
        "fast": tokenizer.is_fast,
        "vocabulary": [len(tokenizer), model.get_input_embeddings().num_embeddings],
    }


def models() -> dict[str, Any]:
    """Exercise every model role with every task it is for."""
    report: dict[str, Any] = {}
    seen: set[str] = set()
    # Checkpoints without their architecture's usual heads come last, so that none stands for it.
    for role, entry in sorted(MODELS.items(), key=lambda each: each[1]["full"].hub in EXCEPTIONS):
        config = configuration(entry["full"].hub)
        tasks = tasks_of(config.model_type, config.is_encoder_decoder)
        # Every task once for each architecture; then the plain model and one head.
        tasks = tasks[:2] if config.model_type in seen else tasks
        seen.add(config.model_type)
        for task in tasks:
            try:
                report[f"{role} {task}"] = one_step(role, task)
            except Exception as error:
                report[f"{role} {task}"] = {
                    "error": f"{type(error).__name__}: {error}",
                    "traceback": traceback.format_exc(),
                }
    return report


def data_sets() -> dict[str, Any]:
    """Load every data set role, in its last language too."""
    report: dict[str, Any] = {}
    for role, entry in DATASETS.items():
        if "full" not in entry:
            continue
        for language in {None, *entry["full"].languages[-1:]}:
            splits = tl.data(role, language=language, quiet=True)
            train = splits["train"]
            kind = entry["full"].kind
            classes = train.features.get("label", train.features.get("tags"))
            classes = getattr(classes, "feature", classes)
            report[f"{role} {language or ''}".strip()] = {
                "sizes": {name: len(split) for name, split in splits.items()},
                "columns_missing": sorted(set(COLUMNS[kind]) - set(train.column_names)),
                "classes": getattr(classes, "names", None),
                "first": {name: str(value)[:60] for name, value in train[0].items()},
                "description": train.info.description,
            }
    return report


if __name__ == "__main__":
    socket.socket.connect = _no_network  # type: ignore[method-assign, assignment]
    tl.profiles.start("auto")
    result = {"models": models(), "datasets": data_sets()}
    print("REPORT " + json.dumps(result))
    sys.exit(0)
