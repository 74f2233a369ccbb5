"""What settles the computed entries of chapter 8."""

from typing import Any


def full_parameters(width_out: int, width_in: int) -> int:
    """Count the numbers of a full update of one weight matrix."""
    return width_out * width_in


def lora_parameters(rank: int, width_in: int, width_out: int) -> int:
    """Count the numbers of a rank-r update: r x (d_in + d_out), Hu et al. (2021), section 4.1."""
    return rank * (width_in + width_out)


def saving(rank: int, width: int) -> float:
    """Divide a full update of a square matrix by the low-rank one."""
    return full_parameters(width, width) / lora_parameters(rank, width, width)


def product_shapes(rank: int, width_out: int, width_in: int) -> dict[str, list[int]]:
    """Shape of both products of a (d_out x r) and a (r x d_in) matrix.

    Only the first has the shape of the weight; the second is r x r where d_in = d_out, and does
    not exist (an empty list) elsewhere.
    """
    import torch

    tall = torch.empty(width_out, rank, device="meta")
    wide = torch.empty(rank, width_in, device="meta")
    reverse = list((wide @ tall).shape) if width_in == width_out else []
    return {"tall @ wide": list((tall @ wide).shape), "wide @ tall": reverse}


def _adapted_linear(rank: int, alpha: int) -> Any:  # noqa: ANN401 (peft's layer)
    """Wrap one linear layer with peft, as get_peft_model does it inside any model."""
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(48, 32, bias=False))
    adapted: Any = get_peft_model(model, LoraConfig(r=rank, lora_alpha=alpha, target_modules=["0"]))
    return adapted.base_model.model[0]


def starts_as_the_pretrained_layer(rank: int = 8) -> bool:
    """Whether a fresh LoRA layer of peft gives the frozen layer's output exactly."""
    import torch

    layer = _adapted_linear(rank, rank)
    x = torch.randn(5, 48)
    fresh = bool((layer.lora_B["default"].weight == 0).all())
    return fresh and bool(torch.equal(layer(x), layer.base_layer(x)))


def scaling(rank: int, alpha: int) -> float:
    """Factor by which peft multiplies the update B A x."""
    return float(_adapted_linear(rank, alpha).scaling["default"])


def forward_without_scaling_agrees(rank: int, alpha: int) -> bool:
    """Whether W x + B A x, without alpha / r, is what a LoRA layer of peft computes."""
    import torch

    layer = _adapted_linear(rank, alpha)
    torch.nn.init.normal_(layer.lora_B["default"].weight)
    x = torch.randn(5, 48)
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    return bool(torch.allclose(layer(x), layer.base_layer(x) + x @ (b @ a).T, atol=1e-5))


def merged_equals_unmerged(rank: int = 8, alpha: int = 16) -> bool:
    """Whether folding (alpha / r) B A into the weight leaves the output as it was (to 1e-5)."""
    import torch

    layer = _adapted_linear(rank, alpha)
    torch.nn.init.normal_(layer.lora_B["default"].weight)
    x = torch.randn(5, 48)
    before = layer(x)
    layer.merge()
    return bool(torch.allclose(layer.base_layer(x), before, atol=1e-5))


