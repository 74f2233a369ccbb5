"""One model, many languages: smaller vocabularies, nearest translations, pieces counted.

`prune_vocabulary` drops the rows of an embedding table that no text at hand needs; `layer_vectors`
and `nearest` ask whether a text and its translation lie together; `describe_pieces` says how a
tokenizer treats a language; `translations` holds the book's own small dictionary.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from tokenizers import Tokenizer
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from tlhelpers.corpora.unseen_templates import split_by_template as split_by_template
from tlhelpers.languages import LANGUAGES as LANGUAGES
from tlhelpers.languages import dictionary
from tlhelpers.metrics import Interval
from tlhelpers.pretrained.models import Loaded
from tlhelpers.vectors import hidden_states, text_vectors


def translations(kind: str | None = None) -> pd.DataFrame:
    """Return the book's own small dictionary: nouns and sentences in twelve languages.

    Parameters
    ----------
    kind : str, optional
        ``"animal"`` or ``"other"`` (thirty nouns each) or ``"sentence"`` (twenty); by default all.

    Returns
    -------
    DataFrame
        A column ``kind`` and one for each language, a row for each meaning.

    Raises
    ------
    ValueError
        If there is no such kind.

    Notes
    -----
    Written for this book. The nouns were compared with the names and keywords that Unicode's CLDR
    (version 48) gives to emoji in each language; where the two differ, both words are in use.
    """
    table = pd.DataFrame(dictionary())
    if kind is None:
        return table
    if kind not in set(table["kind"]):
        known = ", ".join(map(repr, table["kind"].unique()))
        raise ValueError(f"no translations of kind {kind!r}; there are {known}")
    return table[table["kind"] == kind].reset_index(drop=True)


# --------------------------------------------------------------------------------------------
# The embedding table
# --------------------------------------------------------------------------------------------


def prune_vocabulary(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]
) -> Loaded:
    """Keep only those pieces of the vocabulary that some texts use.

    Parameters
    ----------
    model : PreTrainedModel
        An encoder whose output does not range over the vocabulary; it is not changed.
    tokenizer : PreTrainedTokenizerBase
        Its fast tokenizer, of the kinds Unigram or WordPiece.
    texts : sequence of str
        Every text that the model will ever see, prefixes included.

    Returns
    -------
    Loaded
        A copy of the model with a smaller embedding table, and a tokenizer with new ids. Special
        tokens are kept. For the given texts the hidden states are the same as before; another
        text may be cut differently, down to unknown pieces.

    Raises
    ------
    ValueError
        If the model predicts pieces (then its output would have to shrink too), or the tokenizer
        is of another kind: byte-level BPE builds long pieces from short ones, so a piece that no
        text shows may still be needed on the way.

    Notes
    -----
    The idea is that of Abdaoui, Pradel and Sigel (2020), *Load What You Need: Smaller Versions of
    Multilingual BERT*, arXiv:2010.05609. That the cut of the given texts stays the same: both
    kinds take the best piece, or chain of pieces, out of those there are. Removing others that
    were not taken leaves the best one the best.
    """
    if model.get_output_embeddings() is not None:
        raise ValueError(
            f"{type(model).__name__} predicts pieces of its vocabulary: prune an encoder without "
            "such a head, as tl.load(role) or tl.load(role, task='classification') gives it"
        )
    kept = pieces_in_use(tokenizer, texts)
    smaller = copy.deepcopy(model)
    table = model.get_input_embeddings()
    assert isinstance(table, nn.Embedding)
    rows = torch.tensor(kept, device=table.weight.device)
    new_ids = {old: new for new, old in enumerate(kept)}
    padding = None if table.padding_idx is None else new_ids[table.padding_idx]
    smaller.set_input_embeddings(
        nn.Embedding.from_pretrained(
            table.weight.detach()[rows].clone(), freeze=False, padding_idx=padding
        )
    )
    smaller.config.vocab_size = len(kept)
    for name in ("pad", "bos", "eos", "cls", "sep", "mask", "unk"):
        old = getattr(smaller.config, f"{name}_token_id", None)
        if isinstance(old, int) and old in new_ids:
            setattr(smaller.config, f"{name}_token_id", new_ids[old])
    return Loaded(smaller, _with_pieces(tokenizer, kept))


def pieces_in_use(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[int]:
    """List the ids that texts use, and those of special tokens, in rising order."""
    if isinstance(texts, str) or not len(texts):
        raise ValueError(f"a list of texts is needed, with at least one in it, got {texts!r}")
    used: set[int] = set(tokenizer.all_special_ids)
    for ids in tokenizer(list(texts))["input_ids"]:
        used.update(ids)
    return sorted(used)


def _with_pieces(tokenizer: PreTrainedTokenizerBase, kept: list[int]) -> PreTrainedTokenizerFast:
    """Rebuild a tokenizer that knows these pieces only, numbered 0, 1, 2, ..."""
    parts: dict[str, Any] = json.loads(tokenizer.backend_tokenizer.to_str())
    new_ids = {old: new for new, old in enumerate(kept)}
    model = parts["model"]
    added = {token["id"]: token for token in parts["added_tokens"]}
    if model["type"] == "Unigram":
        # An id is a place in the list. A special token beyond its end, such as XLM-R's mask, moves
        # to the end of the short list, where its own entry is found again.
        inside = [old for old in kept if old < len(model["vocab"])]
        model["vocab"] = [model["vocab"][old] for old in inside]
        model["unk_id"] = new_ids[model["unk_id"]]
    elif model["type"] == "WordPiece":
        model["vocab"] = {
            piece: new_ids[old] for piece, old in model["vocab"].items() if old in new_ids
        }
    else:
        raise ValueError(
            f"cannot prune a tokenizer of the kind {model['type']!r}: only Unigram and WordPiece "
            "cut the same texts in the same way after other pieces are gone"
        )
    parts["added_tokens"] = [
        {**token, "id": new_ids[old]} for old, token in added.items() if old in new_ids
    ]
    _renumber(parts.get("post_processor"), new_ids)
    special = {
        name: str(token)
        for name, token in tokenizer.special_tokens_map.items()
        if isinstance(token, str)
    }
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(parts)),
        model_max_length=tokenizer.model_max_length,
        model_input_names=list(tokenizer.model_input_names),
        padding_side=tokenizer.padding_side,
        **special,
    )


def _renumber(part: Any, new_ids: dict[int, int]) -> None:  # noqa: ANN401 -- JSON
    """Give the special tokens that a post-processor adds their new ids."""
    if not isinstance(part, dict):
        return
    for processor in part.get("processors", []):
        _renumber(processor, new_ids)
    special = part.get("special_tokens")
    if isinstance(special, dict):
        for token in special.values():
            token["ids"] = [new_ids[old] for old in token["ids"]]
    for name in ("cls", "sep"):
        if name in part:
            text, old = part[name]
            part[name] = [text, new_ids[old]]


# --------------------------------------------------------------------------------------------
# Where translations lie
# --------------------------------------------------------------------------------------------


def layer_vectors(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    *,
    batch_size: int = 32,
) -> NDArray[np.float32]:
    """Embed texts at every layer: the mean over the tokens of each.

    Texts of similar length share a batch, so that little is computed for padding.

    Parameters
    ----------
    model, tokenizer : PreTrainedModel, PreTrainedTokenizerBase
        An encoder without a head, and its tokenizer.
    texts : sequence of str
        N texts.
    batch_size : int
        Texts a batch.

    Returns
    -------
    numpy.ndarray
        Shape ``(L + 1, N, C)``: the embedding layer, then the L layers.

    Raises
    ------
    ValueError
        If there is no text.
    """
    if not len(texts):
        raise ValueError("layer_vectors needs a list of texts with at least one text")
    return text_vectors(model, tokenizer, texts, layers="all", batch_size=batch_size)


def word_vectors(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    words: Sequence[Sequence[str]],
    *,
    prefix: str = "",
    batch_size: int = 64,
) -> list[NDArray[np.float32]]:
    """Give each word of each text the vector of its first piece at the last layer.

    Parameters
    ----------
    model, tokenizer : PreTrainedModel, PreTrainedTokenizerBase
        An encoder without a head, and its fast tokenizer.
    words : sequence of sequences of str
        The words of N texts.
    prefix : str
        Put before each text; it gets no vector.
    batch_size : int
        Texts a batch.

    Returns
    -------
    list of numpy.ndarray
        N arrays of shape ``(words of the text, C)``.

    Raises
    ------
    ValueError
        If a word has no piece.
    """
    before = prefix.split()
    texts = [[*before, *text] for text in words]
    vectors: dict[int, NDArray[np.float32]] = {}
    for rows, (hidden,), tokens in hidden_states(
        model, tokenizer, texts, layers="last", batch_size=batch_size, truncation=False
    ):
        for place, row in enumerate(rows):
            text = texts[row]
            first_piece: dict[int, int] = {}
            for position, word in enumerate(tokens.word_ids(place)):
                if word is not None:
                    first_piece.setdefault(word, position)
            lost = [text[i] for i in range(len(before), len(text)) if i not in first_piece]
            if lost:
                raise ValueError(f"no piece for the words {lost} of {text}: drop them")
            places = [first_piece[i] for i in range(len(before), len(text))]
            vectors[row] = hidden[place][places].float().cpu().numpy()  # (words, C)
    return [vectors[row] for row in range(len(texts))]


def cosine_similarity(
    first: NDArray[np.floating[Any]], second: NDArray[np.floating[Any]], *, centred: bool = False
) -> NDArray[np.float64]:
    """Compare each vector of one set with each of another.

    Parameters
    ----------
    first, second : arrays of shape (N, C) and (M, C)
        One vector a row.
    centred : bool
        Subtract from each set its own mean first. What all texts of a language have in common,
        above all that they are of that language, is then gone. It needs a sample of texts of
        both languages, though no label (Libovický, Rosa and Fraser, 2020, arXiv:2004.05160).

    Returns
    -------
    numpy.ndarray
        Shape ``(N, M)``, from -1 to 1.
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if centred:
        a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    a = a / np.linalg.norm(a, axis=1, keepdims=True)
    b = b / np.linalg.norm(b, axis=1, keepdims=True)
    return a @ b.T  # (N, M)


