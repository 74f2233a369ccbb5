"""What settles the computed entries of chapter 18."""

from collections.abc import Sequence


def common_range(first: Sequence[float], second: Sequence[float]) -> list[float]:
    """Return what two ranges have in common, lowest and highest; empty if nothing."""
    low, high = max(first[0], second[0]), min(first[-1], second[-1])
    return [low, high] if low <= high else []


def fine_tuning_minutes(
    labels: int,
    epochs: int = 3,
    tokens: int = 256,
    peak_teraflops: float = 65.0,
    utilisation: float = 0.3,
) -> float:
    """Minutes that fine-tuning BERT-base takes on one GPU, start-up left out.

    6 operations a parameter and token (Kaplan et al. 2020, section 2.1), 109.5 million parameters;
    65 TFLOP/s is the 16-bit peak of a T4.
    """
    operations = labels * epochs * tokens * 6 * 109_482_240
    return operations / (peak_teraflops * 1e12 * utilisation) / 60


def fine_tuning_dollars(labels: int, dollars_an_hour: float) -> float:
    """Price of that run, to the cent."""
    return round(fine_tuning_minutes(labels) / 60 * dollars_an_hour, 2)


def refused_arguments() -> list[str]:
    """Name the arguments of the pipeline's listing (section 10) that transformers 5 refuses."""
    import inspect

    from transformers import Trainer, TrainingArguments

    used = {
        "evaluation_strategy": TrainingArguments,
        "save_strategy": TrainingArguments,
        "warmup_ratio": TrainingArguments,
        "fp16": TrainingArguments,
        "tokenizer": Trainer,
        "data_collator": Trainer,
    }
    return [name for name, owner in used.items() if name not in inspect.signature(owner).parameters]
