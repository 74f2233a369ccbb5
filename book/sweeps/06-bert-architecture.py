"""Chapter 6: how near the layers by hand are to the library's, what padding does, what hiding does.

Nothing here is drawn at random, so there are no seeds: ``seed`` numbers the sentences, which stand
in their place. The sentences about a bank are written for this book; the others are training
sentences of film reviews, the first of at least eight tokens.
"""

from __future__ import annotations

from functools import lru_cache

import torch

import tlhelpers as tl
from tlhelpers.pretrained.models import Loaded
from tlhelpers.subjects import architecture

BANK = (
    "She sat on the bank of the river.",
    "He put his money in the bank.",
    "The bank raised its rates.",
    "They fished from the bank all day.",
    "The bank was closed on Sunday.",
    "The west bank of the stream was steep.",
    "My bank lends money to farmers.",
    "The river burst its bank.",
)
SENTENCES, SHORTEST = 40, 8
PADDING = (1, 2, 4, 8, 16, 32, 64)


def points() -> list[dict]:
    """List the points."""
    return [
        *({"stage": "by hand", "seed": seed} for seed in range(SENTENCES)),
        *({"stage": "hidden", "seed": seed} for seed in range(SENTENCES)),
        *({"stage": "word", "seed": seed} for seed in range(len(BANK))),
        *(
            {"stage": "padding", "padding": padding, "mask": mask, "seed": seed}
            for padding in PADDING
            for mask in ("with mask", "without")
            for seed in range(10)
        ),
    ]


@lru_cache(maxsize=1)
def _encoder() -> Loaded:
    tl.start("tiny", seed=0)
    return tl.load("encoder", attn_implementation="eager", quiet=True)


@lru_cache(maxsize=1)
def _sentences() -> list[str]:
    tokenizer = _encoder().tokenizer
    texts = tl.data("sentiment", quiet=True)["train"]["text"][:1000]
    long = [text for text in texts if len(tokenizer(text)["input_ids"]) >= SHORTEST]
    return long[:SENTENCES]


@lru_cache(maxsize=1)
def _vectors_of_bank() -> torch.Tensor:
    model, tokenizer = _encoder()
    found = []
    for sentence in BANK:
        ids = tokenizer(sentence, return_tensors="pt")["input_ids"]
        place = tokenizer.convert_ids_to_tokens(ids[0]).index("bank")
        found.append(model(ids).last_hidden_state[0, place])
    return torch.nn.functional.normalize(torch.stack(found), dim=1)


@torch.no_grad()
def run(point: dict) -> dict[str, float]:
    """Measure one sentence."""
    if point["stage"] == "word":
        similarities = _vectors_of_bank() @ _vectors_of_bank()[point["seed"]]
        similarities[point["seed"]] = -1  # not with itself
        return {"largest_similarity": float(similarities.max())}
    model, tokenizer = _encoder()
    sentence = _sentences()[point["seed"]]
    if point["stage"] == "hidden":
        return _hidden(sentence)
    ids = tokenizer(sentence, return_tensors="pt")["input_ids"]
    states = model(ids, output_hidden_states=True).hidden_states
    if point["stage"] == "by hand":
        x = states[0]
        for layer in model.encoder.layer:
            x = architecture.layer(x, layer, torch.ones_like(ids))
        return {"difference": architecture.difference(x, states[-1])}
    filled = torch.nn.functional.pad(ids, (0, point["padding"]), value=tokenizer.pad_token_id)
    mask = torch.ones_like(filled)
    if point["mask"] == "with mask":
        mask[:, ids.shape[1] :] = 0
    padded = model(filled, mask).last_hidden_state[:, : ids.shape[1]]
    means = padded.mean(dim=1), states[-1].mean(dim=1)
    return {"similarity": float(torch.nn.functional.cosine_similarity(*means))}


def _hidden(sentence: str) -> dict[str, float]:
    found = architecture.hidden_one_by_one(*_encoder(), sentence)
    words, separator = found.iloc[1:-1], found.iloc[-1]
    ranks = words[["attention", "effect"]].rank()
    return {
        "rank_correlation": float(ranks["attention"].corr(ranks["effect"])),
        "attention_separator": float(separator["attention"]),
        "attention_word": float(words["attention"].mean()),
        "effect_separator": float(separator["effect"]),
        "effect_word": float(words["effect"].mean()),
    }
