"""Chapter 9: what linear probes read off each layer, with control tasks, over five seeds.

A seed draws the articles, reviews and commands, the words that are asked about, and the random
labels of the control tasks. Each probe of each layer and each control task chooses among the same
three penalties on its own validation words. Two models answer: the small encoder, and the same
network with random weights. For the small encoder, whole sentences are asked too: the mean of their
token vectors. Last, the small encoder is fine-tuned on the sentiment of 500 reviews, and what
changed is measured layer by layer.

The probes of all layers are fitted in one run, so the time of the first layer's point is that of
all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pandas as pd
import torch

import tlhelpers as tl
from tlhelpers.subjects import probing, probing_tasks

NEWS = ("position", "length", "part of speech", "arc", "depth", "entity", "topic")
TASKS = (*NEWS, "sentiment", "slot")
LAYERS = {"encoder": 6, "random": 6}
COMPARED = ("position", "part of speech", "topic")
WHOLE = ("length", "topic")
KEPT = ["accuracy", "control", "selectivity", "accuracy_seen", "control_seen"]
SEEDS = range(5)
FINE_TUNING = {"learning_rate": 2e-4, "epochs": 3, "batch_size": 32}


def points() -> list[dict]:
    """List the points, cheap and decisive ones first."""
    return [
        *_probed("encoder", TASKS),
        *({"stage": "whole", **point} for point in _by_layer("encoder", WHOLE)),
        *_probed("random", COMPARED),
        *(
            {"stage": "change", **point}
            for point in _by_layer("encoder", ["sentiment"])
            if point["layer"] > 0
        ),
    ]


def _by_layer(model: str, tasks: Sequence[str]) -> list[dict]:
    return [
        {"model": model, "task": task, "layer": layer, "seed": seed}
        for seed in SEEDS
        for task in tasks
        for layer in range(LAYERS[model] + 1)
    ]


def _probed(model: str, tasks: Sequence[str]) -> list[dict]:
    listed = [{"stage": "layers", **point} for point in _by_layer(model, tasks)]
    if model == "random":
        return listed
    last = LAYERS[model]
    stacks = [
        {"stage": "stack", "model": model, "task": point["task"], "seed": point["seed"]}
        for point in listed
        if point["layer"] == last
    ]
    return sorted(listed + stacks, key=lambda point: (point["seed"], tasks.index(point["task"])))


def run(point: dict) -> dict[str, float]:
    """Probe one layer, sum up all layers, probe whole sentences, or measure fine-tuning."""
    if point["stage"] == "change":
        return _change(point["seed"])[point["layer"] - 1]
    model, task, seed = point["model"], point["task"], point["seed"]
    if point["stage"] == "whole":
        return _whole(model, task, seed).loc[point["layer"]].to_dict()
    if point["stage"] == "layers":
        found = _layers(model, task, seed)[KEPT].loc[point["layer"]].to_dict()
        return found | probing_tasks.baselines(_words(task, seed), task, seed=seed)
    table = _layers(model, task, seed)
    floor = probing_tasks.baselines(_words(task, seed), task, seed=seed)["majority"]
    best = int(table["validation"].argmax())
    return {
        "centre_of_gravity": probing.centre_of_gravity(table["best_so_far"], floor),
        "best_layer": best,
        "accuracy": table["accuracy"][best],
        "control": table["control"][best],
        "selectivity": table["selectivity"][best],
        "most_selective_layer": int(table["selectivity"].argmax()),
    }


@lru_cache(maxsize=1)
def _topics():  # noqa: ANN202
    return tl.data("topics", profile="tiny", quiet=True)


@lru_cache(maxsize=3)
def _group(group: str, seed: int) -> probing_tasks.WordsInContext:
    if group == "news":
        return probing_tasks.news_words(_topics(), seed=seed)[0]
    if group == "sentiment":
        return probing_tasks.review_words(
            tl.data("sentiment", profile="tiny", quiet=True), seed=seed
        )
    return probing_tasks.slot_words(tl.data("ner", profile="tiny", quiet=True), seed=seed)


def _words(task: str, seed: int) -> probing_tasks.WordsInContext:
    return _group("news" if task in NEWS else task, seed)


@lru_cache(maxsize=1)
def _model(model: str):  # noqa: ANN202
    role, pretrained = ("encoder", False) if model == "random" else (model, True)
    return tl.load(role, profile="tiny", pretrained=pretrained, seed=0, quiet=True)


@lru_cache(maxsize=3)
def _group_vectors(model: str, group: str, seed: int) -> np.ndarray:
    words = _group(group, seed)
    return probing.word_vectors(
        *_model(model), words.sentences, words.positions, cache=False, progress=False
    )


def _vectors(model: str, task: str, seed: int) -> np.ndarray:
    return _group_vectors(model, "news" if task in NEWS else task, seed)


@lru_cache(maxsize=1)
def _layers(model: str, task: str, seed: int) -> pd.DataFrame:
    vectors, words = _vectors(model, task, seed), _words(task, seed)
    return probing_tasks.probe(vectors, words, task, seed=seed).set_index("layer")


@lru_cache(maxsize=1)
def _whole(model: str, task: str, seed: int) -> pd.DataFrame:
    """Probe the mean of each sentence's token vectors; majority class for comparison."""
    words = _words(task, seed)
    vectors = probing.sentence_vectors(*_model(model), words.sentences, cache=False, progress=False)
    first = np.cumsum([0, *(len(places) for places in words.positions[:-1])])
    y, split = words.labels[task][first], words.split[first]
    at = {name: np.flatnonzero(split == name) for name in probing_tasks.SPLITS}
    probes = probing.fit_probes(
        vectors[:, at["train"]], y[at["train"]], vectors[:, at["validation"]], y[at["validation"]]
    )
    truth = y[at["test"]]
    majority = float((truth == np.bincount(y[at["train"]]).argmax()).mean())
    return pd.DataFrame(
        {"accuracy": probes.accuracy(vectors[:, at["test"]], truth), "majority": majority}
    )


