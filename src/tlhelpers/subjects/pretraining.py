"""What a language model is asked to predict: hidden tokens, the next token, hidden spans.

Three ways to make inputs and labels of plain text, by hand, and small models to train on each.
Masking and the next token agree with the ``DataCollatorForLanguageModeling`` of transformers, span
corruption follows T5. Papers: Devlin et al. 2019, https://arxiv.org/abs/1810.04805; Raffel et al.
2020, https://arxiv.org/abs/1910.10683.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any, Literal, TypeAlias, get_args

import pandas as pd
import torch
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import (
    BertConfig,
    BertForMaskedLM,
    GPT2Config,
    GPT2LMHeadModel,
    ModernBertConfig,
    ModernBertForMaskedLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from tlhelpers.metrics import IGNORED as IGNORED
from tlhelpers.visuals.html import Html
from tlhelpers.visuals.tables import highlight

Objective: TypeAlias = Literal["masked", "causal", "span corruption"]

# --------------------------------------------------------------------------------------------
# Masked tokens
# --------------------------------------------------------------------------------------------


def mask_tokens(
    input_ids: Tensor,
    mask_id: int,
    vocabulary_size: int,
    *,
    special_tokens_mask: Tensor | None = None,
    chosen: float = 0.15,
    masked: float = 0.8,
    replaced: float = 0.1,
    generator: torch.Generator | None = None,
) -> dict[str, Tensor]:
    """Hide some tokens of a batch, and ask for those: the objective of BERT.

    Parameters
    ----------
    input_ids : Tensor of shape (B, L)
        Token ids; stays as it is.
    mask_id : int
        Id of the token that hides another.
    vocabulary_size : int
        Random tokens are drawn from ids below it.
    special_tokens_mask : Tensor of shape (B, L), optional
        1 where no token may be chosen: at the ends of texts and in padding. By default each may.
    chosen : float
        Probability that a token is to be predicted.
    masked, replaced : float
        Shares of the chosen tokens that are hidden, and that become a random token of the
        vocabulary. The rest stays as it is, and is predicted all the same.
    generator : torch.Generator, optional
        Of the draws; the global one by default.

    Returns
    -------
    dict of Tensor
        ``input_ids`` and ``labels`` of shape (B, L); -100 is the label of what was not chosen.

    Raises
    ------
    ValueError
        If a share is none, shapes differ or the hiding token lies outside of the vocabulary.

    Notes
    -----
    Devlin et al. 2019, section 3.1 and appendix A.1. The draws come in the order of transformers'
    ``DataCollatorForLanguageModeling``: with its seed, the result is the same.
    """
    _check_batch(input_ids)
    _check_share("chosen", chosen)
    _check_share("masked", masked)
    _check_share("replaced", replaced)
    if masked + replaced > 1:
        raise ValueError(
            f"masked={masked} and replaced={replaced} are shares of the chosen tokens and may not "
            "exceed 1 together: lower one"
        )
    if not 0 <= mask_id < vocabulary_size:
        raise ValueError(
            f"mask_id={mask_id} is no id of a vocabulary of {vocabulary_size}: pass "
            "tokenizer.mask_token_id and len(tokenizer)"
        )
    special = torch.zeros_like(input_ids) if special_tokens_mask is None else special_tokens_mask
    if special.shape != input_ids.shape:
        raise ValueError(
            f"special_tokens_mask has the shape {tuple(special.shape)} and input_ids "
            f"{tuple(input_ids.shape)}: pass one number a token"
        )

    def draw(probability: float) -> Tensor:
        # bernoulli, and not rand < probability: the same draws as transformers'
        return torch.bernoulli(torch.full(input_ids.shape, probability), generator=generator).bool()

    chance = torch.full(input_ids.shape, chosen).masked_fill(special.bool(), 0.0)  # (B, L)
    asked = torch.bernoulli(chance, generator=generator).bool()
    hidden = draw(masked) & asked
    labels = input_ids.masked_fill(~asked, IGNORED)
    corrupted = input_ids.masked_fill(hidden, mask_id)
    if replaced > 0 and masked < 1:
        # Of those that are not hidden; 0.1 of all chosen ones is 0.1 / 0.2 of what 0.8 leaves.
        other = draw(replaced / (1 - masked)) & asked & ~hidden
        words = torch.randint(vocabulary_size, input_ids.shape, generator=generator)
        corrupted = torch.where(other, words, corrupted)
    return {"input_ids": corrupted, "labels": labels}


# --------------------------------------------------------------------------------------------
# The next token
# --------------------------------------------------------------------------------------------


def next_tokens(input_ids: Tensor, attention_mask: Tensor | None = None) -> dict[str, Tensor]:
    """Ask at each token for the one that follows: the objective of GPT.

    Parameters
    ----------
    input_ids : Tensor of shape (B, L)
        Token ids.
    attention_mask : Tensor of shape (B, L), optional
        0 where there is padding, which is not to be predicted. A token that ends a text has 1,
        even if padding has the same id.

    Returns
    -------
    dict of Tensor
        ``input_ids`` and ``labels`` of shape (B, L): the label at a place is the token at the next
        one, or -100 where none follows. Causal models of transformers shift labels themselves:
        give them ``labels=input_ids`` instead.

    Raises
    ------
    ValueError
        If the ids are no batch of two tokens or more, or the mask has another shape.

    Notes
    -----
    Radford et al. 2018, Improving Language Understanding by Generative Pre-Training, equation 1.
    """
    _check_batch(input_ids)
    labels = torch.full_like(input_ids, IGNORED)
    labels[:, :-1] = input_ids[:, 1:]
    if attention_mask is not None:
        if attention_mask.shape != input_ids.shape:
            raise ValueError(
                f"attention_mask has the shape {tuple(attention_mask.shape)} and input_ids "
                f"{tuple(input_ids.shape)}: pass one number a token"
            )
        labels[:, :-1].masked_fill_(attention_mask[:, 1:] == 0, IGNORED)
    return {"input_ids": input_ids, "labels": labels}


# --------------------------------------------------------------------------------------------
# Hidden spans
# --------------------------------------------------------------------------------------------


def span_corruption(
    input_ids: Tensor,
    sentinel_ids: Sequence[int],
    *,
    corrupted: float = 0.15,
    mean_span: float = 3.0,
    generator: torch.Generator | None = None,
) -> dict[str, Tensor]:
    """Hide spans of each text behind sentinels, and ask for the spans: the objective of T5.

    Parameters
    ----------
    input_ids : Tensor of shape (B, L)
        Token ids, no padding among them.
    sentinel_ids : sequence of int
        Ids that stand for the first, second, ... span; one more than there are spans.
    corrupted : float
        Share of the tokens that is hidden.
    mean_span : float
        Tokens a span, on average.
    generator : torch.Generator, optional
        Of the draws; the global one by default.

    Returns
    -------
    dict of Tensor
        ``input_ids`` of shape (B, L - hidden + spans) and ``labels`` of shape
        (B, hidden + spans + 1): each text has as many hidden tokens and spans, see
        :func:`span_counts`.

    Raises
    ------
    ValueError
        If so much cannot be hidden in such spans, or the sentinels are too few or occur in a text.

    Notes
    -----
    Raffel et al. 2020, section 3.1.4, with the rate and the length that section 3.3.4 settles on.
    """
    _check_batch(input_ids)
    length = input_ids.shape[1]
    rows = [
        corrupt_spans(row, span_mask(length, corrupted, mean_span, generator), sentinel_ids)
        for row in input_ids
    ]
    inputs, labels = (torch.stack(part) for part in zip(*rows, strict=True))
    return {"input_ids": inputs, "labels": labels}


def span_counts(length: int, corrupted: float = 0.15, mean_span: float = 3.0) -> tuple[int, int]:
    """Count the tokens that T5 hides in a text, and the spans that they form.

    Parameters
    ----------
    length : int
        Tokens of the text.
    corrupted : float
        Share that is hidden.
    mean_span : float
        Tokens a span, on average.

    Returns
    -------
    tuple of int
        How many tokens, and how many spans: both rounded, and 1 at least.

    Raises
    ------
    ValueError
        If so many spans do not fit between tokens that stay.
    """
    _check_share("corrupted", corrupted)
    if length < 2:
        raise ValueError(f"a text of {length} token(s) has no span to hide: pass 2 tokens or more")
    if mean_span < 1:
        raise ValueError(f"mean_span={mean_span} must be at least 1, the shortest span")
    hidden = min(max(round(length * corrupted), 1), length - 1)
    spans = max(round(hidden / mean_span), 1)
    if spans > length - hidden:
        raise ValueError(
            f"corrupted={corrupted} and mean_span={mean_span} hide {hidden} of {length} tokens in "
            f"{spans} spans, and leave too few to part them: hide less, or in longer spans"
        )
    return hidden, spans


def span_mask(
    length: int,
    corrupted: float = 0.15,
    mean_span: float = 3.0,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Draw which tokens of a text are hidden.

    Parameters
    ----------
    length : int
        Tokens of the text.
    corrupted, mean_span : float
        As for :func:`span_counts`.
    generator : torch.Generator, optional
        Of the draws; the global one by default.

    Returns
    -------
    Tensor of shape (length,)
        True where a token is hidden. As in T5's own code, what stays and what is hidden take turns,
        what stays first: the last token is always hidden. All such masks are equally likely.
    """
    hidden, spans = span_counts(length, corrupted, mean_span)
    lengths = torch.stack(
        [_parts(length - hidden, spans, generator), _parts(hidden, spans, generator)], dim=1
    ).flatten()  # (2 spans,): stays, hidden, stays, hidden, ...
    return torch.tensor([False, True]).repeat(spans).repeat_interleave(lengths)