def translation_accuracy(
    first: NDArray[np.floating[Any]], second: NDArray[np.floating[Any]], *, centred: bool = False
) -> float:
    """Share of texts whose nearest neighbour in another language is their own translation.

    Parameters
    ----------
    first, second : arrays of shape (N, C)
        Vectors of N texts and, in the same order, of their translations. Guessing gives 1 / N.
    centred : bool
        As for `cosine_similarity`.

    Returns
    -------
    float
        The share, from 0 to 1.

    Raises
    ------
    ValueError
        If there are not as many translations as texts.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} texts and {len(second)} translations: give one for each")
    found = cosine_similarity(first, second, centred=centred).argmax(axis=1)
    return float(np.mean(found == np.arange(len(first))))


# --------------------------------------------------------------------------------------------
# How a tokenizer treats a language
# --------------------------------------------------------------------------------------------


class Pieces(NamedTuple):
    """How a tokenizer cuts some texts; special tokens are not counted.

    Attributes
    ----------
    per_text
        Pieces a text.
    per_character
        Pieces a character, spaces not counted.
    unknown
        Share of pieces that the tokenizer does not know, 0 to 1.
    seen
        Share of pieces that also occur in the other texts, 0 to 1; NaN without any.
    """

    per_text: float
    per_character: float
    unknown: float
    seen: float


def describe_pieces(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], seen_in: Sequence[str] = ()
) -> Pieces:
    """Count the pieces of texts, the unknown ones, and those that other texts hold too.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
        The tokenizer.
    texts : sequence of str
        Texts of one language.
    seen_in : sequence of str
        Texts that a classifier was trained on, for example English ones.

    Returns
    -------
    Pieces
        The counts and shares.
    """
    cut = tokenizer(list(texts), add_special_tokens=False)["input_ids"]
    ids = [piece for text in cut for piece in text]
    characters = sum(not character.isspace() for text in texts for character in text)
    seen = float("nan")
    if len(seen_in):
        known = tokenizer(list(seen_in), add_special_tokens=False)["input_ids"]
        known_ids = {piece for text in known for piece in text}
        seen = float(np.mean([piece in known_ids for piece in ids]))
    unknown = float(np.mean([piece == tokenizer.unk_token_id for piece in ids]))
    return Pieces(len(ids) / len(texts), len(ids) / characters, unknown, seen)


def rank_correlation(
    first: ArrayLike, second: ArrayLike, *, draws: int = 5_000, seed: int = 0
) -> Interval:
    """Correlate the ranks of two lists, and say how sure we can be of it.

    Parameters
    ----------
    first, second : arrays of shape (N,)
        For example one value a language each.
    draws : int
        How often the N pairs are drawn anew, with replacement, for the interval.
    seed : int
        Seed of the draws.

    Returns
    -------
    Interval
        Spearman's rho (1904, https://doi.org/10.2307/1412159) from -1 to 1 and the 2.5 and 97.5
        per cent points of the draws (Efron, 1979, https://doi.org/10.1214/aos/1176344552).

    Raises
    ------
    ValueError
        With fewer than five pairs, or lists of different length.
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1 or len(a) < 5:
        raise ValueError(
            f"need two lists of the same length, five values or more; got {a.shape}, {b.shape}"
        )
    rho = float(np.corrcoef(stats.rankdata(a), stats.rankdata(b))[0, 1])
    rows = np.random.default_rng(seed).integers(len(a), size=(draws, len(a)))
    x, y = stats.rankdata(a[rows], axis=1), stats.rankdata(b[rows], axis=1)
    x, y = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    spread = np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    drawn = (x * y).sum(axis=1)[spread > 0] / spread[spread > 0]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Interval(rho, float(low), float(high), len(a))