@lru_cache(maxsize=1)
def _change(seed: int) -> list[dict[str, float]]:
    """Fine-tune on 500 reviews; what moved in each layer's weights and in its vectors."""
    reviews = tl.data("sentiment", profile="tiny", quiet=True)
    train = reviews["train"].shuffle(seed=seed).select(range(500))
    model, tokenizer = tl.load(
        "encoder", task="classification", labels=train, profile="tiny", seed=seed, quiet=True
    )
    before = [_flat(layer) for layer in model.base_model.encoder.layer]
    asked = _group("sentiment", seed)
    asked_of = (asked.sentences[-300:], asked.positions[-300:])
    vectors = probing.word_vectors(
        model.base_model, tokenizer, *asked_of, cache=False, progress=False
    )
    result = tl.fit(
        model,
        train,
        reviews["validation"],
        tokenizer=tokenizer,
        max_length=64,
        best_metric="accuracy",
        seed=seed,
        progress=False,
        **FINE_TUNING,
    )
    tuned = result.model
    after = [_flat(layer) for layer in tuned.base_model.encoder.layer]
    moved = probing.word_vectors(
        tuned.base_model, tokenizer, *asked_of, cache=False, progress=False
    )
    accuracy = float(result.history["validation_accuracy"].max())
    return [
        {
            "weight_change": float((b - a).norm() / a.norm()),
            "vector_change": 1 - probing.linear_cka(old, new),
            "accuracy": accuracy,
        }
        for a, b, old, new in zip(before, after, vectors[1:], moved[1:], strict=True)
    ]


def _flat(layer: torch.nn.Module) -> torch.Tensor:
    return torch.cat([weight.detach().flatten().cpu() for weight in layer.parameters()])
