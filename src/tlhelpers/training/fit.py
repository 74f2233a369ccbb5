"""Fine-tune any model of transformers, on `accelerate`: the verb ``fit`` and what it checks.

It gathers the parts of a run; :mod:`tlhelpers.training.loop` is the loop over them.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.state import AcceleratorState, GradientState, PartialState
from accelerate.utils import set_seed
from torch import nn

from tlhelpers.device import choose_precision
from tlhelpers.profiles import device_for
from tlhelpers.training.batching import Collator, Examples, plain
from tlhelpers.training.best_weights import BestWeights, greater_is_better
from tlhelpers.training.digests import digest_object, digest_weights
from tlhelpers.training.encoding import Data, check_classes, encode
from tlhelpers.training.layers import parameter_groups
from tlhelpers.training.loop import Loop
from tlhelpers.training.prediction import LossFunction, Metrics, evaluate_examples
from tlhelpers.training.run_folder import RunFolder, try_to_write
from tlhelpers.training.settings import Callback, FitResult, Settings
from tlhelpers.training.state import Progress, TrainingState

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# What does not change the weights that a run ends with.
OF_NO_CONSEQUENCE = ("progress", "eval_batch_size", "checkpoint_every")


@contextmanager
def _keep_accelerator_state() -> Iterator[None]:
    """Let a reader's own Accelerator find its state again: `accelerate` has one for a process."""
    owners = (AcceleratorState, PartialState, GradientState)
    kept = [dict(owner._shared_state) for owner in owners]
    try:
        yield
    finally:
        for owner, state in zip(owners, kept, strict=True):
            owner._shared_state.clear()
            owner._shared_state.update(state)


@_keep_accelerator_state()
def fit(
    model: nn.Module,
    train: Data,
    validation: Data | None = None,
    *,
    tokenizer: PreTrainedTokenizerBase | None = None,
    settings: Settings | None = None,
    metrics: Metrics | None = None,
    collator: Collator | None = None,
    loss_function: LossFunction | None = None,
    text_columns: Sequence[str] | None = None,
    output_dir: str | os.PathLike[str] | None = None,
    resume: bool = True,
    callbacks: Sequence[Callback] = (),
    seed: int = 0,
    **overrides: Any,  # noqa: ANN401 - the fields of Settings, checked there
) -> FitResult:
    """Train a model.

    Parameters
    ----------
    model : nn.Module
        Any model of transformers (or one that is called like it and returns an object with
        ``loss`` and ``logits``). Changed in place. Frozen parameters stay as they are.
    train, validation : datasets.Dataset, list of dict, dict of lists or TensorDataset
        Texts with labels, tokens with labels, or questions with their contexts and answers; see
        :func:`tlhelpers.training.encoding.encode`.
    tokenizer : PreTrainedTokenizer, optional
        Needed for texts; else it only says what to pad with.
    settings : Settings, optional
        How to train.
    metrics : callable, optional
        ``metrics(logits, labels)`` gives a dict of scores. By default accuracy and macro F1 for
        classes, accuracy (and F1 of entities) for tokens, perplexity for language models, exact
        match and F1 for answers to questions. Where the logits range over a vocabulary, it gets the
        pieces predicted instead, arrays of shape (N, L); for questions the N answers, and for each
        the list of right ones.
    collator : callable, optional
        A ``DataCollator`` of transformers, for instance to mask tokens.
    loss_function : callable, optional
        ``loss_function(outputs, batch)`` replaces the model's own loss; a mean over its batch.
    text_columns : sequence of str, optional
        Which columns to tokenise, if it is not clear.
    output_dir : path, optional
        Where checkpoints and in the end the model go, for ``tl.load(output_dir, task)``. The same
        call with the same folder, a model that was loaded afresh included, goes on where a run was
        killed, and ends with the same weights, bit for bit on one machine.
    resume : bool
        If False, what ``output_dir`` holds is removed first.
    callbacks : sequence of callable
        Each is called with an :class:`~tlhelpers.training.settings.Event`.
    seed : int
        Decides the order of the data and the dropout.
    **overrides
        Fields of :class:`~tlhelpers.training.settings.Settings`, such as ``learning_rate=1e-4``.

    Returns
    -------
    FitResult
        The model, its history, and the reason of each decision.

    Raises
    ------
    ValueError
        If settings, data and model do not fit together; the message says what to change.
    OSError
        If ``output_dir`` cannot be written; it is tried before anything else.
    FloatingPointError
        If the loss stops being a number; the message says at which step and rate.

    Examples
    --------
    >>> result = fit(model, train, validation, tokenizer=tokenizer, epochs=2)  # doctest: +SKIP
    >>> result.history  # doctest: +SKIP
    """
    settings = _settings(settings, overrides)
    if validation is None and settings.patience is not None:
        raise ValueError(
            f"patience={settings.patience} needs validation data to watch: pass validation=..."
        )
    if validation is not None and metrics is not None:
        greater_is_better(settings)  # asks now, not after the first epoch
    path = None if output_dir is None else Path(output_dir)
    if path is not None:
        try_to_write(path)
    accelerator, precision, reasons = _accelerator(model, settings)
    encoded = partial(
        encode,
        tokenizer=tokenizer,
        model=model,
        max_length=settings.max_length,
        text_columns=text_columns,
        collator=collator,
        need_labels=loss_function is None,
    )
    examples = encoded(train, name="train")
    if loss_function is None and collator is None:
        check_classes(examples, model)
    held_out = None if validation is None else encoded(validation, name="validation")
    state, more_reasons = _state(model, settings, accelerator)
    reasons |= more_reasons
    evaluate = None
    if held_out is not None:
        evaluate = partial(
            evaluate_examples,
            model,
            held_out,
            metrics=metrics,
            collator=collator,
            loss_function=loss_function,
            batch_size=settings.eval_batch_size or max(64, 2 * settings.batch_size),
            device=accelerator.device,
            precision=precision,
            seed=seed,
        )
    folder = None
    if path is not None:
        asked = {"loss function": loss_function, "collator": collator, "metrics": metrics}
        folder = RunFolder(
            path, state, _description(state, settings, seed, examples, held_out, asked)
        )
    loop = Loop(
        state=state,
        settings=settings,
        train=examples,
        collator=collator,
        loss_function=loss_function,
        evaluate=evaluate,
        best=BestWeights(state, settings, path),
        folder=folder,
        callbacks=callbacks,
        seed=seed,
        reasons=reasons,
    )
    try:
        set_seed(seed, device_specific=True)
        if folder is not None:
            if not resume:
                folder.clear()
            reasons |= folder.restore()
        ended_before = bool(state.progress.finished)
        if not ended_before:
            loop.run()
        if folder is not None:
            folder.export(tokenizer, anew=not ended_before)
    finally:
        loop.release()
    reasons["end"] = state.progress.finished
    model.eval()
    return FitResult(
        model=model,
        history=pd.DataFrame(state.progress.history),
        best_epoch=state.progress.best_epoch,
        seconds=state.progress.seconds,
        settings=settings,
        reasons=reasons,
    )


