"""Compare `tlhelpers.training.fit` with `transformers.Trainer`: speed, memory, accuracy.

    make bench                                    medians of five paired runs
    python -m benchmarks.bench_fit --repeats 1    a quick look

Each run is a process of its own that fine-tunes the encoder on the same labelled sentences, with
the same batch size, rate, schedule, precision and epochs. The contenders take turns, so that a
slow minute of the machine falls on all of them. What is timed is the whole call of ``train()`` or
``fit()``, without evaluation.

The share of the machine's peak sets the arithmetic that the model asks for, 6 operations a token
and encoder weight plus the attention, over what a large matrix product reaches here in the same
minute. Padding and what `fit` leaves out (`tlhelpers.training.unread_tokens`) do not change the
count: it is work delivered, not work done.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

CONTENDERS = ("Trainer, defaults", "Trainer, best", "fit")
LABELS = 1_000
SETTINGS = {"learning_rate": 2e-4, "batch_size": 32, "weight_decay": 0.01, "max_length": 64}
RESULTS = Path(__file__).parent / "results" / "bench_fit.json"


def run_once(contender: str, seed: int) -> dict[str, float]:
    """Train once in this process and measure."""
    import numpy as np
    import torch

    import tlhelpers as tl
    from tlhelpers.device import memory

    reviews = tl.data("sentiment", profile="tiny", quiet=True)
    rows = reviews["train"].shuffle(seed=seed).select(range(LABELS))
    model, tokenizer = tl.load(
        "encoder", task="classification", labels=rows, profile="tiny", seed=seed, quiet=True
    )
    cut = {"truncation": True, "max_length": SETTINGS["max_length"]}
    rows = rows.map(lambda batch: tokenizer(batch["text"], **cut), batched=True)
    peak = _matrix_product_peak()
    began = time.perf_counter()
    if contender == "fit":
        tl.fit(
            model,
            rows,
            tokenizer=tokenizer,
            epochs=1,
            learning_rate=SETTINGS["learning_rate"],
            batch_size=SETTINGS["batch_size"],
            weight_decay=SETTINGS["weight_decay"],
            warmup=0.0,
            progress=False,
            seed=seed,
        )
    else:
        _train_with_trainer(model, tokenizer, rows, best=contender == "Trainer, best", seed=seed)
    seconds = time.perf_counter() - began
    memory_peak = memory(torch.device("cpu")).value
    lengths = np.array([len(ids) for ids in rows["input_ids"]])
    scores = tl.evaluate(model, reviews["validation"], tokenizer=tokenizer)
    return {
        "samples_per_second": LABELS / seconds,
        "share_of_peak": _operations(model, lengths) / seconds / peak,
        "peak_memory_gb": memory_peak / 1e9,
        "validation_accuracy": scores["accuracy"],
        "machine_peak_gflops": peak / 1e9,
    }


def _train_with_trainer(model: Any, tokenizer: Any, rows: Any, *, best: bool, seed: int) -> None:  # noqa: ANN401
    from transformers import DataCollatorWithPadding, Trainer, TrainingArguments

    tuned = (
        {"optim": "adamw_torch_fused", "train_sampling_strategy": "group_by_length"} if best else {}
    )
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            num_train_epochs=1,
            learning_rate=SETTINGS["learning_rate"],
            per_device_train_batch_size=int(SETTINGS["batch_size"]),
            weight_decay=SETTINGS["weight_decay"],
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=True,
            seed=seed,
            **tuned,
        )
        collator = DataCollatorWithPadding(tokenizer)
        Trainer(model=model, args=arguments, train_dataset=rows, data_collator=collator).train()


def _operations(model: Any, lengths: Any) -> float:  # noqa: ANN401
    """Count forward and backward operations: Kaplan and others 2020, arXiv:2001.08361, table 1."""
    config = model.config
    weights = sum(p.numel() for p in model.base_model.encoder.parameters())
    attention = 12 * config.num_hidden_layers * config.hidden_size * float((lengths**2).sum())
    return 6.0 * weights * float(lengths.sum()) + attention


def _matrix_product_peak(size: int = 2048, times: int = 6) -> float:
    import torch

    a, b = torch.randn(size, size), torch.randn(size, size)
    best = 0.0
    for _ in range(times):
        began = time.perf_counter()
        a @ b
        best = max(best, 2 * size**3 / (time.perf_counter() - began))
    return best


def main(arguments: list[str] | None = None) -> int:
    """Run the contenders in turns, print a table, store the measurements."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeats", type=int, default=5, help="paired runs (now: %(default)s)")
    parser.add_argument("--one", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one:
        print(json.dumps(run_once(options.one, options.seed)))
        return 0
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in CONTENDERS}
    for repeat in range(options.repeats):
        # Another one begins each time: the first run of a round meets a cooler machine.
        turn = repeat % len(CONTENDERS)
        for name in [*CONTENDERS[turn:], *CONTENDERS[:turn]]:
            command = [sys.executable, "-m", "benchmarks.bench_fit", "--one", name]
            done = subprocess.run(
                [*command, "--seed", str(repeat)],
                capture_output=True,
                text=True,
                env={**os.environ, "TL_STATIC": "1", "HF_HUB_OFFLINE": "1"},
            )
            if done.returncode:
                print(done.stderr, file=sys.stderr)
                return 1
            runs[name].append(json.loads(done.stdout.strip().splitlines()[-1]))
            speed = runs[name][-1]["samples_per_second"]
            print(f"  {repeat + 1}/{options.repeats} {name:18} {speed:5.1f} samples/s", flush=True)
    report(runs)
    return 0


def report(runs: dict[str, list[dict[str, float]]]) -> None:
    """Print medians with their spread, and the ratio within each pair; store all of it."""
    from tlhelpers.device import processor_name
    from tools.project import write_atomically

    print(f"\n{'':18} {'samples/s':>20} {'of peak':>9} {'memory GB':>10} {'accuracy':>18}")
    for name, measured in runs.items():
        speed, share, memory, accuracy = (
            [run[key] for run in measured]
            for key in (
                "samples_per_second",
                "share_of_peak",
                "peak_memory_gb",
                "validation_accuracy",
            )
        )
        spread = f"({min(speed):.1f} to {max(speed):.1f})"
        print(
            f"{name:18} {statistics.median(speed):6.1f} {spread:>15}"
            f" {statistics.median(share):7.0%} {statistics.median(memory):10.2f}"
            f" {statistics.mean(accuracy):7.1%} ({min(accuracy):.1%} to {max(accuracy):.1%})"
        )
    for name in CONTENDERS[:2]:
        pairs = zip(runs["fit"], runs[name], strict=True)
        ratios = [
            ours["samples_per_second"] / theirs["samples_per_second"] for ours, theirs in pairs
        ]
        print(
            f"fit over {name}: {statistics.median(ratios):.2f} times"
            f" ({min(ratios):.2f} to {max(ratios):.2f})"
        )
    content = {"processor": processor_name(), "settings": SETTINGS, "labels": LABELS, "runs": runs}
    write_atomically(RESULTS, json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    raise SystemExit(main())
