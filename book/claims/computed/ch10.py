"""What settles the computed entries of chapter 10."""

from __future__ import annotations

import math
from typing import Any


def first_labels(rows: int) -> list[int]:
    """Labels of the first rows of a split of IMDB, by 10-imdb-begins-with-negatives: all 0."""
    return [0] * rows


def best_binary_f1_on_first_rows(rows: int) -> float:
    """Return the best F1 for label 1 where the first rows hold none of it.

    Predicting no positive is perfect there, and its F1 is 0 over 0, which scikit-learn counts as 0;
    any positive prediction is wrong, so its F1 is 0 as well.
    """
    from sklearn.metrics import f1_score

    labels = first_labels(rows)
    return float(f1_score(labels, labels, average="binary", zero_division=0.0))


def accuracy_on_first_rows(train: int, test: int) -> float:
    """Fit scikit-learn's decision tree to the first rows, and score it on the first test rows."""
    from sklearn.tree import DecisionTreeClassifier

    texts = [[float(i)] for i in range(train + test)]
    tree = DecisionTreeClassifier(random_state=0).fit(texts[:train], first_labels(train))
    return float(tree.score(texts[train:], first_labels(test)))


def error_of_logistic_regression_on_first_rows(rows: int) -> str:
    """Name the error that scikit-learn raises when the first rows are all it gets to fit."""
    from sklearn.linear_model import LogisticRegression

    try:
        LogisticRegression().fit([[float(i)] for i in range(rows)], first_labels(rows))
    except ValueError as error:
        return type(error).__name__
    return ""


def rows_mapped(splits: dict[str, int]) -> int:
    """Count the rows that mapping a dictionary of splits of these sizes goes through."""
    from datasets import Dataset, DatasetDict, disable_progress_bars, enable_progress_bars

    seen = []

    def count(batch: dict[str, list[int]]) -> dict[str, list[int]]:
        seen.append(len(batch["row"]))
        return batch

    whole = DatasetDict(
        {name: Dataset.from_dict({"row": range(size)}) for name, size in splits.items()}
    )
    disable_progress_bars()
    whole.map(count, batched=True, load_from_cache_file=False)
    enable_progress_bars()
    return sum(seen)


def possible_accuracies(printed: list[float], rows: int) -> list[float]:
    """Give, for each printed accuracy, the nearest share of so many rows."""
    return [round(accuracy * rows) / rows for accuracy in printed]


def nearest_f1(accuracy: float, f1: float, rows: int) -> list[float]:
    """Return the F1 scores, to 4 decimals, around a printed one that this accuracy allows.

    With E errors, F1 = 2 TP / (2 TP + E): the accuracy fixes E, so F1 takes one value for each
    whole number of true positives TP. The list has one value if the printed F1 is among them.
    """
    errors = rows - round(accuracy * rows)
    possible = sorted({round(2 * tp / (2 * tp + errors), 4) for tp in range(1, rows - errors + 1)})
    if round(f1, 4) in possible:
        return [round(f1, 4)]
    return [max(p for p in possible if p < f1), min(p for p in possible if p > f1)]


def wilson_percent(right: int, rows: int) -> list[float]:
    """Return the 95 % Wilson interval of an accuracy, in percent with one decimal."""
    from tlhelpers.metrics import wilson

    interval = wilson(right, rows)
    return [round(100 * interval.low, 1), round(100 * interval.high, 1)]


def optimism_of_best_of(checkpoints: int, rows: int, accuracy: float) -> float:
    """Return by how many points the best of several equally good checkpoints flatters itself.

    Exact expectation of the largest of independent binomial counts. Checkpoints of one run are not
    independent, so this is an upper bound for them.
    """
    from scipy.stats import binom

    below = binom.cdf(range(rows), rows, accuracy) ** checkpoints
    expected_largest = rows - float(below.sum())
    return round(100 * (expected_largest / rows - accuracy), 2)


def accepted_by(function: str, argument: str) -> bool:
    """Say whether a function of the installed transformers (e.g. Trainer) takes this argument."""
    import inspect

    import transformers

    return argument in inspect.signature(getattr(transformers, function).__init__).parameters


