"""Models of a few thousand parameters and data of a few rows, made on the spot for the tests."""

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

WORDS = [
    "a", "the", "film", "story", "actor", "was", "is", "good", "great", "fine", "bad", "dull",
    "poor", "not", "very", "and", "but",
]  # fmt: skip
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
GOOD, BAD = {"good", "great", "fine"}, {"bad", "dull", "poor"}
SHAPE = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}


def tiny_tokenizer():
    words = Tokenizer(
        models.WordLevel({w: i for i, w in enumerate(SPECIAL + WORDS)}, unk_token="[UNK]")
    )
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=32,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


def bert_config(**changes):
    return BertConfig(
        vocab_size=len(SPECIAL + WORDS),
        intermediate_size=32,
        max_position_embeddings=32,
        **SHAPE | changes,
    )


def tiny_classifier(seed=0, **changes):
    torch.manual_seed(seed)
    return BertForSequenceClassification(bert_config(**{"num_labels": 2} | changes))


def tiny_tagger(seed=0, **changes):
    torch.manual_seed(seed)
    return BertForTokenClassification(bert_config(**{"num_labels": 3} | changes))


def tiny_reader(seed=0, **changes):
    torch.manual_seed(seed)
    return BertForQuestionAnswering(bert_config(**changes))


def tiny_masked_model(seed=0):
    torch.manual_seed(seed)
    return BertForMaskedLM(bert_config())


def tiny_causal_model(seed=0):
    torch.manual_seed(seed)
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=len(SPECIAL + WORDS), n_embd=16, n_layer=2, n_head=2, n_positions=32,
            bos_token_id=2, eos_token_id=3, pad_token_id=0,
        )
    )  # fmt: skip


def tiny_seq2seq(seed=0):
    torch.manual_seed(seed)
    return T5ForConditionalGeneration(
        T5Config(
            vocab_size=len(SPECIAL + WORDS), d_model=16, d_kv=8, d_ff=32, num_layers=2,
            num_heads=2, decoder_start_token_id=0, pad_token_id=0,
        )
    )  # fmt: skip


def reviews(n=64, seed=0):
    """Make sentences of 3 to 12 words; the label says whether the one telling word is kind."""
    random = np.random.default_rng(seed)
    rows = []
    plain = [word for word in WORDS if word not in GOOD | BAD]
    for _ in range(n):
        label = int(random.integers(2))
        words = list(random.choice(plain, random.integers(2, 12)))
        telling = random.choice(sorted(GOOD if label else BAD))
        words.insert(int(random.integers(len(words) + 1)), telling)
        rows.append({"text": " ".join(words), "label": label})
    return rows


def questions(n=64, seed=0, words=0):
    """Ask for the telling word of a review that goes on for some words; one in five has none."""
    rows = []
    for number, row in enumerate(reviews(n, seed)):
        telling = next(word for word in row["text"].split() if word in GOOD | BAD)
        context = row["text"] + " and the story" * (words // 3)
        if number % 5 == 4:
            context, telling = context.replace(telling, "film"), None
        answers = {"text": [], "answer_start": []}
        if telling:
            answers = {"text": [telling], "answer_start": [context.index(telling)]}
        rows.append({"question": "was the film", "context": context, "answers": answers})
    return rows
