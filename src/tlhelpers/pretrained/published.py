"""Published configurations, so that any model can be counted without downloading it.

The parameters of a Transformer follow from a dozen numbers of its configuration. This table holds
these numbers for the models that the book names; `tlhelpers.pretrained.models.meta_model` builds
a model from them on PyTorch's meta device, where a tensor has a shape but no memory.
"""

from __future__ import annotations

from typing import Any

import transformers
from transformers import PreTrainedConfig

_BERT_LARGE = {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
}
_ROBERTA = {
    "vocab_size": 50265,
    "max_position_embeddings": 514,
    "type_vocab_size": 1,
    "layer_norm_eps": 1e-5,
}
_SEQ2SEQ_LARGE = {
    "d_model": 1024,
    "encoder_layers": 12,
    "decoder_layers": 12,
    "encoder_attention_heads": 16,
    "decoder_attention_heads": 16,
    "encoder_ffn_dim": 4096,
    "decoder_ffn_dim": 4096,
}

PUBLISHED: dict[str, tuple[str, dict[str, Any]]] = {
    # Encoders
    "google-bert/bert-base-uncased": ("BertConfig", {}),
    "google-bert/bert-base-cased": ("BertConfig", {"vocab_size": 28996}),
    "google-bert/bert-large-uncased": ("BertConfig", _BERT_LARGE),
    "google-bert/bert-base-multilingual-cased": ("BertConfig", {"vocab_size": 119547}),
    "FacebookAI/roberta-base": ("RobertaConfig", _ROBERTA),
    "FacebookAI/roberta-large": ("RobertaConfig", _ROBERTA | _BERT_LARGE),
    "FacebookAI/xlm-roberta-base": ("XLMRobertaConfig", _ROBERTA | {"vocab_size": 250002}),
    "FacebookAI/xlm-roberta-large": (
        "XLMRobertaConfig",
        _ROBERTA | _BERT_LARGE | {"vocab_size": 250002},
    ),
    "distilbert/distilbert-base-uncased": ("DistilBertConfig", {}),
    "microsoft/deberta-v3-base": (
        "DebertaV2Config",
        {
            "vocab_size": 128100,
            "hidden_size": 768,
            "num_hidden_layers": 12,
            "num_attention_heads": 12,
            "intermediate_size": 3072,
            "pooler_hidden_size": 768,
            "max_position_embeddings": 512,
            "relative_attention": True,
            "position_buckets": 256,
            "norm_rel_ebd": "layer_norm",
            "share_att_key": True,
            "pos_att_type": "p2c|c2p",
            "position_biased_input": False,
            "max_relative_positions": -1,
            "type_vocab_size": 0,
        },
    ),
    "answerdotai/ModernBERT-base": ("ModernBertConfig", {}),
    "google/electra-base-discriminator": (
        "ElectraConfig",
        {
            "embedding_size": 768,
            "hidden_size": 768,
            "num_attention_heads": 12,
            "intermediate_size": 3072,
        },
    ),
    # Sentence encoders
    "sentence-transformers/all-MiniLM-L6-v2": (
        "BertConfig",
        {"hidden_size": 384, "num_hidden_layers": 6, "intermediate_size": 1536},
    ),
    "intfloat/multilingual-e5-small": (
        "BertConfig",
        {"vocab_size": 250037, "hidden_size": 384, "intermediate_size": 1536},
    ),
    "intfloat/e5-base-v2": ("BertConfig", {}),
    "BAAI/bge-base-en-v1.5": ("BertConfig", {}),
    "WhereIsAI/UAE-Large-V1": ("BertConfig", _BERT_LARGE),
    "sentence-transformers/LaBSE": ("BertConfig", {"vocab_size": 501153}),
    "sentence-transformers/all-mpnet-base-v2": ("MPNetConfig", {"max_position_embeddings": 514}),
    # Encoders of a domain
    "dmis-lab/biobert-base-cased-v1.2": ("BertConfig", {"vocab_size": 28996}),
    "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract-fulltext": ("BertConfig", {}),
    "nlpaueb/legal-bert-base-uncased": ("BertConfig", {}),
    "lexlms/legal-roberta-base": ("RobertaConfig", _ROBERTA),
    "ProsusAI/finbert": ("BertConfig", {}),
    "microsoft/codebert-base": ("RobertaConfig", _ROBERTA),
    # Decoders
    "openai-community/gpt2": ("GPT2Config", {}),
    "HuggingFaceTB/SmolLM2-135M-Instruct": (
        "LlamaConfig",
        {
            "vocab_size": 49152,
            "hidden_size": 576,
            "intermediate_size": 1536,
            "num_hidden_layers": 30,
            "num_attention_heads": 9,
            "num_key_value_heads": 3,
            "head_dim": 64,
            "max_position_embeddings": 8192,
            "rms_norm_eps": 1e-5,
            "tie_word_embeddings": True,
        },
    ),
    "meta-llama/Llama-2-7b-hf": (
        "LlamaConfig",
        {"max_position_embeddings": 4096, "rms_norm_eps": 1e-5},
    ),
    "meta-llama/Meta-Llama-3-8B": (
        "LlamaConfig",
        {
            "vocab_size": 128256,
            "intermediate_size": 14336,
            "num_key_value_heads": 8,
            "max_position_embeddings": 8192,
            "rms_norm_eps": 1e-5,
        },
    ),
    "mistralai/Mistral-7B-v0.1": ("MistralConfig", {}),
    "mistralai/Mistral-7B-Instruct-v0.3": ("MistralConfig", {"vocab_size": 32768}),
    # Encoder-decoders
    "google-t5/t5-small": ("T5Config", {}),
    "google/flan-t5-small": (
        "T5Config",
        {
            "d_ff": 1024,
            "num_layers": 8,
            "num_decoder_layers": 8,
            "num_heads": 6,
            "feed_forward_proj": "gated-gelu",
            "tie_word_embeddings": False,
        },
    ),
    "google/mt5-small": ("MT5Config", {"tie_word_embeddings": False}),
    "facebook/bart-base": (
        "BartConfig",
        {
            "d_model": 768,
            "encoder_layers": 6,
            "decoder_layers": 6,
            "encoder_attention_heads": 12,
            "decoder_attention_heads": 12,
            "encoder_ffn_dim": 3072,
            "decoder_ffn_dim": 3072,
        },
    ),
    "facebook/bart-large-mnli": ("BartConfig", _SEQ2SEQ_LARGE | {"num_labels": 3}),
    "google/pegasus-cnn_dailymail": (
        "PegasusConfig",
        _SEQ2SEQ_LARGE | {"vocab_size": 96103, "encoder_layers": 16, "decoder_layers": 16},
    ),
    "facebook/mbart-large-50-many-to-many-mmt": (
        "MBartConfig",
        _SEQ2SEQ_LARGE | {"vocab_size": 250054},
    ),
    "facebook/nllb-200-distilled-600M": ("M2M100Config", _SEQ2SEQ_LARGE | {"vocab_size": 256206}),
}


def configuration(hub_id: str, **changes: object) -> PreTrainedConfig:
    """Return the published configuration of a model, with changes if wanted.

    Parameters
    ----------
    hub_id
        A key of `PUBLISHED`, e.g. ``"google-bert/bert-base-uncased"``.
    **changes
        Settings to replace, e.g. ``num_hidden_layers=2``.

    Raises
    ------
    LookupError
        If the model is not in the table.
    """
    if hub_id not in PUBLISHED:
        raise LookupError(
            f"no configuration of {hub_id!r} here; there are {', '.join(sorted(PUBLISHED))}"
        )
    class_name, settings = PUBLISHED[hub_id]
    config: PreTrainedConfig = getattr(transformers, class_name)(**(settings | changes))
    return config


def has_output_of_its_own(config: PreTrainedConfig) -> bool:
    """Whether a T5 has an output matrix beside its embedding table, as T5 1.1 and mT5 do.

    The configurations of transformers 5 say "tied" for every T5 and leave the rest to the
    checkpoint, so the count has to ask here.
    """
    return config.model_type == "mt5" or (
        config.model_type == "t5" and not config.scale_decoder_outputs
    )