def corrupt_spans(
    input_ids: Tensor, mask: Tensor, sentinel_ids: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Split a text into what the encoder reads and what the decoder is to write.

    Parameters
    ----------
    input_ids : Tensor of shape (L,)
        Token ids of one text.
    mask : Tensor of shape (L,)
        True where a token is hidden; neighbours form a span.
    sentinel_ids : sequence of int
        As for :func:`span_corruption`.

    Returns
    -------
    inputs : Tensor of shape (L - hidden + spans,)
        The text with a sentinel in the place of each span.
    target : Tensor of shape (hidden + spans + 1,)
        Each sentinel and the span that it stands for, then the next sentinel, which ends it: so in
        the paper; T5's own code leaves the last one out and ends both with its end-of-text token.

    Raises
    ------
    ValueError
        If the sentinels are too few, or one of them occurs in the text.
    """
    if mask.shape != input_ids.shape:
        raise ValueError(
            f"mask has the shape {tuple(mask.shape)} and input_ids {tuple(input_ids.shape)}: pass "
            "one truth value a token"
        )
    before = torch.cat([mask.new_zeros(1), mask[:-1]])
    starts = mask & ~before  # (L,) the first token of each span
    spans = int(starts.sum())
    if len(sentinel_ids) < spans + 1:
        raise ValueError(
            f"{spans} spans need {spans + 1} sentinels, there are {len(sentinel_ids)}: pass more, "
            "or cut the texts shorter"
        )
    sentinels = torch.as_tensor(sentinel_ids, dtype=input_ids.dtype)
    if torch.isin(input_ids, sentinels).any():
        where = int(torch.isin(input_ids, sentinels).nonzero()[0])
        raise ValueError(
            f"token {where} of the text is {int(input_ids[where])}, which is a sentinel: pass ids "
            "that no text holds"
        )
    which = starts.cumsum(0) - 1  # (L,) the span that a token belongs to, or follows
    inputs = torch.where(starts, sentinels[which.clamp(min=0)], input_ids)[starts | ~mask]
    target = [
        part
        for span in range(spans)
        for part in (sentinels[span : span + 1], input_ids[mask & (which == span)])
    ]
    return inputs, torch.cat([*target, sentinels[spans : spans + 1]])


def _parts(total: int, parts: int, generator: torch.Generator | None) -> Tensor:
    """Cut a number into parts of at least 1, all ways equally likely."""
    cuts = torch.randperm(total - 1, generator=generator)[: parts - 1].sort().values + 1
    return torch.diff(torch.tensor([0, *cuts.tolist(), total]))


# --------------------------------------------------------------------------------------------
# A sentence to look at
# --------------------------------------------------------------------------------------------


def draw(
    words: Sequence[str],
    objective: Objective,
    *,
    chosen: float = 0.15,
    mean_span: float = 3.0,
    seed: int = 0,
) -> Html:
    """Show what a model reads of a sentence, and what it is to predict.

    Parameters
    ----------
    words : sequence of L str
        The sentence; each word counts as a token.
    objective : {"masked", "causal", "span corruption"}
        What is asked.
    chosen, mean_span : float
        Share of the tokens that is predicted, and tokens a span: as for :func:`mask_tokens` and
        :func:`span_corruption`; without a meaning for the next token, the length without one for
        masked tokens.
    seed : int
        Of what is hidden.

    Returns
    -------
    Html
        Two lines, and how many predictions the sentence gives.

    Raises
    ------
    ValueError
        If there is no such objective, or a share or length that it cannot use.
    """
    _check_objective(objective)
    count = len(words)
    ids = torch.arange(count)[None]  # (1, L): each word is a token of its own
    names = [*words, "[MASK]", *(f"<{number}>" for number in range(count + 1))]
    generator = torch.Generator().manual_seed(seed)
    if objective == "causal":
        batch = next_tokens(ids)
    elif objective == "masked":
        batch = mask_tokens(ids, count, count + 1, chosen=chosen, generator=generator)
    else:
        batch = span_corruption(
            ids,
            range(count + 1, len(names)),
            corrupted=chosen,
            mean_span=mean_span,
            generator=generator,
        )
    read, asked = batch["input_ids"][0].tolist(), batch["labels"][0].tolist()

    def kind(place: int, token: int) -> str | None:
        if token >= count:
            return "hidden"
        if objective != "masked" or asked[place] == IGNORED:
            return None
        return "kept" if token == asked[place] else "replaced"

    predicted = [names[token] for token in asked if token != IGNORED]
    marks = sum(token > count for token in asked)
    top = highlight(
        [names[token] for token in read],
        labels=[kind(place, token) for place, token in enumerate(read)],
        caption="The model reads",
    )
    below = highlight(
        predicted,
        labels=[None] * len(predicted),
        caption=f"and is to predict {len(predicted)} tokens"
        + (f", {marks} of them sentinels" if marks else ""),
    )
    return Html(top.body + below.body, f"{top.text}\n{below.text}")


# --------------------------------------------------------------------------------------------
# Small models, and what they are trained and measured on
# --------------------------------------------------------------------------------------------

ENDS = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
SENTINELS = tuple(f"<extra_id_{number}>" for number in range(8))  # called as T5 calls them


def train_tokenizer(texts: Sequence[str], vocabulary_size: int = 2_000) -> PreTrainedTokenizerFast:
    """Find a vocabulary of pieces of words that all three objectives can use.

    Parameters
    ----------
    texts : sequence of str
        What to count the pieces in.
    vocabulary_size : int
        Pieces, with those that have a meaning of their own: [MASK], the sentinels, ends of texts.

    Returns
    -------
    PreTrainedTokenizerFast
        In lower case. A text begins with [CLS] and ends with [SEP].
    """
    special = [*ENDS.values(), "[MASK]", *SENTINELS]
    # Merged pairs of bytes, as GPT-2's: the trainer of BERT's pieces finds others at each call.
    pieces: Any = Tokenizer(models.BPE(unk_token="[UNK]"))
    pieces.normalizer = normalizers.Lowercase()
    pieces.pre_tokenizer = pre_tokenizers.ByteLevel()
    pieces.decoder = decoders.ByteLevel()
    pieces.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=vocabulary_size, special_tokens=special, show_progress=False
        ),
    )
    pieces.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        special_tokens=[(name, pieces.token_to_id(name)) for name in ("[CLS]", "[SEP]")],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=pieces,
        **ENDS,
        mask_token="[MASK]",
        eos_token="[SEP]",
        additional_special_tokens=list(SENTINELS),
        model_input_names=["input_ids", "attention_mask"],
    )


def blocks(texts: Sequence[str], tokenizer: PreTrainedTokenizerBase, length: int = 64) -> Tensor:
    """Write texts one after the other and cut them into pieces of one length.

    Parameters
    ----------
    texts : sequence of str
        In the order in which they are written.
    tokenizer : PreTrainedTokenizerBase
        Marks where a text begins and ends.
    length : int
        Tokens a block.

    Returns
    -------
    Tensor of shape (N, length)
        Token ids; what fills no block is left out.

    Raises
    ------
    ValueError
        If the texts fill no block.
    """
    ids = torch.tensor(list(chain.from_iterable(tokenizer(list(texts))["input_ids"])))
    count = len(ids) // length
    if count == 0:
        raise ValueError(
            f"the texts have {len(ids)} tokens, less than one block of {length}: pass more text or "
            "a smaller length"
        )
    return ids[: count * length].view(count, length)


def fresh_model(
    objective: Objective,
    tokenizer: PreTrainedTokenizerBase,
    seed: int,
    *,
    rotary: bool = False,
    width: int = 128,
    layers: int = 2,
    heads: int = 4,
    positions: int = 128,
) -> PreTrainedModel:
    """Make a small model with random weights, of the architecture that an objective is known for.

    Parameters
    ----------
    objective : {"masked", "causal", "span corruption"}
        A BERT, a GPT-2 or a T5.
    tokenizer : PreTrainedTokenizerBase
        From :func:`train_tokenizer`.
    seed : int
        Of the weights.
    rotary : bool
        For masked tokens a ModernBERT (Warner et al. 2024, https://arxiv.org/abs/2412.13663) in
        place of a BERT: it turns queries and keys by the place of their token, instead of adding a
        vector for it, and norms before each part of a layer.
    width, layers, heads : int
        Numbers a vector, layers (a T5 has as many in its encoder and in its decoder) and attention
        heads a layer. The feed-forward part is four times as wide; a ModernBERT's, which has a
        gate, three times.
    positions : int
        Tokens of the longest text; a T5 has no such limit.

    Returns
    -------
    PreTrainedModel
        Without dropout: no text is read often enough to be learnt by heart.

    Raises
    ------
    ValueError
        If there is no such objective, or no rotary model for it.
    """
    _check_objective(objective)
    if rotary and objective != "masked":
        raise ValueError(
            f"rotary=True makes a ModernBERT, which has no objective {objective!r}: leave it out, "
            "or ask for 'masked'"
        )
    shared = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    ends = {"bos_token_id": tokenizer.cls_token_id, "eos_token_id": tokenizer.eos_token_id}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if rotary:
            return ModernBertForMaskedLM(
                ModernBertConfig(
                    **shared, **ends, cls_token_id=tokenizer.cls_token_id,
                    sep_token_id=tokenizer.sep_token_id, hidden_size=width,
                    num_hidden_layers=layers, num_attention_heads=heads,
                    intermediate_size=3 * width, max_position_embeddings=positions,
                )
            )  # fmt: skip
        if objective == "masked":
            return BertForMaskedLM(
                BertConfig(
                    **shared, hidden_size=width, num_hidden_layers=layers,
                    num_attention_heads=heads, intermediate_size=4 * width,
                    max_position_embeddings=positions, type_vocab_size=1,
                    hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
                )
            )  # fmt: skip
        if objective == "causal":
            model = GPT2LMHeadModel(
                GPT2Config(
                    **shared, **ends, n_embd=width, n_layer=layers, n_head=heads,
                    n_positions=positions, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
                )
            )  # fmt: skip
            model.loss_type = "ForCausalLM"  # which transformers would take, with a warning
            return model
        config = T5Config(
            **shared, eos_token_id=tokenizer.eos_token_id, d_model=width, d_kv=width // heads,
            d_ff=4 * width, num_layers=layers, num_heads=heads, dropout_rate=0.0,
        )  # fmt: skip
        config.decoder_start_token_id = tokenizer.pad_token_id
        return T5ForConditionalGeneration(config)


def batch_of(
    objective: Objective,
    input_ids: Tensor,
    tokenizer: PreTrainedTokenizerBase,
    generator: torch.Generator | None = None,
    *,
    chosen: float = 0.15,
) -> dict[str, Tensor]:
    """Turn blocks of text into what the model of an objective is trained on.

    Parameters
    ----------
    objective : {"masked", "causal", "span corruption"}
        What is asked.
    input_ids : Tensor of shape (B, L)
        From :func:`blocks`.
    tokenizer : PreTrainedTokenizerBase
        From :func:`train_tokenizer`.
    generator : torch.Generator, optional
        Of what is hidden; the global one by default.
    chosen : float
        Share of the tokens that is predicted; the next token is asked for at each, whatever it is.

    Returns
    -------
    dict of Tensor
        ``input_ids`` and ``labels``, as the models of :func:`fresh_model` take them: GPT-2 shifts
        the labels itself, as in :func:`next_tokens`.

    Raises
    ------
    ValueError
        If there is no such objective.
    """
    _check_objective(objective)
    if objective == "causal":
        return {"input_ids": input_ids, "labels": input_ids.clone()}
    if objective == "span corruption":
        vocabulary = tokenizer.get_vocab()
        sentinels = [vocabulary[name] for name in SENTINELS]
        return span_corruption(input_ids, sentinels, corrupted=chosen, generator=generator)
    return mask_tokens(
        input_ids,
        tokenizer.mask_token_id,
        len(tokenizer),
        special_tokens_mask=_is_special(input_ids, tokenizer),
        chosen=chosen,
        generator=generator,
    )


def collator(
    objective: Objective, tokenizer: PreTrainedTokenizerBase, *, chosen: float = 0.15
) -> Callable[[Sequence[Mapping[str, Any]]], dict[str, Tensor]]:
    """Make what turns rows into the batches of an objective, for ``tl.fit`` or a data loader.

    Parameters
    ----------
    objective : {"masked", "causal", "span corruption"}
        What is asked.
    tokenizer : PreTrainedTokenizerBase
        From :func:`train_tokenizer`.
    chosen : float
        As for :func:`batch_of`; what is hidden comes from the global generator.

    Returns
    -------
    callable
        Takes rows with ``input_ids`` of one length each, as :func:`blocks` cuts them.

    Raises
    ------
    ValueError
        If there is no such objective.
    """
    _check_objective(objective)

    def collate(rows: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
        ids = torch.tensor([row["input_ids"] for row in rows])
        return batch_of(objective, ids, tokenizer, chosen=chosen)

    return collate


def count_questions(input_ids: Tensor, tokenizer: PreTrainedTokenizerBase) -> pd.DataFrame:
    """Count how many tokens of text each objective asks for.

    Parameters
    ----------
    input_ids : Tensor of shape (N, L)
        Blocks of text, from :func:`blocks`.
    tokenizer : PreTrainedTokenizerBase
        From :func:`train_tokenizer`.

    Returns
    -------
    DataFrame
        A row an objective: ``tokens`` of the blocks, how many are ``asked``, and their ``share``.
        Sentinels and ends of texts do not count as asked.
    """
    rows = []
    for objective in get_args(Objective):
        generator = torch.Generator().manual_seed(0)
        batch = batch_of(objective, input_ids, tokenizer, generator)
        asked = int((_asked_of_text(objective, batch, tokenizer) != IGNORED).sum())
        rows.append((objective, input_ids.numel(), asked, f"{asked / input_ids.numel():.0%}"))
    return pd.DataFrame(rows, columns=["objective", "tokens", "asked", "share"])


@torch.inference_mode()
def text_loss(
    model: PreTrainedModel,
    objective: Objective,
    input_ids: Tensor,
    tokenizer: PreTrainedTokenizerBase,
    *,
    batch_size: int = 64,
    seed: int = 0,
) -> float:
    """Measure what a predicted token of the text costs a model.

    Sentinels and the ends of texts are predicted too: they do not count, neither as what is asked
    nor as what the model might have said instead, so that the objectives are compared on the same
    question: which piece of text?

    Parameters
    ----------
    model : PreTrainedModel
        From :func:`fresh_model`, trained or not.
    objective : {"masked", "causal", "span corruption"}
        What it is asked.
    input_ids : Tensor of shape (N, L)
        Blocks of text, from :func:`blocks`.
    tokenizer : PreTrainedTokenizerBase
        From :func:`train_tokenizer`.
    batch_size : int
        Blocks a pass.
    seed : int
        Of what is hidden: the same at each call.

    Returns
    -------
    float
        Nats a token.
    """
    generator = torch.Generator().manual_seed(seed)
    was_training = model.training
    model.eval()
    no_text = _is_special(torch.arange(len(tokenizer)), tokenizer)  # (V,)
    total, count = 0.0, 0
    for rows in input_ids.split(batch_size):
        batch = batch_of(objective, rows, tokenizer, generator)
        logits = model(**{name: ids.to(model.device) for name, ids in batch.items()}).logits
        logits = logits.float().cpu().masked_fill(no_text, -torch.inf)  # (B, L, V)
        labels = _asked_of_text(objective, batch, tokenizer)
        total += float(cross_entropy(logits.transpose(1, 2), labels, reduction="sum"))
        count += int((labels != IGNORED).sum())
    model.train(was_training)
    return total / count


def unigram_entropy(input_ids: Tensor, tokenizer: PreTrainedTokenizerBase) -> float:
    """Measure what a token costs who knows how often each occurs, and nothing else.

    Parameters
    ----------
    input_ids : Tensor of shape (N, L)
        Blocks of the very text that a model is measured on: no other frequencies cost less.
    tokenizer : PreTrainedTokenizerBase
        Sentinels and ends of texts do not count.

    Returns
    -------
    float
        Nats a token.
    """
    text = input_ids[~_is_special(input_ids, tokenizer)]
    shares = torch.bincount(text).double() / len(text)
    return float(torch.special.entr(shares).sum())


def bigram_loss(
    train_ids: Tensor,
    input_ids: Tensor,
    tokenizer: PreTrainedTokenizerBase,
    *,
    strength: float = 100.0,
) -> float:
    """Measure what a token costs who has counted which token follows which.

    Parameters
    ----------
    train_ids, input_ids : Tensor of shape (M, L), (N, L)
        Blocks to count in, and blocks to predict.
    tokenizer : PreTrainedTokenizerBase
        Sentinels and ends of texts are neither predicted nor expected.
    strength : float
        As how many sightings of the token before the plain frequencies count.

    Returns
    -------
    float
        Nats a token. Counts are mixed with the frequencies as by MacKay and Peto 1995, A
        Hierarchical Dirichlet Language Model.
    """
    size = len(tokenizer)
    text = ~_is_special(torch.arange(size), tokenizer)  # (V,) which ids are text
    single = (torch.bincount(train_ids.flatten(), minlength=size).double() + 1) * text
    pairs = train_ids[:, :-1] * size + train_ids[:, 1:]  # (M, L - 1)
    double = torch.bincount(pairs.flatten(), minlength=size * size).double().view(size, size) * text
    before, after = input_ids[:, :-1].flatten(), input_ids[:, 1:].flatten()
    before, after = before[text[after]], after[text[after]]
    mixed = double[before, after] + strength * single[after] / single.sum()
    return float(-(mixed / (double.sum(dim=1)[before] + strength)).log().mean())


def losses_by_tokens(points: pd.DataFrame) -> pd.DataFrame:
    """Arrange the losses that a sweep saw along the way by what had been read and asked until then.

    Parameters
    ----------
    points : DataFrame
        A row a run: ``method``, ``seed``, ``tokens_read``, ``tokens_predicted``, ``loss_0``,
        ``loss_3``, ... (after so many parts of all updates, which the highest number counts), and
        what counts reach, ``unigram`` and ``bigram``. All losses in nats a token.

    Returns
    -------
    DataFrame
        A row a look: ``method``, ``seed``, ``loss``, and in whole thousands of tokens what was
        ``read`` and ``asked``, on average over the seeds. Two more methods, "frequencies" and
        "pairs", stay where counting ends, as far as the others go.

    Raises
    ------
    ValueError
        If there is no loss of along the way.
    """
    names = (str(name) for name in points.columns)
    looks = {name: int(name[5:]) for name in names if re.fullmatch(r"loss_\d+", name)}
    if not looks:
        raise ValueError(
            f"there are no losses along the way among {', '.join(points.columns)}: pass the rows "
            "of the stage that pretrains"
        )
    known = points[["method", "seed"]].assign(
        read=points["tokens_read"] / 1000,
        asked=points.groupby("method")["tokens_predicted"].transform("mean") / 1000,
    )
    first = points[points["method"] == points["method"].iloc[0]]  # one row a seed
    counts = {"frequencies": first["unigram"], "pairs": first["bigram"]}
    farthest = {"read": known["read"].max(), "asked": known["asked"].max()}
    rows = []
    for name, look in looks.items():
        share = look / max(looks.values())
        reached = {"read": known["read"] * share, "asked": known["asked"] * share}
        rows.append(known.assign(**reached, loss=points[name]))
        reached = {axis: end * share for axis, end in farthest.items()}
        rows += [
            first[["seed"]].assign(method=method, **reached, loss=loss)
            for method, loss in counts.items()
        ]
    found = pd.concat(rows, ignore_index=True)
    return found.round({"read": 0, "asked": 0})


def _asked_of_text(
    objective: Objective, batch: dict[str, Tensor], tokenizer: PreTrainedTokenizerBase
) -> Tensor:
    """Label each place with the piece of text that is asked there; sentinels and ends are none."""
    labels = batch["labels"]
    if objective == "causal":  # GPT-2 would shift them itself
        labels = next_tokens(batch["input_ids"])["labels"]
    return labels.masked_fill(_is_special(labels, tokenizer), IGNORED)


def _is_special(ids: Tensor, tokenizer: PreTrainedTokenizerBase) -> Tensor:
    """Tell which ids are no text: ends, padding, [MASK], sentinels. An unknown piece is none."""
    special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    return torch.isin(ids, torch.tensor(sorted(special)))


def _check_objective(objective: str) -> None:
    known = get_args(Objective)
    if objective not in known:
        raise ValueError(f"objective={objective!r} must be one of {', '.join(map(repr, known))}")


def _check_batch(input_ids: Tensor) -> None:
    if input_ids.ndim != 2 or input_ids.is_floating_point() or input_ids.shape[1] < 2:
        raise ValueError(
            f"input_ids of shape {tuple(input_ids.shape)} and type {input_ids.dtype}: pass whole "
            "numbers of shape (texts, tokens), two tokens or more"
        )


def _check_share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{name}={value} is a share: pass a number from 0 to 1, such as 0.15")
