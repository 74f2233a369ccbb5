"""What settles the computed entries of chapter 15."""

import contextlib
import inspect
import io
import math
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any, Literal

IGNORED = -100


def _tokenizer(add_prefix_space: bool) -> Any:  # noqa: ANN401 (a transformers tokenizer)
    """A byte-level tokenizer of RoBERTa's class that knows a few pieces of "Ada Lovelace"."""
    from transformers import RobertaTokenizer

    pieces = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *"ĠAdaLovelc"]
    vocab = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    for joined in ("Ad", "Ada", "ĠAda", "Lo", "ve", "Love", "ĠLove", "la", "ce", "lace"):
        vocab[joined] = len(vocab)
    merges: Any = [
        ("A", "d"),
        ("Ad", "a"),
        ("L", "o"),
        ("v", "e"),
        ("Lo", "ve"),
        ("l", "a"),
        ("c", "e"),
        ("la", "ce"),
        ("Ġ", "Ada"),
        ("Ġ", "Love"),
    ]
    return RobertaTokenizer(vocab=vocab, merges=merges, add_prefix_space=add_prefix_space)


def pieces_of_split_words(add_prefix_space: bool) -> list[str]:
    """Cut the words "Ada", "Lovelace", given one by one, into pieces."""
    encoding = _tokenizer(add_prefix_space)(["Ada", "Lovelace"], is_split_into_words=True)
    return list(encoding.tokens())


def labels_on_pieces(labels: Sequence[int], pieces: Literal["first", "all"] = "first") -> list[int]:
    """Give the labels of "Ada", "Lovelace" (0: begins, 1: begins, 2: goes on) to their pieces."""
    from tlhelpers.subjects.entities import align

    encoding = _tokenizer(True)(["Ada", "Lovelace"], is_split_into_words=True)
    return align(labels, encoding.word_ids(), ["B-ORG", "B-PER", "I-PER"], pieces)


def entities_read(tags: Sequence[str]) -> int:
    """Count the entities that seqeval reads off the labels of a sentence."""
    from seqeval.metrics.sequence_labeling import get_entities

    return len(get_entities(list(tags)))


def forbidden_pairs(types: Sequence[str]) -> dict[str, int]:
    """Count the pairs of labels that BIO forbids, and the labels that no sentence begins with."""
    from tlhelpers.subjects.entities import may_follow

    labels = bio_labels(types)
    pairs = [may_follow(after, before) for before in labels for after in labels]
    return {
        "neighbours": pairs.count(False),
        "all": len(pairs),
        "at the beginning": [may_follow(label) for label in labels].count(False),
    }


def loss_skips_ignored() -> bool:
    """Whether PyTorch's cross-entropy leaves out the positions labelled -100 by default."""
    import torch

    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, IGNORED, 2, IGNORED])
    whole = torch.nn.functional.cross_entropy(logits, labels)
    kept = torch.nn.functional.cross_entropy(logits[[0, 2]], labels[[0, 2]])
    return bool(torch.isclose(whole, kept))


def collator_pads_labels_with() -> int:
    """The label that the token-classification collator gives to padding."""
    from transformers import DataCollatorForTokenClassification

    return int(DataCollatorForTokenClassification(tokenizer=_tokenizer(True)).label_pad_token_id)


def collator_takes(argument: str) -> bool:
    """Whether the token-classification collator takes an argument of this name."""
    from transformers import DataCollatorForTokenClassification

    return argument in inspect.signature(DataCollatorForTokenClassification).parameters


def bio_labels(types: Sequence[str]) -> list[str]:
    """Write the labels of the BIO scheme: one begin and one inside a type, and one outside."""
    return ["O"] + [f"{prefix}-{kind}" for kind in types for prefix in "BI"]


def scripts_are_refused() -> bool:
    """Whether the datasets library says that it no longer runs a data set's own script."""
    import datasets.load

    return "Dataset scripts are no longer supported" in inspect.getsource(datasets.load)