def base_weight_moves_in_training(steps: int = 3) -> bool:
    """Whether a few optimiser steps on a LoRA layer change the pretrained weight."""
    import torch

    layer = _adapted_linear(4, 8)
    before = layer.base_layer.weight.clone()
    trained = [p for p in layer.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        layer(torch.randn(5, 48)).square().mean().backward()
        optimizer.step()
    return not torch.equal(before, layer.base_layer.weight)


def model_parameters(hub_id: str) -> int:
    """Count a model's parameters from its published configuration."""
    from tlhelpers.subjects import lora

    return sum(p.numel() for p in lora.published(hub_id).parameters())


def lora_in_model(hub_id: str, rank: int, targets: str) -> int:
    """Count the numbers that LoRA adds to the named matrices of every layer of a model."""
    from tlhelpers.subjects import lora

    return lora.lora_parameters(lora.published(hub_id), rank, targets)


def lora_share(hub_id: str, rank: int, targets: str) -> float:
    """Percentage of a decoder's parameters that LoRA adds."""
    return 100 * lora_in_model(hub_id, rank, targets) / model_parameters(hub_id)


def layer_saving(hub_id: str, rank: int, targets: str) -> int:
    """Divide the parameters of a decoder's layers by what LoRA adds to them."""
    from tlhelpers.subjects import lora

    layers = lora.published(hub_id).base_model.layers
    whole = sum(p.numel() for p in layers.parameters())
    return round(whole / lora_in_model(hub_id, rank, targets))


def roberta_trained(rank: int, labels: int | None) -> int:
    """Count what is trained with LoRA on query and value of RoBERTa-base.

    ``labels``: number of classes of the head that is trained with it; None counts no head.
    """
    from tlhelpers.pretrained.models import meta_model
    from tlhelpers.subjects import lora

    model: Any = meta_model("FacebookAI/roberta-base", task="classification", labels=labels or 2)
    factors = lora.lora_parameters(model, rank, "query and value")
    head = sum(p.numel() for p in model.classifier.parameters())
    return factors + (0 if labels is None else head)


def training_gigabytes(hub_id: str, trained: int, frozen: str = "16 bits") -> float:
    """Memory (10^9 bytes) of weights, gradients and Adam's states, without activations.

    ``trained`` is the number of trained parameters; 0 means all of them.
    """
    from tlhelpers.subjects import lora

    total = model_parameters(hub_id)
    return lora.training_gigabytes(total, trained or total, float(frozen.split()[0]))


def memory_by_rank(hub_id: str, targets: str, low: int, high: int) -> float:
    """Divide the memory of training at a high rank by that at a low one, without activations."""
    from tlhelpers.subjects import lora

    model = lora.published(hub_id)
    total = sum(p.numel() for p in model.parameters())
    lowest, highest = (
        lora.training_gigabytes(total, lora.lora_parameters(model, rank, targets))
        for rank in (low, high)
    )
    return highest / lowest


def cards_of_full_fine_tuning(hub_id: str, gigabytes: float) -> int:
    """Count the cards of a size that hold the states of full fine-tuning, without activations."""
    import math

    return math.ceil(training_gigabytes(hub_id, trained=0) / gigabytes)


def hours_to_read(
    hub_id: str, million_tokens: float, peak_teraflops: float = 312.0, utilisation: float = 0.4
) -> float:
    """Hours in which a LoRA run reads so many tokens on one A100.

    4 operations a weight and token: forward pass and gradients of the activations (Kaplan et al.
    2020, section 2.1); 312 TFLOP/s is the card's 16-bit peak, and 40 % of it a good utilisation.
    """
    rate = peak_teraflops * 1e12 * utilisation / (4 * model_parameters(hub_id))
    return million_tokens * 1e6 / rate / 3600


def first_gradients(start: str) -> dict[str, bool]:
    """Whether a gradient reaches each factor in the first step, by how the factors start."""
    import torch

    layer = _adapted_linear(4, 8)
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    with torch.no_grad():
        a.mul_(start != "both zero")
        b.copy_(torch.randn_like(b) * (start == "both random"))
    layer(torch.randn(5, 48)).square().mean().backward()
    return {"A": bool((a.grad != 0).any()), "B": bool((b.grad != 0).any())}


def hand_made_equals_peft(rank: int = 8, alpha: int = 16) -> dict[str, bool]:
    """Whether output and gradients written out by hand are those of peft's layer (to 1e-4)."""
    import torch

    layer = _adapted_linear(rank, alpha)
    torch.nn.init.normal_(layer.lora_B["default"].weight)
    w, s = layer.base_layer.weight, alpha / rank
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    x, g = torch.randn(5, 48), torch.randn(5, 32)
    theirs = torch.autograd.grad(layer(x), [a, b], g)
    ours = [s * b.T @ g.T @ x, s * g.T @ x @ a.T]
    return {
        "output": torch.allclose(x @ w.T + s * x @ a.T @ b.T, layer(x), atol=1e-4),
        "gradients": all(
            torch.allclose(p, q, atol=1e-4) for p, q in zip(ours, theirs, strict=True)
        ),
    }


def alpha_is_the_rate_of_b() -> bool:
    """Whether Adam gives the same run with four times alpha as with four times the rate of B."""
    import math

    from tlhelpers.subjects.lora import small_run

    return math.isclose(small_run(16, 0.01), small_run(4, 0.04), rel_tol=1e-6)


def rank_stabilised_scaling(rank: int, alpha: float) -> float:
    """Factor by which peft multiplies the update with ``use_rslora``."""
    import torch
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=["0"], use_rslora=True)
    model: Any = get_peft_model(torch.nn.Sequential(torch.nn.Linear(8, 8)), config)
    return float(model.base_model.model[0].scaling["default"])


def dora_equals_peft() -> bool:
    """Whether DoRA's weight written out by hand is the merged weight of peft's layer."""
    import torch
    from peft import LoraConfig, get_peft_model

    from tlhelpers.subjects.lora import dora_weight

    torch.manual_seed(0)
    config = LoraConfig(
        r=4, lora_alpha=8, target_modules=["0"], use_dora=True, init_lora_weights=False
    )
    model: Any = get_peft_model(torch.nn.Sequential(torch.nn.Linear(24, 16)), config)
    layer = model.base_model.model[0]
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    lengths = layer.lora_magnitude_vector["default"].weight
    by_hand = dora_weight(layer.base_layer.weight, a, b, lengths, scaling=2)
    layer.merge()
    return bool(torch.allclose(by_hand, layer.base_layer.weight, atol=1e-6))


def normal_float_levels() -> list[float]:
    """Give the 16 levels of NF4, rounded to four places."""
    from tlhelpers.subjects.lora import nf4_levels

    return [round(level, 4) for level in nf4_levels().tolist()]


def rounding_error(levels: str, block_size: int = 64) -> float:
    """Percentage by which 4-bit rounding in blocks changes normally distributed weights."""
    import torch

    from tlhelpers.subjects import lora

    weight = torch.randn(1024, 1024, generator=torch.Generator().manual_seed(0))
    of = {"NF4": lora.nf4_levels, "evenly spaced": lora.uniform_levels}[levels]()
    return float(
        100 * (lora.round_to_levels(weight, of, block_size) - weight).norm() / weight.norm()
    )


def card_hours_saved() -> float:
    """Divide the card-hours of full fine-tuning by those of LoRA, as section 8 states them.

    At most: the largest number of cards, the fewest hours of full fine-tuning and the most of LoRA.
    """
    from tlhelpers.evidence.stated import numbers_stated

    (hours,) = numbers_stated("08-full-fine-tuning-takes-a-day")
    (hours_with_lora,) = numbers_stated("08-mistral-in-two-hours")
    cards = max(numbers_stated("08-full-fine-tuning-needs-several-gpus"))
    return hours * cards / hours_with_lora
