"""What settles the computed entries of chapter 17."""


def vocabulary(hub_id: str) -> int:
    """Number of pieces in a model's vocabulary, as the published configuration has it."""
    from tlhelpers.pretrained.published import configuration

    return int(configuration(hub_id).vocab_size)


def context(hub_id: str) -> int:
    """Longest input in tokens, as the published configuration has it."""
    from tlhelpers.pretrained.published import configuration

    return int(configuration(hub_id).max_position_embeddings)


def pretraining_hours(
    megabytes: float, epochs: int, peak_teraflops: float, utilisation: float = 0.3
) -> float:
    """Hours that RoBERTa-base needs to read a corpus on one accelerator.

    6 operations a parameter and token (Kaplan et al. 2020, section 2.1); 6.2 bytes of text a
    token, from 47 GB and 7.55 billion tokens (Gururangan et al. 2020, Table 1).
    """
    from tlhelpers.pretrained.models import meta_model

    parameters = sum(p.numel() for p in meta_model("FacebookAI/roberta-base").parameters())
    tokens = megabytes * 1e6 / 6.2 * epochs
    return round(tokens * 6 * parameters / (peak_teraflops * 1e12 * utilisation) / 3600, 1)
