"""Which weights to train, and how fast: freezing, gradual unfreezing, layer-wise rates."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn


def layer_groups(model: nn.Module) -> dict[str, list[str]]:
    """Sort a model's parameters into layers, from the input to the output.

    Parameters
    ----------
    model : nn.Module
        Any model whose layers sit in an ``nn.ModuleList``, as those of transformers do.

    Returns
    -------
    dict
        ``"embeddings"``, ``"layer 0"``, ``"layer 1"``, ..., ``"head"``, each with its parameters'
        names. What stands before the layers counts as embeddings, relative positions too; what
        stands behind them (final norm, pooler, classifier) as head. A decoder's layers follow its
        encoder's.
    """
    stacks = _stacks(model)
    groups: dict[str, list[str]] = {"embeddings": []}
    layer_of = {
        f"{stack}.{index}.": f"layer {number}"
        for number, (stack, index) in enumerate((s, i) for s, n in stacks for i in range(n))
    }
    groups |= {name: [] for name in layer_of.values()}
    groups["head"] = []
    seen_layer = False
    for name, _ in model.named_parameters():
        layer = next((layer for prefix, layer in layer_of.items() if name.startswith(prefix)), None)
        seen_layer = seen_layer or layer is not None
        groups[layer or ("head" if seen_layer or not stacks else "embeddings")].append(name)
    # A T5 or BART names its decoder's embeddings and norms after the encoder's layers, a DeBERTa or
    # MPNet the table of its relative positions (and its norm): only what stands outside the stacks,
    # in the model's own head, is a head there.
    parents = tuple(stack.rpartition(".")[0] + "." for stack, _ in stacks)
    inner = [name for name in groups["head"] if name.startswith(parents)]
    modules = [model.get_submodule(name.rpartition(".")[0]) for name in inner]
    if len(stacks) > 1 or any(isinstance(module, nn.Embedding) for module in modules):
        groups["head"] = [name for name in groups["head"] if name not in inner]
        groups["embeddings"] += inner
    return {name: members for name, members in groups.items() if members}


def _stacks(model: nn.Module) -> list[tuple[str, int]]:
    """Name the outermost module lists of alike layers, in the order of the model."""
    found: list[tuple[str, int]] = []
    for name, module in model.named_modules():
        inside = any(name.startswith(outer + ".") for outer, _ in found)
        if isinstance(module, nn.ModuleList) and len(module) and not inside:
            alike = len({type(layer) for layer in module}) == 1
            has_weights = any(True for _ in module.parameters())
            if alike and has_weights and not isinstance(module[0], nn.Linear | nn.Embedding):
                found.append((name, len(module)))
    return found


def freeze(model: nn.Module, groups: Iterable[str] | None = None) -> int:
    """Stop training of some layers; by default of everything but the head.

    Parameters
    ----------
    model : nn.Module
        Changed in place.
    groups : iterable of str, optional
        Names from :func:`layer_groups`; all but ``"head"`` if not given.

    Returns
    -------
    int
        How many parameters are still trained.

    Raises
    ------
    ValueError
        If the model has no such group.
    """
    if groups is None:
        groups = [name for name in layer_groups(model) if name != "head"]
    return _set_trained(model, groups, False)


def unfreeze(model: nn.Module, groups: Iterable[str] | None = None) -> int:
    """Train some layers again; by default all.

    Parameters
    ----------
    model : nn.Module
        Changed in place.
    groups : iterable of str, optional
        Names from :func:`layer_groups`.

    Returns
    -------
    int
        How many parameters are trained now.
    """
    return _set_trained(model, layer_groups(model) if groups is None else groups, True)


def _set_trained(model: nn.Module, groups: Iterable[str], trained: bool) -> int:
    there = layer_groups(model)
    parameters = dict(model.named_parameters())
    for group in [groups] if isinstance(groups, str) else groups:
        if group not in there:
            raise ValueError(f"the model has no layer group {group!r}: it has {', '.join(there)}")
        for name in there[group]:
            parameters[name].requires_grad_(trained)
    return trained_parameters(model)


def trained_parameters(model: nn.Module) -> int:
    """Count the parameters that a training run would change."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def unfrozen_groups(groups: Iterable[str], epoch: float, unfreeze_every: float) -> list[str]:
    """Say which layers are trained in an epoch of gradual unfreezing.

    Parameters
    ----------
    groups : iterable of str
        Layer groups from the input to the output.
    epoch : float
        Epochs done.
    unfreeze_every : float
        Epochs after which the next group below joins.

    Returns
    -------
    list of str
        The head alone at first, then one more group from the top each time (Howard and Ruder 2018,
        https://arxiv.org/abs/1801.06146).
    """
    names = list(groups)
    # 0.3 / 0.1 is a little less than 3.
    return names[-(1 + int(epoch / unfreeze_every + 1e-9)) :]


def unfreeze_in_turn(
    names: Mapping[Tensor, str],
    groups: Mapping[str, Sequence[str]],
    epoch: float,
    unfreeze_every: float,
) -> bool:
    """Let those layers train, and only those, whose turn it is in gradual unfreezing.

    Parameters
    ----------
    names : mapping
        The parameters to train in the end, and what the model calls them. Changed in place.
    groups : mapping
        What :func:`layer_groups` returns. A layer without parameters to train has no turn.
    epoch, unfreeze_every : float
        As for :func:`unfrozen_groups`.

    Returns
    -------
    bool
        Whether anything has changed.
    """
    to_train = set(names.values())
    layers = [layer for layer, members in groups.items() if to_train & set(members)]
    free = {
        name for layer in unfrozen_groups(layers, epoch, unfreeze_every) for name in groups[layer]
    }
    changed = [p for p, name in names.items() if p.requires_grad != (name in free)]
    for parameter in changed:
        parameter.requires_grad_(not parameter.requires_grad)
    return bool(changed)


def parameter_groups(
    model: nn.Module,
    learning_rate: float,
    weight_decay: float = 0.0,
    layer_decay: float = 1.0,
    trained_only: bool = True,
) -> list[dict[str, Any]]:
    """Give each layer its learning rate, and spare biases and norms the weight decay.

    Parameters
    ----------
    model : nn.Module
        The model to train.
    learning_rate : float
        The head's rate.
    weight_decay : float
        Decay of weight matrices; vectors (biases, norm weights) get none.
    layer_decay : float
        The rate of a layer over that of the layer above it; 1 gives every layer the same
        (discriminative rates: Howard and Ruder 2018, https://arxiv.org/abs/1801.06146, used 1/2.6).
    trained_only : bool
        Leave frozen parameters out.

    Returns
    -------
    list of dict
        Groups for an optimiser of ``torch.optim``, with ``params``, ``lr``, ``weight_decay``,
        ``names`` and ``layer``.
    """
    parameters = dict(model.named_parameters())
    layers = layer_groups(model)
    if layer_decay == 1.0:  # one rate: two groups instead of two a layer, so fewer kernel launches
        layers = {"all": [name for members in layers.values() for name in members]}
    groups: list[dict[str, Any]] = []
    for depth, (layer, members) in enumerate(reversed(layers.items())):
        rate = learning_rate * layer_decay**depth
        for decayed in (True, False):
            names = [
                name
                for name in members
                if (parameters[name].ndim >= 2) is decayed
                and (parameters[name].requires_grad or not trained_only)
            ]
            if names:
                groups.append(
                    {
                        "params": [parameters[name] for name in names],
                        "lr": rate,
                        "weight_decay": weight_decay if decayed else 0.0,
                        "names": names,
                        "layer": layer,
                    }
                )
    return groups
