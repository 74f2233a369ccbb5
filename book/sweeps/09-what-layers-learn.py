"""Chapter 9: what linear probes read off each layer, with control tasks, over five seeds.

A seed draws the articles, reviews and commands, the words that are asked about, and the random
labels of the control tasks, so an interval over the seeds covers the words as well. (Which of them
were right is not kept: seeds that are asked about different words cannot be compared word by word.)
Each probe of each layer and each control task chooses among the same three penalties on its own
validation words. Two models answer: the small encoder, and networks of the same shape with random
weights, another one a seed. For the small encoder, whole sentences are asked too: the mean of their
token vectors. Last, the small encoder is fine-tuned on the sentiment of 500 reviews, by the recipe
of chapter 10, and what changed is measured layer by layer.

The points of a seed follow each other, and each text goes through a network once. The probes of all
layers are fitted in one run, so the time of the first layer's point is that of all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pandas as pd
import torch

import tlhelpers as tl
from tlhelpers.subjects import probing, probing_tasks
from tlhelpers.vectors import hidden_states

NEWS = ("position", "length", "part of speech", "arc", "depth", "entity", "topic")
COMPARED = ("position", "part of speech", "topic")
WHOLE = ("length", "topic")
LAST = 6
KEPT = ["accuracy", "control", "selectivity"]
SEEDS = range(5)
FINE_TUNING = {"learning_rate": 2e-4, "epochs": 2, "batch_size": 32, "max_length": 64}


def points() -> list[dict]:
    """List the points, those of a seed together."""
    return [point | {"seed": seed} for seed in SEEDS for point in _of_a_seed()]


def _of_a_seed() -> list[dict]:
    return [
        *_probed(NEWS),
        *_by_layer("whole", "encoder", WHOLE),
        *_by_layer("layers", "random", COMPARED),
        *_probed(["sentiment"]),
        *_by_layer("change", "encoder", ["sentiment"])[1:],
        *_probed(["slot"]),
    ]


def _by_layer(stage: str, model: str, tasks: Sequence[str]) -> list[dict]:
    return [
        {"stage": stage, "model": model, "task": task, "layer": layer}
        for task in tasks
        for layer in range(LAST + 1)
    ]


def _probed(tasks: Sequence[str]) -> list[dict]:
    listed = []
    for task in tasks:
        listed += _by_layer("layers", "encoder", [task])
        listed.append({"stage": "stack", "model": "encoder", "task": task})
    return listed


def run(point: dict) -> dict[str, float]:
    """Probe one layer, sum up all layers, probe whole sentences, or measure fine-tuning."""
    if point["stage"] == "change":
        return _change(point["seed"])[point["layer"] - 1]
    model, task, seed = point["model"], point["task"], point["seed"]
    if point["stage"] == "whole":
        return {"accuracy": _whole(model, task, seed)[point["layer"]]}
    table = _layers(model, task, seed)
    if point["stage"] == "layers":
        return table[KEPT].loc[point["layer"]].to_dict()
    without = probing_tasks.baselines(_words(task, seed), task, seed=seed)
    best, reach = int(table["validation"].argmax()), table["best_so_far"]
    floor = without["majority"]
    return without | {
        "mean_layer": probing.mean_layer_of_gain(reach, floor),
        "share_at_layer_0": (reach[0] - floor) / (reach[LAST] - floor),
        "at_layer_0": table["accuracy"][0],
        "best_layer": best,
        "accuracy": table["accuracy"][best],
        "control": table["control"][best],
        "selectivity": table["selectivity"][best],
    }


def _group_of(task: str) -> str:
    return "news" if task in NEWS else task


@lru_cache(maxsize=1)
def _group(group: str, seed: int) -> probing_tasks.WordsInContext:
    if group == "news":
        topics = tl.data("topics", profile="tiny", quiet=True)
        return probing_tasks.news_words(topics, seed=seed)[0]
    if group == "sentiment":
        reviews = tl.data("sentiment", profile="tiny", quiet=True)
        return probing_tasks.review_words(reviews, seed=seed)
    return probing_tasks.slot_words(tl.data("ner", profile="tiny", quiet=True), seed=seed)


def _words(task: str, seed: int) -> probing_tasks.WordsInContext:
    return _group(_group_of(task), seed)


@lru_cache(maxsize=1)
@torch.inference_mode()
def _vectors(model: str, group: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Read words and whole sentences off one pass, ``(L + 1, N, C)`` and ``(L + 1, S, C)``."""
    words = _group(group, seed)
    loaded = tl.load(
        "encoder", profile="tiny", pretrained=model == "encoder", seed=seed, quiet=True
    )
    of_words, of_sentences = {}, {}
    for rows, layers, tokens in hidden_states(
        *loaded, words.sentences, layers="all", batch_size=32, max_length=512
    ):
        hidden = torch.stack(layers)  # (L + 1, B, T, C)
        for place, row in enumerate(rows):
            n_tokens = int(tokens["attention_mask"][place].sum())
            starts = probing.first_pieces(tokens.word_ids(place))
            of_words[row] = hidden[:, place, [starts[word] for word in words.positions[row]]]
            of_sentences[row] = hidden[:, place, :n_tokens].mean(1, keepdim=True)
    n = len(words.sentences)
    return tuple(
        torch.cat([parts[row] for row in range(n)], dim=1).numpy()
        for parts in (of_words, of_sentences)
    )


