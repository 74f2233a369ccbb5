"""What settles the computed entries of chapter 18."""


def fine_tuning_minutes(
    labels: int,
    epochs: int = 3,
    tokens: int = 256,
    peak_teraflops: float = 65.0,
    utilisation: float = 0.3,
) -> float:
    """Minutes that fine-tuning BERT-base takes on one GPU, start-up left out.

    6 operations a parameter and token (Kaplan et al. 2020, section 2.1); 65 TFLOP/s is the 16-bit
    peak of a T4.
    """
    from tlhelpers.pretrained.models import meta_model

    bert = meta_model("google-bert/bert-base-uncased")
    operations = labels * epochs * tokens * 6 * sum(p.numel() for p in bert.parameters())
    return operations / (peak_teraflops * 1e12 * utilisation) / 60


def fine_tuning_dollars(labels: int, dollars_an_hour: float) -> float:
    """Price in dollars of fine-tuning BERT-base on one GPU, to the cent."""
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


def largest_stated(claim_id: str) -> float:
    """Give the largest number that the text states in another claim."""
    from tlhelpers.evidence.stated import numbers_stated

    return max(numbers_stated(claim_id))