def names_through_feature() -> list[str]:
    """Read class names of a list of labels the way the listing does."""
    from datasets import ClassLabel, Features, List

    names = ["O", "B-PER", "I-PER"]
    return list(Features({"ner_tags": List(ClassLabel(names=names))})["ner_tags"].feature.names)


def arguments_taken() -> dict[str, bool]:
    """Ask transformers which of four argument names it takes."""
    from transformers import Trainer, TrainingArguments

    settings = inspect.signature(TrainingArguments).parameters
    trainer = inspect.signature(Trainer.__init__).parameters
    return {
        "evaluation_strategy": "evaluation_strategy" in settings,
        "eval_strategy": "eval_strategy" in settings,
        "tokenizer": "tokenizer" in trainer,
        "processing_class": "processing_class" in trainer,
    }


def default_arguments() -> dict[str, str | bool]:
    """Settings that the listing leaves out: when to save, and whether to keep the best."""
    from transformers import TrainingArguments

    with tempfile.TemporaryDirectory() as folder:
        settings = TrainingArguments(output_dir=folder, use_cpu=True)
    return {
        "save_strategy": str(getattr(settings.save_strategy, "value", settings.save_strategy)),
        "load_best_model_at_end": bool(settings.load_best_model_at_end),
    }


def metrics_without_a_metrics_function() -> bool:
    """Whether a Trainer without compute_metrics reports an F1."""
    import torch
    from transformers import (
        AutoModelForTokenClassification,
        BertConfig,
        Trainer,
        TrainingArguments,
    )

    config = BertConfig(
        vocab_size=20,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
    )
    config.num_labels = 3
    rows: Any = [{"input_ids": torch.tensor([1, 2, 3]), "labels": torch.tensor([0, 1, 2])}]
    with tempfile.TemporaryDirectory() as folder:
        settings = TrainingArguments(
            output_dir=folder, use_cpu=True, report_to=[], disable_tqdm=True
        )
        model = AutoModelForTokenClassification.from_config(config)
        with contextlib.redirect_stdout(io.StringIO()):  # its report is printed too
            found = Trainer(model=model, args=settings, eval_dataset=rows).evaluate()
    return any("f1" in name for name in found)


def training_steps(rows: int, batch: int, epochs: int) -> int:
    """Count the optimiser's steps."""
    return math.ceil(rows / batch) * epochs


def f1(precision: float, recall: float) -> float:
    """Harmonic mean, rounded to the three decimals of a report."""
    return round(2 * precision * recall / (precision + recall), 3)


# Precision and recall of each row of the printed report.
REPORT = {
    "PER": (0.965, 0.963),
    "ORG": (0.901, 0.895),
    "LOC": (0.939, 0.942),
    "MISC": (0.831, 0.827),
}


def report_rows() -> dict[str, float]:
    """F1 of each row of the printed report, from its precision and recall."""
    return {kind: f1(*row) for kind, row in REPORT.items()}


def overall_f1(entities: Mapping[str, int]) -> float:
    """F1 over all entities that the rows of the printed report give for so many of each type."""
    right = {kind: REPORT[kind][1] * number for kind, number in entities.items()}
    guessed = sum(right[kind] / REPORT[kind][0] for kind in entities)
    return round(2 * sum(right.values()) / (guessed + sum(entities.values())), 4)


def macro_f1(values: Sequence[float]) -> float:
    """Plain mean over the types."""
    return sum(values) / len(values)


def entity_f1(truth: Sequence[str], guess: Sequence[str], strict: bool) -> float:
    """F1 of one tagged sentence by seqeval: as the CoNLL scorer counts, or strictly in BIO."""
    from seqeval.metrics import f1_score
    from seqeval.scheme import IOB2

    settings: dict[str, Any] = {"mode": "strict", "scheme": IOB2} if strict else {}
    return float(f1_score([list(truth)], [list(guess)], zero_division=0, **settings))
