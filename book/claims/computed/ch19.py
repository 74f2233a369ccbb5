"""What settles the computed entries of chapter 19."""


def saved_with_a_model() -> list[str]:
    """List what a model saves of itself: its tokenizer is not among it.

    A BERT of a few hundred parameters, into a temporary folder.
    """
    import tempfile
    from pathlib import Path

    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=8,
        hidden_size=4,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=4,
        max_position_embeddings=8,
    )
    with tempfile.TemporaryDirectory() as folder:
        BertModel(config).save_pretrained(folder)
        return sorted(path.name for path in Path(folder).iterdir())


def look_up_last_piece(tokenizer: str, model: str) -> str:
    """Look the last piece of one model's vocabulary up in the embedding table of another.

    Returns "found" or the error's name; both sizes are those of the published configurations.
    """
    import torch

    from tlhelpers.pretrained.published import configuration

    piece = int(configuration(tokenizer).vocab_size) - 1
    try:
        torch.nn.Embedding(int(configuration(model).vocab_size), 2)(torch.tensor([piece]))
    except IndexError as error:
        return type(error).__name__
    return "found"


def first_step(gradient: float, rate: float) -> float:
    """Size of AdamW's first step on one weight, weight decay left out.

    With bias correction it is rate x g / (|g| + eps): the sign of the gradient, not its size.
    """
    import torch

    weight = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = torch.optim.AdamW([weight], lr=rate, weight_decay=0.0)
    weight.grad = torch.full_like(weight, gradient)
    optimizer.step()
    return abs(float(weight.detach()))


def first_update_over_later_ones(warmup: int, steps: int = 100) -> float:
    """Divide the length of AdamW's first update by the mean length of the later half of them.

    Logistic regression on 2,000 rows that are drawn at random, batches of 16, started at the
    weights that gave the labels, as a pretrained model starts near what it will learn: the gradient
    is mostly noise. ``warmup`` is the number of steps in which the learning rate rises to 1e-3.
    """
    import torch

    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(2000, 32, generator=generator, dtype=torch.float64)
    truth = torch.randn(32, generator=generator, dtype=torch.float64) / 3
    labels = (torch.rand(2000, generator=generator) < torch.sigmoid(rows @ truth)).double()
    weights = torch.nn.Parameter(truth.clone())
    optimizer = torch.optim.AdamW([weights], lr=1e-3, weight_decay=0.0)
    lengths = []
    for step in range(1, steps + 1):
        optimizer.param_groups[0]["lr"] = 1e-3 * min(1.0, step / max(warmup, 1))
        batch = torch.randint(2000, (16,), generator=generator)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            rows[batch] @ weights, labels[batch]
        )
        optimizer.zero_grad()
        loss.backward()
        before = weights.detach().clone()
        optimizer.step()
        lengths.append(float((weights.detach() - before).norm()))
    later = lengths[steps // 2 :]
    return round(lengths[0] / (sum(later) / len(later)), 2)


def default_warmup_steps() -> float:
    """Warm-up that transformers' Trainer makes when it is not told otherwise."""
    import inspect

    from transformers import TrainingArguments

    return float(inspect.signature(TrainingArguments).parameters["warmup_steps"].default)


def training_gigabytes(billions: float) -> float:
    """Memory of full fine-tuning with Adam in mixed precision, without activations.

    16 bytes a parameter: weight and gradient in 16 bits, a copy, a momentum and a variance in 32
    (Rajbhandari et al. 2020, section 3.1).
    """
    return 16 * billions