def _settings(settings: Settings | None, overrides: Mapping[str, Any]) -> Settings:
    known = [entry.name for entry in dataclasses.fields(Settings)]
    unknown = sorted(set(overrides) - set(known))
    if unknown:
        raise ValueError(f"unknown setting {', '.join(unknown)}: there are {', '.join(known)}")
    return dataclasses.replace(settings or Settings(), **overrides)


def _accelerator(
    model: nn.Module, settings: Settings
) -> tuple[Accelerator, torch.dtype, dict[str, str]]:
    """Choose the device and the precision, each with its reason."""
    device, device_reason = device_for(model, settings.device)
    precision, precision_reason = choose_precision(device, settings.precision)
    mixed = {torch.bfloat16: "bf16", torch.float16: "fp16"}.get(precision, "no")
    # accelerate keeps one state a process and refuses a second one that differs; but a notebook may
    # well train twice, in another precision or on another device.
    AcceleratorState._reset_state(reset_partial_state=True)
    with _put_on(device):
        accelerator = Accelerator(
            mixed_precision=mixed,
            cpu=device.type == "cpu",
            kwargs_handlers=[
                # A layer may be left out of a batch (or of the loss): wait for no gradient of it.
                DistributedDataParallelKwargs(
                    find_unused_parameters=True, gradient_as_bucket_view=True
                )
            ],
        )
    reasons = {"device": device_reason, "precision": precision_reason}
    if accelerator.num_processes > 1:
        reasons["processes"] = f"{accelerator.num_processes}, each takes its part of every batch"
    return accelerator, precision, reasons


@contextmanager
def _put_on(device: torch.device) -> Iterator[None]:
    """Have accelerate take this device: left alone, it takes a machine's first GPU."""
    name = "ACCELERATE_TORCH_DEVICE"
    # Launched as several processes, each has its own GPU, which accelerate assigns.
    if "LOCAL_RANK" in os.environ or name in os.environ:
        yield
        return
    os.environ[name] = str(device)
    try:
        yield
    finally:
        del os.environ[name]


def _state(
    model: nn.Module, settings: Settings, accelerator: Accelerator
) -> tuple[TrainingState, dict[str, str]]:
    """Put the model where it is trained, and give it its optimiser."""
    reasons = {}
    trained = [p for p in model.parameters() if p.requires_grad]
    if not trained:
        raise ValueError("every parameter is frozen: unfreeze the head at least, unfreeze(...)")
    if any(p.dtype in (torch.float16, torch.bfloat16) for p in trained):
        model.float()
        reasons["weights"] = "made float32: small updates vanish in half precision"
    model.to(accelerator.device)
    groups = parameter_groups(
        model, settings.learning_rate, settings.weight_decay, settings.layer_decay
    )
    state = TrainingState(
        model=model,
        names={p: name for name, p in model.named_parameters() if p.requires_grad},
        optimizer=torch.optim.AdamW(groups, fused=accelerator.device.type in ("cpu", "cuda")),
        accelerator=accelerator,
        progress=Progress(passes=settings.gradient_accumulation),
    )
    return state, reasons


def _description(
    state: TrainingState,
    settings: Settings,
    seed: int,
    train: Examples,
    validation: Examples | None,
    asked: Mapping[str, object],
) -> dict[str, Any]:
    """Say what makes this run this one: another one must not go on from its checkpoints."""
    fields = dataclasses.asdict(settings).items()
    return {
        **{name: value for name, value in fields if name not in OF_NO_CONSEQUENCE},
        "seed": seed,
        "processes": state.accelerator.num_processes,
        "device": state.accelerator.device.type,
        "precision": state.accelerator.mixed_precision,
        "train data": train.fingerprint(),
        "validation data": validation.fingerprint() if validation else None,
        "model": type(plain(state.model)).__name__,
        "trained parameters": sum(p.numel() for p in state.names),
        "names of them": digest_object(sorted(state.names.values())),
        **{name: digest_object(thing) for name, thing in asked.items()},
        "starting weights": digest_weights(state.model),
    }
