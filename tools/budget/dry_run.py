"""Run a page of the full profile on the miniature, count what its true models would compute.

    python -m tools.budget.dry_run SLUG REPORT

`tools.budget` starts this process with the variables of the miniature hub. Data sets have their
real size and every batch is dealt out, but a model computes the first tokens of its texts only and
repeats them for the rest. The first processor core stands in for a GPU: a model that nobody moved
there is reported.
"""

from __future__ import annotations

import functools
import json
import os
import sys
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Pipeline, PreTrainedModel

from tlhelpers.pretrained.published import configuration, hub_ids
from tlhelpers.roles import MODELS
from tools.budget.operations import FLOAT32, Cost, cost
from tools.budget.page import run_cells
from tools.project import Project

TOKENS_COMPUTED = 7  # no data set has so many classes that a row of logits could be taken for them
NO_MINIATURE = 64  # so wide a model without a name is of the page's own size, in each profile
OWN = "of the page's own"
GPU = torch.device("cpu", 0)
CUT = {"input_ids", "attention_mask", "token_type_ids", "labels", "position_ids"}
PASSED_ON = CUT | {"output_hidden_states", "output_attentions", "return_dict", "use_cache"}


@dataclass
class Count:
    """What the passes of a page add up to."""

    operations: dict[str, float] = field(default_factory=dict)  # by role
    single: dict[str, float] = field(default_factory=dict)  # of them in single precision
    memory: dict[str, float] = field(default_factory=dict)  # bytes at most, by role
    on_cpu: set[str] = field(default_factory=set)
    saved: dict[str, str] = field(default_factory=dict)  # folders that the page wrote models to
    alive: weakref.WeakSet[PreTrainedModel] = field(default_factory=weakref.WeakSet)
    inside: bool = False
    whole: bool = False  # compute every pass in full, too

    def add(self, model: PreTrainedModel, texts: int, tokens: int) -> None:
        """Count one pass, and the pass back if gradients are wanted."""
        of = self.true(model)
        self.alive.add(model)
        trained = [name for name, p in model.named_parameters() if p.requires_grad]
        backward = "none"
        if torch.is_grad_enabled() and trained:
            backward = "through" if all("lora_" in name for name in trained) else "all"
        operations = of.operations(texts, tokens, backward=backward)
        held = sum(self.true(each).weights for each in self.alive) * FLOAT32
        kept = of.activations(texts, tokens)
        if backward == "none":
            kept /= of.layers  # one layer at a time
        elif backward == "all":
            held += 3 * of.weights * FLOAT32  # the gradient, and AdamW's two means
        role = role_of(of.hub_id)
        self.operations[role] = self.operations.get(role, 0.0) + operations
        if not (torch.is_autocast_enabled("cpu") or torch.is_autocast_enabled("cuda")):
            self.single[role] = self.single.get(role, 0.0) + operations
        self.memory[role] = max(self.memory.get(role, 0.0), held + kept)
        if not getattr(model, "_on_gpu", False):
            self.on_cpu.add(f"{role} ({type(model).__name__})")

    def true(self, model: PreTrainedModel) -> Cost:
        """Find the model that a miniature stands for."""
        config = model.config.to_json_string(False)
        name = str(model.config._name_or_path)
        if not name and model.config.hidden_size >= NO_MINIATURE:
            return cost(OWN, type(model).__name__, model.config.num_labels, config)
        name = name or as_published(config)
        return cost(self.saved.get(name, name), type(model).__name__, model.config.num_labels)


def role_of(hub_id: str) -> str:
    """Name the role of a model."""
    return next((role for role, e in MODELS.items() if e["full"].hub == hub_id), hub_id)


@functools.cache
def as_published(config: str) -> str:
    """Find the model whose configuration a page took for a model with random weights.

    Raises
    ------
    LookupError
        If no published model has this configuration.
    """
    alike = [name for name in hub_ids() if configuration(name).to_json_string(False) == config]
    if not alike:
        raise LookupError(
            "a page computes with a model that is named nowhere and has no published size: build "
            f"it from a configuration of tlhelpers/pretrained/published. It is {config}"
        )
    encoder = MODELS["encoder"]["full"].hub  # of several of one size the one that pages know
    return encoder if encoder in alike else alike[0]


