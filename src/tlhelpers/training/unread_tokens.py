"""A speed-up: do not compute, in a BERT classifier's last layer, the tokens that no one reads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

# Models whose sequence classifier reads the vector of the first token and nothing else.
READ_THE_FIRST_TOKEN = {"bert", "camembert", "distilbert", "electra", "roberta", "xlm-roberta"}


@contextmanager
def skip_unread_tokens(model: nn.Module, *, enabled: bool = True) -> Iterator[bool]:
    """Compute a classifier's last layer, from its attention's output on, at the first token alone.

    Keys and values still come from all tokens, so logits and gradients are those of the whole
    computation; three quarters of the last layer's work is not done. With 6 layers that is an
    eighth of all, with 12 a sixteenth. Hidden states of the last layer are cut short meanwhile:
    use it around a forward (and its backward) pass whose logits are all that matters.

    Parameters
    ----------
    model : nn.Module
        Any model; nothing happens unless it is transformers' own sequence classifier of a family
        that is known to read the first token only, and nothing else is asked of it. What is derived
        from one, or has a part of another origin, may read more and is left alone.
    enabled : bool
        False where something else than logits may be looked at, such as by an own loss.

    Yields
    ------
    bool
        Whether anything is left out.
    """
    handle = None
    config: Any = getattr(model, "config", None)
    if (
        enabled
        and type(model).__name__.endswith("ForSequenceClassification")
        and config.model_type in READ_THE_FIRST_TOKEN
        and not (config.output_hidden_states or config.output_attentions)
        and not getattr(config, "chunk_size_feed_forward", 0)
        and not getattr(config, "is_decoder", False)
        and _as_published(model)
    ):
        body: Any = model.base_model
        if config.model_type == "distilbert":
            last = body.transformer.layer[-1]
            handle = last.sa_layer_norm.register_forward_hook(_cut_output)
        else:
            last = body.encoder.layer[-1]
            handle = last.attention.output.register_forward_pre_hook(_cut_inputs)
    try:
        yield handle is not None
    finally:
        if handle is not None:
            handle.remove()


def _as_published(model: nn.Module) -> bool:
    """Tell whether each part is of the libraries that are known here, and works as written there.

    `accelerate` wraps the forward pass of a model that it shares among processes, and marks that.
    """
    return all(
        type(module).__module__.startswith(("transformers.", "torch.nn.", "peft."))
        and ("forward" not in vars(module) or "_original_forward" in vars(module))
        for module in model.modules()
    )


def _cut_inputs(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(hidden[:, :1] for hidden in inputs)  # (B, L, H) -> (B, 1, H)


def _cut_output(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    return output[:, :1]
