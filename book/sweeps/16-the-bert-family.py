"""Chapter 16: how long a pass of each encoder takes, by length and batch, and what memory it needs.

Nothing is learnt here, so weights and tokens are random, at the models' true shapes, in float32.
They serve for speed, and for speed only.

"time": a pass of one model beside a pass that it is compared with, in turns, each on one thread;
the median of each. "ratio" is the time of the first over that of the second, "speed" its inverse,
"ratio_a_token" the same for each token, "operations_ratio" what the counted operations say of the
same two. The sweep runs two points side by side, so that another process works on the other core:
milliseconds are those of a busy machine, and two passes in turns are slowed alike. "all global" is
ModernBERT with windows in none of its layers. A seed draws the tokens and stands for one more run.

"memory": the largest resident memory of a process of its own that loads the libraries, builds the
model and makes one pass; "none" loads the libraries alone. One run each.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from functools import lru_cache

from transformers import PreTrainedModel

from tlhelpers.subjects import bert_family

Pass = tuple[str, int, int]  # model, tokens of each text, texts

BASE, MODERN, GLOBAL = "BERT-base", "ModernBERT-base", "ModernBERT-base, all global"
OTHERS = [name for name in bert_family.FAMILY if name != BASE]
# Timed passes, and those of warm-up, by the tokens of a pass: longer ones vary less.
REPEATS = {16: (20, 5), 128: (6, 1), 512: (3, 1), 1024: (2, 0), 4096: (1, 0)}
LONGEST_WARM_UP = 512  # tokens; longer passes are warmed up by one of this length
SEEDS, FEW_SEEDS = range(5), range(3)
# A time is one machine's, and on one machine an hour's.
NOT_COMPARED = ("milliseconds", "to_milliseconds", "ratio", "ratio_a_token", "speed")
TOLERANCE = {"megabytes": 100}


def points() -> list[dict]:
    """List the points, those of a model together."""
    base = {length: (BASE, length, 1) for length in (16, 128, 512)}
    compared: list[tuple[Pass, Pass]] = [
        (base[16], base[128]),
        (base[512], base[128]),
        (base[128], base[16]),
        ((BASE, 16, 8), base[16]),
        ((BASE, 128, 8), base[128]),
    ]
    for name in OTHERS:
        compared += [((name, length, 1), base[length]) for length in (16, 128)]
        if name in ("DistilBERT", MODERN):
            compared.append(((name, 512, 1), base[512]))
        else:
            compared.append(((name, 512, 1), base[128]))
    long = (MODERN, 512, 1)
    compared.append(((MODERN, 1024, 1), long))
    compared.append(((MODERN, 2048, 1), (GLOBAL, 2048, 1)))
    compared.append(((MODERN, 4096, 1), long))
    times = [
        {"stage": "time", "model": this[0], "length": this[1], "batch": this[2]}
        | {"to_model": other[0], "to_length": other[1], "to_batch": other[2], "seed": seed}
        for seeds in (FEW_SEEDS, SEEDS[len(FEW_SEEDS) :])  # stopped early, it has a few of each
        for this, other in compared
        for seed in seeds
    ]
    weighed: list[Pass] = [("none", 0, 0), (BASE, 128, 1), (BASE, 128, 32)]
    weighed += [(name, 512, 1) for name in bert_family.FAMILY] + [(MODERN, 4096, 1)]
    memory = [
        {"stage": "memory", "model": name, "length": length, "batch": batch, "seed": 0}
        for name, length, batch in weighed
    ]
    return memory + times


def run(point: dict) -> dict[str, float]:
    """Time a pass beside another, or weigh a process."""
    this: Pass = (point["model"], point["length"], point["batch"])
    if point["stage"] == "memory":
        return {"megabytes": _peak_megabytes(*this)}
    other: Pass = (point["to_model"], point["to_length"], point["to_batch"])
    tokens = max(this[1] * this[2], other[1] * other[2])
    repeats, warm_up = REPEATS[min(most for most in REPEATS if most >= tokens)]
    passes = [_pass(*one, point["seed"]) for one in (this, other)]
    for name, length, _ in (this, other):
        _pass(name, min(length, LONGEST_WARM_UP), 1, point["seed"])()
    seconds, to_seconds = bert_family.time_in_turns(passes, repeats, warm_up)
    ratio, counted = seconds / to_seconds, _operations(*this) / _operations(*other)
    fewer = other[1] * other[2] / (this[1] * this[2])
    return {
        "milliseconds": 1000 * seconds,
        "to_milliseconds": 1000 * to_seconds,
        "ratio": ratio,
        "speed": 1 / ratio,
        "ratio_a_token": ratio * fewer,
        "operations_ratio": counted,
    }


@lru_cache(maxsize=3)
def _model(name: str) -> PreTrainedModel:
    if name == GLOBAL:
        layers = bert_family.configuration(bert_family.FAMILY[MODERN]).num_hidden_layers
        return bert_family.random_model(MODERN, layer_types=["full_attention"] * layers)
    return bert_family.random_model(name)


def _pass(name: str, length: int, batch: int, seed: int) -> Callable[[], None]:
    return bert_family.forward_pass(_model(name), length, batch, seed)


def _operations(name: str, length: int, batch: int) -> int:
    """Count with each pair left out that a window hides: what a pass has to compute at least."""
    counted = bert_family.operations(_model(name).config, length, batch, windows=True)
    return sum(counted.values())


ALONE = """
import sys
import torch
from tlhelpers.subjects import bert_family
torch.set_num_threads(1)
name, length, batch = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
if name != "none":
    bert_family.forward_pass(bert_family.random_model(name), length, batch)()
"""


def _peak_megabytes(name: str, length: int, batch: int) -> float:
    """Weigh a process of its own: what this one has kept of earlier points does not count."""
    process = subprocess.Popen([sys.executable, "-c", ALONE, name, str(length), str(batch)])
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"the process that loads {name} ended with {process.returncode}")
    kilobytes = usage.ru_maxrss if sys.platform != "darwin" else usage.ru_maxrss / 1024
    return kilobytes / 1024
