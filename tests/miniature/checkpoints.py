"""Miniature checkpoints: one for each model id that the full profile names.

The class, the settings and the special tokens are those of the model; only the sizes are small.
"""

import copy
import functools
import json
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedConfig, PreTrainedTokenizerBase

from tests.miniature import text
from tlhelpers.pretrained.published import configuration, published
from tlhelpers.roles import MODELS

REVISION = "0" * 40  # the hub's cache names a snapshot by its commit
POSITIONS = 512
VOCABULARY = 400

# Sizes by family; every other setting stays as published.
_SMALL_ENCODER = {
    "hidden_size": 8,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 16,
}
_SMALL_LLAMA = _SMALL_ENCODER | {"num_key_value_heads": 1, "head_dim": 4}
_SMALL_SEQ2SEQ = {
    "d_model": 8,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 16,
    "decoder_ffn_dim": 16,
    "max_position_embeddings": POSITIONS,
}
_SMALL_T5 = {
    "d_model": 8,
    "d_kv": 4,
    "d_ff": 16,
    "num_layers": 2,
    "num_decoder_layers": 2,
    "num_heads": 2,
}
SMALL: dict[str, dict[str, Any]] = {
    "bert": _SMALL_ENCODER,
    "roberta": _SMALL_ENCODER,
    "xlm-roberta": _SMALL_ENCODER,
    "mpnet": _SMALL_ENCODER,
    "distilbert": {"dim": 8, "n_layers": 3, "n_heads": 2, "hidden_dim": 16},
    "deberta-v2": _SMALL_ENCODER | {"pooler_hidden_size": 8, "position_buckets": 16},
    "modernbert": _SMALL_ENCODER,
    "electra": _SMALL_ENCODER | {"embedding_size": 8},
    "gpt2": {"n_embd": 8, "n_layer": 3, "n_head": 2, "n_positions": POSITIONS},
    "llama": _SMALL_LLAMA,
    "mistral": _SMALL_LLAMA,
    "t5": _SMALL_T5,
    "mt5": _SMALL_T5,
    "bart": _SMALL_SEQ2SEQ,
    "mbart": _SMALL_SEQ2SEQ,
    "m2m_100": _SMALL_SEQ2SEQ,
    "pegasus": _SMALL_SEQ2SEQ,
}

# What the checkpoint on the hub holds: this decides which heads come pretrained.
CHECKPOINT_CLASS: dict[str, str] = {
    "bert": "BertForPreTraining",
    "roberta": "RobertaForMaskedLM",
    "xlm-roberta": "XLMRobertaForMaskedLM",
    "mpnet": "MPNetModel",
    "distilbert": "DistilBertForMaskedLM",
    "deberta-v2": "DebertaV2Model",
    "modernbert": "ModernBertForMaskedLM",
    "electra": "ElectraForPreTraining",
    "gpt2": "GPT2LMHeadModel",
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "t5": "T5ForConditionalGeneration",
    "mt5": "MT5ForConditionalGeneration",
    "bart": "BartForConditionalGeneration",
    "mbart": "MBartForConditionalGeneration",
    "m2m_100": "M2M100ForConditionalGeneration",
    "pegasus": "PegasusForConditionalGeneration",
}
EXCEPTIONS: dict[str, str] = {
    "ProsusAI/finbert": "BertForSequenceClassification",
    "facebook/bart-large-mnli": "BartForSequenceClassification",
    "microsoft/codebert-base": "RobertaModel",
    "facebook/bart-base": "BartModel",
}
SENTENCE_ENCODERS = (
    "sentence-transformers/all-MiniLM-L6-v2",
    "intfloat/multilingual-e5-small",
    "intfloat/e5-base-v2",
    "BAAI/bge-base-en-v1.5",
    "WhereIsAI/UAE-Large-V1",
    "sentence-transformers/LaBSE",
    "sentence-transformers/all-mpnet-base-v2",
)
EXCEPTIONS |= {hub_id: "BertModel" for hub_id in SENTENCE_ENCODERS[:-1]}
EXCEPTIONS |= {"sentence-transformers/all-mpnet-base-v2": "MPNetModel"}