def precisions_of_a_training_step() -> dict[str, str]:
    """Train a layer for one step with bf16=True: the types of its weights and of its products."""
    import contextlib
    import io
    import tempfile

    import torch
    from transformers import Trainer, TrainingArguments

    class Layer(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = torch.nn.Linear(4, 2)
            self.seen = ""

        def forward(self, x: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
            products = self.linear(x)
            self.seen = str(products.dtype)
            return {"loss": torch.nn.functional.cross_entropy(products.float(), labels)}

    rows: Any = [{"x": torch.ones(4), "labels": torch.tensor(0)}]
    layer = Layer()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        settings = TrainingArguments(
            output_dir=folder,
            use_cpu=True,
            bf16=True,
            max_steps=1,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
        )
        Trainer(model=layer, args=settings, train_dataset=rows).train()
    types = {"weights": str(layer.linear.weight.dtype), "products": layer.seen}
    return {name: kind.removeprefix("torch.") for name, kind in types.items()}


def error_of_the_training_arguments() -> str:
    """Hand TrainingArguments what the listing hands it: the name of the error, or nothing."""
    import tempfile

    from transformers import TrainingArguments

    given: dict[str, Any] = {
        "evaluation_strategy": "epoch",
        "save_strategy": "epoch",
        "learning_rate": 2e-5,
        "num_train_epochs": 3,
        "weight_decay": 0.01,
        "warmup_ratio": 0.1,
        "seed": 42,
    }
    with tempfile.TemporaryDirectory() as folder:
        try:
            TrainingArguments(output_dir=folder, use_cpu=True, **given)
        except TypeError as error:
            return type(error).__name__
    return ""


def default_optimizer() -> str:
    """Return the optimiser that TrainingArguments uses if none is named."""
    import dataclasses

    from transformers import TrainingArguments

    fields = {field.name: field.default for field in dataclasses.fields(TrainingArguments)}
    return "AdamW" if str(fields["optim"]).startswith("adamw") else str(fields["optim"])


def optimizer_steps(rows: int, batch: int, epochs: int) -> int:
    """Count optimiser steps without gradient accumulation on one device."""
    return math.ceil(rows / batch) * epochs


def warmup_steps(rows: int, batch: int, epochs: int, share: float) -> int:
    """Ask transformers how many warm-up steps it makes of a share of all steps."""
    import tempfile

    from transformers import TrainingArguments

    with tempfile.TemporaryDirectory() as folder:
        settings = TrainingArguments(output_dir=folder, use_cpu=True, warmup_steps=share)
    return int(settings.get_warmup_steps(optimizer_steps(rows, batch, epochs)))


def missing_after(packages: list[str], imported: list[str]) -> list[str]:
    """Name what a listing imports and installing these packages does not bring along."""
    return [wanted for wanted in imported if not installed_by(packages, wanted)]


def installed_by(packages: list[str], wanted: str) -> bool:
    """Say whether installing the packages, without extras, brings along the wanted one."""
    from importlib.metadata import PackageNotFoundError, requires

    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    seen: set[str] = set()
    waiting = [canonicalize_name(name) for name in packages]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        try:
            lines = requires(name) or []
        except PackageNotFoundError:  # needed on another platform only
            continue
        for line in lines:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(canonicalize_name(requirement.name))
    return canonicalize_name(wanted) in seen


def new_heads_are_equal(seed_first: bool) -> bool:
    """Build a classifier twice, as a script run twice does, and compare the two new heads.

    Only the model's size is miniature. ``seed_first`` sets the seed before the model is made;
    the seed of TrainingArguments comes too late for that.
    """
    import torch
    from transformers import BertConfig, BertForSequenceClassification, set_seed

    config = BertConfig(
        vocab_size=11,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=8,
        max_position_embeddings=8,
    )
    heads = []
    with torch.random.fork_rng(devices=[]):
        for run in range(2):
            torch.manual_seed(1000 + run)  # whatever state a fresh process happens to be in
            if seed_first:
                set_seed(42)
            heads.append(BertForSequenceClassification(config).classifier.weight.detach())
    return bool(torch.equal(*heads))


def padded_shapes(lengths: list[int]) -> list[int]:
    """Return the shape of a batch that DataCollatorWithPadding makes of texts of these lengths."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformers import DataCollatorWithPadding, PreTrainedTokenizerFast

    words = Tokenizer(WordLevel({"[PAD]": 0, "a": 1}, unk_token="a"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, pad_token="[PAD]")
    rows = [{"input_ids": [1] * n, "attention_mask": [1] * n, "label": 0} for n in lengths]
    batch = DataCollatorWithPadding(tokenizer=tokenizer)(rows)
    return list(batch["input_ids"].shape) if "labels" in batch else []


def training_minutes(
    rows: int, tokens: int, epochs: int, peak_teraflops: float, utilisation: float
) -> float:
    """Return the minutes that the arithmetic of full fine-tuning takes BERT-base on one card.

    Six operations a parameter and token (Kaplan et al. 2020, section 2.1), counted with the
    parameters that are not embeddings, every text at full length.
    """
    from tlhelpers.pretrained.models import meta_model

    layers: Any = meta_model("google-bert/bert-base-uncased").encoder
    parameters = sum(p.numel() for p in layers.parameters())
    rate = peak_teraflops * 1e12 * utilisation
    return 6 * parameters * rows * tokens * epochs / rate / 60