@lru_cache(maxsize=1)
def _layers(model: str, task: str, seed: int) -> pd.DataFrame:
    vectors, _ = _vectors(model, _group_of(task), seed)
    return probing_tasks.probe(vectors, _words(task, seed), task, seed=seed).set_index("layer")


@lru_cache(maxsize=1)
def _whole(model: str, task: str, seed: int) -> list[float]:
    """Probe the mean of each sentence's token vectors."""
    words, (_, vectors) = _words(task, seed), _vectors(model, _group_of(task), seed)
    first = np.cumsum([0, *(len(places) for places in words.positions[:-1])])
    y, split = words.labels[task][first], words.split[first]
    train, validation, test = (np.flatnonzero(split == name) for name in probing_tasks.SPLITS)
    probes = probing.fit_probes(vectors[:, train], y[train], vectors[:, validation], y[validation])
    return probes.accuracy(vectors[:, test], y[test]).tolist()


@lru_cache(maxsize=1)
def _change(seed: int) -> list[dict[str, float]]:
    """Fine-tune on 500 reviews; what moved in each layer's weights and in its vectors."""
    reviews = tl.data("sentiment", profile="tiny", quiet=True)
    train = reviews["train"].shuffle(seed=seed).select(range(500))
    validation = reviews["validation"].shuffle(seed=seed).select(range(200))
    model, tokenizer = tl.load(
        "encoder", task="classification", labels=train, profile="tiny", seed=seed, quiet=True
    )
    asked = _group("sentiment", seed)
    vectors = _vectors("encoder", "sentiment", seed)[0][:, asked.split == "test"]
    before = [_flat(layer) for layer in model.base_model.encoder.layer]
    result = tl.fit(
        model,
        train,
        validation,
        tokenizer=tokenizer,
        best_metric="accuracy",
        seed=seed,
        progress=False,
        **FINE_TUNING,
    )
    tuned = result.model.base_model
    after = [_flat(layer) for layer in tuned.encoder.layer]
    n_test = probing_tasks.SENTENCES["test"]
    held_out = (asked.sentences[-n_test:], asked.positions[-n_test:])
    moved = probing.word_vectors(tuned, tokenizer, *held_out, cache=False, progress=False)
    shares = [float((b - a).norm() / a.norm()) for a, b in zip(before, after, strict=True)]
    return [
        {
            "weight_change": share,
            "over_layer_1": share / shares[0],
            "vector_change": 1 - probing.linear_cka(old, new),
            "validation_accuracy": float(result.history["validation_accuracy"].max()),
        }
        for share, old, new in zip(shares, vectors[1:], moved[1:], strict=True)
    ]


def _flat(layer: torch.nn.Module) -> torch.Tensor:
    return torch.cat([weight.detach().flatten().cpu() for weight in layer.parameters()])
