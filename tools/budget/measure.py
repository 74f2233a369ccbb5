"""Run a page in its full sizes on a GPU, and set what it took beside its computed budget.

    python -m tools.budget.measure 10 --report FILE

Models have their true shapes and random weights, data sets their true rows and lengths: seconds and
memory are real, every score is noise. It needs a CUDA GPU and no network.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, PreTrainedConfig, PreTrainedModel

from tlhelpers.pretrained.published import configuration, hub_ids
from tools.budget.dry_run import Count, count_passes
from tools.budget.operations import REACHED, T4
from tools.budget.page import environment_of_a_new_reader, path, run_cells
from tools.budget.second_device import nothing_left_on_the_cpu
from tools.budget.true_size import at_true_size
from tools.project import Project, UserError, read_json, write_atomically

TELLING = 1e12  # operations; of cells with fewer no share of the peak is given
LARGE = 1_000_000  # weights: fewer than any published model has, more than an adapter by hand


def with_true_shapes() -> None:
    """Have every model of the hub made in its published shape, from random weights.

    A folder that a page wrote is read as it is.
    """
    read_config: Any = AutoConfig.from_pretrained
    from_pretrained: Any = PreTrainedModel.from_pretrained.__func__  # type: ignore[attr-defined]

    def true_config(name: Any, **named: Any) -> Any:  # noqa: ANN401
        small, unused = read_config(name, **named | {"return_unused_kwargs": True})
        config = enlarged(small, str(name)) if str(name) in hub_ids() else small
        return (config, unused) if named.get("return_unused_kwargs") else config

    def random_weights(cls: Any, name: Any, *rest: Any, **named: Any) -> Any:  # noqa: ANN401
        if str(name) not in hub_ids():
            return from_pretrained(cls, name, *rest, **named)
        config = named.get("config") or enlarged(cls.config_class.from_pretrained(name), str(name))
        model = cls(config)
        report: dict[str, list[str]] = {"missing_keys": []}
        return (model, report) if named.get("output_loading_info") else model

    AutoConfig.from_pretrained = true_config  # type: ignore[method-assign, assignment]
    PreTrainedModel.from_pretrained = classmethod(random_weights)  # type: ignore[assignment]


def enlarged(small: PreTrainedConfig, hub_id: str) -> PreTrainedConfig:
    """Give the published configuration, with the tokens that the miniature's tokenizer names."""
    config = configuration(hub_id)
    for name in ("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id"):
        if getattr(small, name, None) is not None:
            setattr(config, name, getattr(small, name))
    config._name_or_path = hub_id
    return config


def run_page(slug: str) -> dict[str, Any]:
    """Run the page's cells one after the other; time each, and count its operations."""
    import datasets

    with_true_shapes()
    count = Count(whole=True)
    count_passes(count)
    datasets.load_dataset = at_true_size(datasets.load_dataset)
    cells, before, began = [], 0.0, time.perf_counter()
    with nothing_left_on_the_cpu(LARGE):
        for place, code in enumerate(run_cells(Project(), slug)):
            torch.cuda.synchronize()
            done, now = sum(count.operations.values()), time.perf_counter()
            cells.append(
                {
                    "cell": place,
                    "begins": next(iter(code.strip().splitlines()), ""),
                    "seconds": now - began,
                    "operations": done - before,
                }
            )
            before, began = done, now
    return {
        "operations": sum(count.operations.values()),
        "single": sum(count.single.values()),
        "cells": cells,
    }


def table(slug: str, found: dict[str, Any], budget: dict[str, Any]) -> str:
    """Set what was measured beside what was computed."""
    heavy = [cell for cell in found["cells"] if cell["operations"] >= TELLING]
    lines = [
        f"{slug} on {found['gpu']}, torch {found['torch']}, transformers {found['transformers']}",
        f"{'':34} {'computed':>10} {'measured':>10}",
        f"{'operations of the page':34} {sum(budget['operations'].values()):10.3g} "
        f"{found['operations']:10.3g}",
        f"{'of them in fp32':34} {sum(budget['single'].values()):10.3g} {found['single']:10.3g}",
        f"{'memory at most, GB':34} {max(budget['memory'].values()) / 1e9:10.2f} "
        f"{found['peak_bytes'] / 1e9:10.2f}",
        f"{'seconds in all':34} {'':10} {sum(c['seconds'] for c in found['cells']):10.1f}",
    ]
    if not heavy:
        return "\n".join([*lines, "", "no cell is heavy enough to tell a speed"])
    speed = sum(c["operations"] for c in heavy) / sum(c["seconds"] for c in heavy)
    lines += [
        f"{'TFLOP/s, on a T4 and here':34} {T4 * REACHED / 1e12:10.1f} {speed / 1e12:10.1f}",
        "",
        f"{'cell':>4} {'seconds':>8} {'operations':>11} {'TFLOP/s':>8}  begins",
    ]
    lines += [
        f"{cell['cell']:4} {cell['seconds']:8.1f} {cell['operations']:11.2e} "
        f"{cell['operations'] / cell['seconds'] / 1e12:8.1f}  {cell['begins'][:50]}"
        for cell in heavy
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure one page, in a process that sees the miniature hub from its start."""
    parser = argparse.ArgumentParser(prog="python -m tools.budget.measure", description=__doc__)
    parser.add_argument("chapter", help="number, slug or file")
    parser.add_argument("--report", type=Path, help="also write all of it to this JSON file")
    options = parser.parse_args(arguments)
    project = Project()
    try:
        (slug,) = project.select([options.chapter])
        if not torch.cuda.is_available():
            raise UserError("no CUDA GPU here: `python -m tools.budget` computes without one")
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    if os.environ.get("TL_MINIATURE") != "1":
        # Not by tools.execution: a machine that is lent for its GPU may lack papermill.
        from tests.miniature.build import build

        hub = build(project.build / "miniature" / "hub")
        command = [sys.executable, "-m", "tools.budget.measure", slug]
        if options.report:
            command += ["--report", str(options.report.resolve())]
        with tempfile.TemporaryDirectory(prefix=f"tl-{slug}-") as folder:  # a page may write there
            environment = environment_of_a_new_reader(hub, Path(folder))
            done = subprocess.run(command, cwd=folder, env=environment, check=False)
        return done.returncode
    torch.cuda.reset_peak_memory_stats()
    found = run_page(slug) | {
        "peak_bytes": torch.cuda.max_memory_allocated(),
        "gpu": torch.cuda.get_device_name(),
        "torch": version("torch"),
        "transformers": version("transformers"),
    }
    if options.report:
        write_atomically(options.report, json.dumps(found, indent=1) + "\n")
    print(table(slug, found, (read_json(path(project)) or {})[slug]))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