# Classes whose blank tokenizer can be trained, by family.
TOKENIZERS: dict[str, str] = {
    "bert": "BertTokenizer",
    "roberta": "RobertaTokenizer",
    "xlm-roberta": "XLMRobertaTokenizer",
    "mpnet": "MPNetTokenizer",
    "distilbert": "DistilBertTokenizer",
    "deberta-v2": "DebertaV2Tokenizer",
    "electra": "ElectraTokenizer",
    "gpt2": "GPT2Tokenizer",
    "llama": "LlamaTokenizer",
    "mistral": "LlamaTokenizer",
    "t5": "T5Tokenizer",
    "mt5": "T5Tokenizer",
    "bart": "BartTokenizer",
    "mbart": "MBart50Tokenizer",
    "m2m_100": "NllbTokenizer",
    "pegasus": "PegasusTokenizer",
}
TOKENIZER_EXCEPTIONS = {"intfloat/multilingual-e5-small": "XLMRobertaTokenizer"}
# Models whose tokenizer on the hub is a bare file of byte-level BPE: how a text begins and ends,
# and what is special in it.
BYTE_LEVEL: dict[str, tuple[str, dict[str, str]]] = {
    "answerdotai/ModernBERT-base": (
        "[CLS] $A [SEP]",
        {
            "unk_token": "[UNK]",
            "cls_token": "[CLS]",
            "sep_token": "[SEP]",
            "pad_token": "[PAD]",
            "mask_token": "[MASK]",
        },
    ),
    "meta-llama/Meta-Llama-3-8B": (
        "<|begin_of_text|> $A",
        {"bos_token": "<|begin_of_text|>", "eos_token": "<|end_of_text|>"},
    ),
    "HuggingFaceTB/SmolLM2-135M-Instruct": (
        "$A",
        {
            "bos_token": "<|im_start|>",
            "eos_token": "<|im_end|>",
            "unk_token": "<|endoftext|>",
            "pad_token": "<|im_end|>",
        },
    ),
}
CHAT_MODELS = ("HuggingFaceTB/SmolLM2-135M-Instruct", "mistralai/Mistral-7B-Instruct-v0.3")
CHAT_TEMPLATE = (
    "{% for message in messages %}[{{ message['role'] }}] {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant] {% endif %}"
)


def hub_ids() -> list[str]:
    """Every model id that the full profile names, once."""
    return sorted({entry["full"].hub for entry in MODELS.values() if "full" in entry})


def build_checkpoints(folder: Path) -> None:
    """Write every model of the full profile into a cache folder of the hub."""
    transformers.utils.logging.disable_progress_bar()
    for hub_id in hub_ids():
        repository = folder / f"models--{hub_id.replace('/', '--')}"
        (repository / "refs").mkdir(parents=True)
        (repository / "refs" / "main").write_text(REVISION)
        _save(hub_id, _tokenizer(hub_id), repository / "snapshots" / REVISION)


def _save(hub_id: str, tokenizer: PreTrainedTokenizerBase, snapshot: Path) -> None:
    config = _small(hub_id, tokenizer)
    class_name = EXCEPTIONS.get(hub_id, CHECKPOINT_CLASS[config.model_type])
    torch.manual_seed(0)
    model = getattr(transformers, class_name)(config)
    if hub_id == "microsoft/deberta-v3-base":
        model = model.half()  # as on the hub
    model.save_pretrained(snapshot)
    tokenizer.save_pretrained(snapshot)
    if hub_id in SENTENCE_ENCODERS:
        _sentence_encoder_files(snapshot, config.hidden_size)


