"""What settles the computed entries of chapter 12."""

from typing import Literal


def head(hub_id: str, task: Literal["classification", "tokens", "causal"]) -> dict[str, list[int]]:
    """Give name and shape of what a task adds to the pretrained body, for two labels.

    Built on the meta device from the published configuration; nothing is fetched.
    """
    from tlhelpers.pretrained.models import meta_model

    model = meta_model(hub_id, task=task, labels=None if task == "causal" else 2)
    prefix = f"{model.base_model_prefix}."
    return {
        name: list(p.shape) for name, p in model.named_parameters() if not name.startswith(prefix)
    }


def span_head(hub_id: str) -> dict[str, list[int]]:
    """Give name and shape of the head for extractive question answering."""
    from tlhelpers.pretrained.models import meta_model

    model = meta_model(hub_id, task="question-answering")
    prefix = f"{model.base_model_prefix}."
    return {
        name: list(p.shape) for name, p in model.named_parameters() if not name.startswith(prefix)
    }


def bert_head_input() -> list[str]:
    """Name the layers between BERT's first token and its classifier."""
    from tlhelpers.pretrained.models import meta_model

    model = meta_model("google-bert/bert-base-uncased", task="classification", labels=2)
    return [type(layer).__name__ for layer in model.bert.pooler.children()]


def architecture(hub_id: str) -> str:
    """Tell by its configuration whether a published model is an encoder, a decoder or both.

    An encoder is what transformers can give a masked-language-model head.
    """
    from transformers import MODEL_FOR_MASKED_LM_MAPPING

    from tlhelpers.pretrained.published import configuration

    config = configuration(hub_id)
    if config.is_encoder_decoder:
        return "encoder-decoder"
    return "encoder" if type(config) in MODEL_FOR_MASKED_LM_MAPPING else "decoder"


def architectures(hub_ids: list[str]) -> list[str]:
    """Tell encoders, decoders and models of both by their configurations: the kinds that occur."""
    return sorted({architecture(hub_id) for hub_id in hub_ids})


def layers_parameters(hub_id: str) -> int:
    """Count the parameters of an encoder's layers, without embeddings and pooler."""
    from tlhelpers.pretrained.models import meta_model

    return sum(p.numel() for p in meta_model(hub_id).encoder.parameters())


def layers_ratio(hub_id: str, other: str) -> float:
    """Divide the parameters of an encoder's layers by those of another's."""
    return layers_parameters(hub_id) / layers_parameters(other)


def size_ratio(large: str, small: str) -> float:
    """Divide the parameters of a decoder by those of an encoder."""
    from tlhelpers.pretrained.models import meta_model

    many = sum(p.numel() for p in meta_model(large, task="causal").parameters())
    return many / sum(p.numel() for p in meta_model(small).parameters())