def count_passes(count: Count) -> None:
    """Have every model of transformers that is made from now on counted."""
    make: Any = PreTrainedModel.__init__

    def make_counted(self: PreTrainedModel, *arguments: Any, **named: Any) -> None:  # noqa: ANN401
        kind: Any = type(self)
        if not getattr(kind.forward, "_counted", False):
            kind.forward = counted(kind.forward, count)
        make(self, *arguments, **named)

    PreTrainedModel.__init__ = make_counted  # type: ignore[method-assign]
    move: Any = nn.Module.to

    def to(self: nn.Module, *arguments: Any, **named: Any) -> nn.Module:  # noqa: ANN401
        where = named.get("device", arguments[0] if arguments else None)
        if isinstance(where, str | torch.device):
            for module in self.modules():
                module._on_gpu = torch.device(where) == GPU  # type: ignore[assignment]
        return move(self, *arguments, **named)  # type: ignore[no-any-return]

    nn.Module.to = to  # type: ignore[assignment]
    make_pipeline: Any = Pipeline.__init__

    def make_on_gpu(self: Pipeline, *arguments: Any, **named: Any) -> None:  # noqa: ANN401
        make_pipeline(self, *arguments, **named)
        if named.get("device") is None:  # by itself it takes a GPU where there is one
            self.model._on_gpu = True  # type: ignore[assignment]

    Pipeline.__init__ = make_on_gpu  # type: ignore[method-assign]
    save: Any = PreTrainedModel.save_pretrained

    def save_pretrained(self: PreTrainedModel, folder: Any, *rest: Any, **named: Any) -> None:  # noqa: ANN401
        count.saved[str(folder)] = count.true(self).hub_id
        save(self, folder, *rest, **named)

    PreTrainedModel.save_pretrained = save_pretrained  # type: ignore[method-assign, assignment]


def counted(forward: Callable[..., Any], count: Count) -> Callable[..., Any]:
    """Wrap a model's forward pass: count all of it, compute its first tokens."""

    @functools.wraps(forward)
    def wrapper(self: PreTrainedModel, *arguments: Any, **inputs: Any) -> Any:  # noqa: ANN401
        ids = inputs.get("input_ids", arguments[0] if arguments else None)
        if count.inside or not isinstance(ids, Tensor):
            return forward(self, *arguments, **inputs)
        count.inside = True
        try:
            length = ids.shape[1]
            count.add(self, *ids.shape)
            # A decoder that continues from its cache wants all of it.
            cuttable = not arguments and PASSED_ON.issuperset(inputs)
            if count.whole or not cuttable or inputs.get("use_cache") or length <= TOKENS_COMPUTED:
                return forward(self, *arguments, **inputs)
            cut = {key: _cut(key, value, length) for key, value in inputs.items()}
            return _lengthened(forward(self, **cut), length)
        finally:
            count.inside = False

    wrapper._counted = True  # type: ignore[attr-defined]
    return wrapper


def _cut(key: str, value: Any, length: int) -> Any:  # noqa: ANN401
    per_token = key in CUT and isinstance(value, Tensor) and value.dim() == 2
    if not per_token or value.shape[1] != length:
        return value
    return value[:, :TOKENS_COMPUTED].contiguous()  # a loss flattens labels without copying them


def _lengthened(found: Any, length: int) -> Any:  # noqa: ANN401
    """Repeat the last token's vector up to the length that was asked for."""
    if isinstance(found, Tensor):
        if found.dim() < 3 or found.shape[1] != TOKENS_COMPUTED:
            return found
        last = found[:, -1:].expand(-1, length - TOKENS_COMPUTED, *found.shape[2:])
        return torch.cat([found, last], dim=1)
    if isinstance(found, Mapping):
        return type(found)(**{key: _lengthened(value, length) for key, value in found.items()})
    if isinstance(found, tuple):
        return tuple(_lengthened(value, length) for value in found)
    return found


def run_page(slug: str) -> Count:
    """Run the page's cells, one after the other."""
    import datasets

    from tlhelpers import device
    from tools.budget.true_size import at_true_size

    count = Count()
    count_passes(count)
    datasets.load_dataset = at_true_size(datasets.load_dataset)
    choose = device.choose_device
    device.choose_device = lambda requested="auto": (
        device.Choice(GPU, "stands in for a GPU") if requested == "auto" else choose(requested)
    )
    choose_precision = device.choose_precision

    def as_on_a_gpu(where: torch.device | None = None, requested: str = "auto") -> Any:  # noqa: ANN401
        return choose_precision(where, "bf16" if requested == "auto" else requested)

    device.choose_precision = as_on_a_gpu  # type: ignore[assignment]
    for _ in run_cells(Project(), slug):
        pass
    return count


def main() -> int:
    """Run the page that the arguments name; write what was counted."""
    slug, report = sys.argv[1], Path(sys.argv[2]).resolve()
    os.chdir(report.parent)  # a page may write where it runs
    count = run_page(slug)
    content = {
        "operations": count.operations,
        "single": count.single,
        "memory": count.memory,
        "on_cpu": sorted(count.on_cpu),
    }
    report.write_text(json.dumps(content, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