def _small(hub_id: str, tokenizer: PreTrainedTokenizerBase) -> PreTrainedConfig:
    """Return the published configuration with small sizes and the tokenizer's numbers."""
    model_type = configuration(hub_id).model_type
    changes = dict(SMALL[model_type])
    settings = published(hub_id).settings
    # RoBERTa counts positions from the padding number up.
    offset = tokenizer.pad_token_id + 1 if model_type in ("roberta", "xlm-roberta", "mpnet") else 0
    if model_type in CHECKPOINT_CLASS and "max_position_embeddings" not in changes:
        changes["max_position_embeddings"] = POSITIONS + offset
    if model_type in ("t5", "mt5", "gpt2"):
        changes.pop("max_position_embeddings")
    changes["vocab_size"] = len(tokenizer)
    defaults = configuration(hub_id).to_dict()
    for name in ("pad", "bos", "eos", "cls", "sep", "mask"):
        number = getattr(tokenizer, f"{name}_token_id", None)
        # Also where the tokenizer has none: the published number is beyond the small vocabulary.
        if number is not None or f"{name}_token_id" in defaults:
            changes[f"{name}_token_id"] = number
    if model_type in ("t5", "mt5", "pegasus"):
        changes["decoder_start_token_id"] = tokenizer.pad_token_id
    elif model_type in ("bart", "mbart", "m2m_100"):
        changes["decoder_start_token_id"] = tokenizer.eos_token_id
        changes["forced_eos_token_id"] = tokenizer.eos_token_id
    if hub_id == "ProsusAI/finbert":
        names = ["positive", "negative", "neutral"]
        changes |= {"num_labels": 3, "id2label": dict(enumerate(names))}
    if hub_id == "facebook/bart-large-mnli":
        names = ["contradiction", "neutral", "entailment"]
        changes |= {"id2label": dict(enumerate(names))}
        changes |= {"label2id": {name: number for number, name in enumerate(names)}}
        settings = {k: v for k, v in settings.items() if k != "num_labels"}
    return getattr(transformers, published(hub_id).config_class)(**(settings | changes))


def _tokenizer(hub_id: str) -> PreTrainedTokenizerBase:
    if hub_id in BYTE_LEVEL:
        tokenizer = _byte_level(*BYTE_LEVEL[hub_id])
    else:
        kind = TOKENIZER_EXCEPTIONS.get(hub_id, TOKENIZERS[configuration(hub_id).model_type])
        tokenizer = copy.deepcopy(_trained(kind))
    tokenizer.model_max_length = POSITIONS
    if hub_id in CHAT_MODELS:
        tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


@functools.cache
def _trained(kind: str) -> PreTrainedTokenizerBase:
    """Train a tokenizer of a class on the miniature's own sentences."""
    corpus = text.everything()
    if kind == "PegasusTokenizer":
        # Its class does not know how to train; T5's pieces are of the same kind.
        pieces = json.loads(_trained("T5Tokenizer").backend_tokenizer.to_str())["model"]["vocab"]
        special = {"<pad>", "</s>", "<unk>"}
        vocabulary = [("<pad>", 0.0), ("</s>", 0.0), ("<mask_1>", 0.0), ("<mask_2>", 0.0)]
        vocabulary += [("<unk>", 0.0)]
        vocabulary += [(piece, score) for piece, score in pieces if piece not in special]
        return transformers.PegasusTokenizer(vocab=vocabulary, offset=0)
    blank = getattr(transformers, kind)()
    return blank.train_new_from_iterator(corpus, vocab_size=VOCABULARY, show_progress=False)


def _byte_level(template: str, special: dict[str, str]) -> PreTrainedTokenizerBase:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    names = list(dict.fromkeys(special.values()))
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=names,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(text.everything(), trainer)
    used = [name for name in names if name in template]
    pair = template + " $B:1" + (" [SEP]:1" if "[SEP]" in template else "")
    tokenizer.post_processor = processors.TemplateProcessing(
        single=template,
        pair=pair,
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in used],
    )
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)


def _sentence_encoder_files(snapshot: Path, width: int) -> None:
    """Add what the sentence-transformers library looks for."""
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {
            "idx": 1,
            "name": "1",
            "path": "1_Pooling",
            "type": "sentence_transformers.models.Pooling",
        },
    ]
    (snapshot / "modules.json").write_text(json.dumps(modules))
    (snapshot / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 128}))
    (snapshot / "1_Pooling").mkdir()
    pooling = {"word_embedding_dimension": width, "pooling_mode_mean_tokens": True}
    (snapshot / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
