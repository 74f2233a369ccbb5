"""Models by role, always with their own tokenizer."""

from __future__ import annotations

import contextlib
import copy
import json
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

import torch
from datasets import ClassLabel, Dataset, DatasetDict
from torch import nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForQuestionAnswering,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from tlhelpers.pretrained.published import configuration, has_output_of_its_own
from tlhelpers.profiles import Profile, current, device_for
from tlhelpers.roles import MODELS, ModelSource, source

Task = Literal["classification", "tokens", "mlm", "causal", "seq2seq", "question-answering"]

AUTO_CLASSES: dict[Task | None, Any] = {
    None: AutoModel,
    "classification": AutoModelForSequenceClassification,
    "tokens": AutoModelForTokenClassification,
    "mlm": AutoModelForMaskedLM,
    "causal": AutoModelForCausalLM,
    "seq2seq": AutoModelForSeq2SeqLM,
    "question-answering": AutoModelForQuestionAnswering,
}
ADAPTER = "adapter_config.json"
LABELLED_TASKS: tuple[Task, ...] = ("classification", "tokens")
# A head of these tasks comes with the pretraining; a fresh one would predict noise.
PRETRAINED_HEADS: tuple[Task, ...] = ("mlm", "causal", "seq2seq")

Labels: TypeAlias = Sequence[str] | ClassLabel | Dataset | DatasetDict | int


class Loaded(NamedTuple):
    """A model and the tokenizer that it was pretrained with."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase


def load(
    role: str,
    task: Task | None = None,
    labels: Labels | None = None,
    profile: str | Profile | None = None,
    pretrained: bool = True,
    seed: int | None = None,
    dtype: torch.dtype = torch.float32,
    device: str = "auto",
    quiet: bool = False,
    **kwargs: object,
) -> Loaded:
    """Load a model and its tokenizer, by role, hub id or folder.

    Parameters
    ----------
    role : str
        A key of `tlhelpers.roles.MODELS`, e.g. ``"encoder"``; or an id of the model hub with
        a slash in it; or a folder that `tlhelpers.fit`, transformers or peft saved. With an
        adapter, the model that it was trained on is loaded first.
    task : str, optional
        Which head to put on it: None for none, ``"classification"``, ``"tokens"``, ``"mlm"``,
        ``"causal"``, ``"seq2seq"`` or ``"question-answering"``.
    labels : sequence of str, ClassLabel, Dataset, DatasetDict or int, optional
        For ``"classification"`` and ``"tokens"``: the names of the classes, or a `ClassLabel`,
        or a data set that has them, or their number. None keeps the classes of a checkpoint that
        was fine-tuned already. A regression is ``labels=1, problem_type="regression"``.
    profile : str or Profile, optional
        Which profile; by default the one in use.
    pretrained : bool
        False gives the same architecture with random weights, to compare with.
    seed : int, optional
        Seed of what is initialised at random, without touching the random state outside.
        None draws from the current state.
    dtype : torch.dtype
        Number format of the weights. Training wants ``torch.float32``, whatever the checkpoint
        was stored in; mixed precision keeps these as master weights.
    device : str
        Where to put the model: ``"auto"`` for what `tlhelpers.start` chose, else a name such as
        ``"cuda:1"``. With ``device_map``, or where the weights are quantised, transformers puts it.
    quiet : bool
        Print nothing.
    **kwargs : object
        Further arguments of ``from_pretrained``, or settings of the configuration.

    Returns
    -------
    Loaded
        ``model, tokenizer``. For an adapter the model is a `peft.PeftModel`, ready to train on.

    Raises
    ------
    LookupError
        If the role is unknown in this profile, or a folder holds no model.
    ValueError
        If the task is unknown, an adapter does not fit, labels are missing, superfluous or fewer
        than two without a word of a regression, the checkpoint lacks the head that the task needs
        from pretraining, or there is no such device.
    ConnectionError
        If the model is on the hub and the hub cannot be reached.
    """
    if task not in AUTO_CLASSES:
        known = ", ".join(repr(name) for name in AUTO_CLASSES)
        raise ValueError(f"task is {task!r}; it must be one of {known}")
    settings = _label_settings(task, labels)
    if labels is not None and kwargs.get("problem_type") != "regression":
        _check_choice(labels)
    where = device_for(requested=device).value
    location, revision, called = _locate(role, profile)
    adapter = Path(location) if (Path(location) / ADAPTER).is_file() else None
    if adapter is not None:
        if not pretrained:
            raise ValueError(f"{called} is an adapter, which has no architecture: load its model")
        location, revision = _base_of(adapter), None
    elif Path(location).is_dir() and not (Path(location) / "config.json").is_file():
        raise _no_model(Path(location))
    with _quietly():
        try:
            config, rest = AutoConfig.from_pretrained(
                _either(adapter, location, "config.json"),
                revision=revision,
                return_unused_kwargs=True,
                **kwargs,
            )
            tokenizer = load_tokenizer(
                _either(adapter, location, "tokenizer_config.json"), revision, task
            )
        except (OSError, ValueError) as error:
            raise _unreachable(location, error) from error
        own_classes = _classes_of_checkpoint(task, config)
        if task in LABELLED_TASKS and labels is None and not own_classes:
            raise ValueError(
                f"task {task!r} needs labels: the list of class names, e.g. "
                "labels=['negative', 'positive'], or the data set"
            )
        for name, value in settings.items():
            setattr(config, name, value)
        new_classes = bool(own_classes) and own_classes != config.id2label
        if tokenizer.pad_token is None:
            # GPT-2 and Llama were pretrained without padding; masked positions never matter.
            tokenizer.pad_token = tokenizer.eos_token
        if config.pad_token_id is None:
            config.pad_token_id = tokenizer.pad_token_id
        with _seeded(seed):
            if pretrained:
                rest["ignore_mismatched_sizes"] = new_classes
                model, fresh = _from_checkpoint(
                    task, location, revision, config, dtype, called, rest
                )
                if new_classes:
                    fresh = _replace_head(model)
                if adapter is not None:
                    model, fresh = _with_adapter(model, adapter, fresh)
            else:
                model = AUTO_CLASSES[task].from_config(config, dtype=dtype, **rest)
                fresh = ["everything"]
    model.train(False)
    if not hasattr(model, "hf_device_map"):
        model.to(where)  # type: ignore[arg-type]  # transformers wraps it without self
    if not quiet:
        print(_describe(called, model, fresh))
    return Loaded(model, tokenizer)


def weights_folder(role: str, profile: str | Profile | None = None) -> Path | str:
    """Say where a role's weights are, for code that uses transformers alone.

    ``AutoModel.from_pretrained(tl.weights_folder("encoder"))`` works in either profile.

    Parameters
    ----------
    role : str
        As for `load`.
    profile : str or Profile, optional
        As for `load`.

    Returns
    -------
    pathlib.Path or str
        In the tiny profile, or for a folder: the folder, with ``config.json``,
        ``model.safetensors`` and the tokenizer; its asset is fetched if it is not there yet. In the
        full profile: the id on the model hub, from which ``from_pretrained`` downloads.

    Raises
    ------
    LookupError
        If the role is unknown in this profile.
    """
    location, _, _ = _locate(role, profile)
    return Path(location) if Path(location).is_dir() else location


def load_tokenizer(
    location: str, revision: str | None = None, task: Task | None = None
) -> PreTrainedTokenizerBase:
    """Load a fast tokenizer; one that is given words marks the space before each of them."""
    # Else a RoBERTa reads ["in", "Paris"] as "inParis", without an error.
    words = {"add_prefix_space": True} if task == "tokens" else {}
    return AutoTokenizer.from_pretrained(location, revision=revision, use_fast=True, **words)


def count_parameters(model: nn.Module, trainable: bool = False) -> int:
    """Count a model's parameters, tied ones once; if asked, only those that are trained."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad or not trainable)


def meta_model(
    role: str | PreTrainedConfig,
    task: Task | None = None,
    labels: Labels | None = None,
    profile: str | Profile | None = None,
) -> PreTrainedModel:
    """Build a model without memory for its weights: exact shapes and counts of any size.

    Parameters
    ----------
    role : str or transformers.PreTrainedConfig
        A configuration, a role, or one of `tlhelpers.pretrained.published.hub_ids`; nothing is
        fetched.
    task : str, optional
        As for `load`.
    labels : sequence of str, ClassLabel, Dataset, DatasetDict or int, optional
        As for `load`.
    profile : str or Profile, optional
        As for `load`.

    Returns
    -------
    transformers.PreTrainedModel
        The model, on PyTorch's meta device.

    Raises
    ------
    LookupError
        If the role is unknown, or the table has no configuration of the model.
    """
    settings = _label_settings(task, labels)
    if isinstance(role, PreTrainedConfig):
        config = copy.deepcopy(role)
    else:
        config = configuration(source(MODELS, role, profile).hub if role in MODELS else role)
    for key, value in settings.items():
        setattr(config, key, value)
    with torch.device("meta"):
        model: PreTrainedModel = AUTO_CLASSES[task].from_config(config)
        if task == "seq2seq" and has_output_of_its_own(config):
            model.lm_head = nn.Linear(config.d_model, config.vocab_size, bias=False)
    return model


def _no_model(folder: Path) -> LookupError:
    """Say what a folder without a model is, and how to come by one."""
    weights = sorted(folder.glob("checkpoints/step-*/model.safetensors"))
    if weights:
        return LookupError(
            f"the folder {folder} holds a training run whose model was not saved: it has not come "
            "to its end, or is of an older version. The same fit(..., output_dir=...) once more "
            "ends it and saves the model. Or load the model that it began with, with its task and "
            "labels, and give it the trained weights: model.load_state_dict(safetensors.torch."
            f"load_file({str(weights[-1])!r}), strict=False)"
        )
    return LookupError(
        f"the folder {folder} holds no model, which has a config.json or {ADAPTER}: name one "
        "that fit(..., output_dir=...) has finished, or save_pretrained(...) has written"
    )


def _base_of(adapter: Path) -> str:
    """Read off an adapter which model it was trained on."""
    base = json.loads((adapter / ADAPTER).read_text("utf-8")).get("base_model_name_or_path")
    if not base:
        raise ValueError(
            f"the adapter in {adapter} does not say which model it was trained on: write the id or "
            f"folder into {ADAPTER}, as base_model_name_or_path"
        )
    if Path(base).is_absolute() and not Path(base).is_dir():
        raise LookupError(
            f"the adapter in {adapter} was trained on the model in {base}, which is not there: "
            f"write where it is into {ADAPTER}, as base_model_name_or_path"
        )
    return str(base)


def _either(adapter: Path | None, location: str, file: str) -> str:
    """Say where a file is: beside the adapter, or with the model that it was trained on."""
    return str(adapter) if adapter is not None and (adapter / file).is_file() else location


def _with_adapter(model: PreTrainedModel, adapter: Path, fresh: list[str]) -> tuple[Any, list[str]]:
    """Put an adapter on its model; what it brings along is not random any more."""
    from peft import PeftModel

    try:
        adapted = PeftModel.from_pretrained(model, adapter, is_trainable=True)
    except RuntimeError as error:
        raise ValueError(
            f"the adapter in {adapter} does not fit: {str(error).splitlines()[-1].strip()} Load it "
            "with the task and the labels that it was trained with"
        ) from error
    saved = getattr(adapted.peft_config["default"], "modules_to_save", None) or ()
    return adapted, [name for name in fresh if name.split(".")[0] not in saved]


def _check_choice(labels: Labels) -> None:
    """Refuse one class: transformers would make a regression of it."""
    found = labels if isinstance(labels, int) else class_names(labels)
    if (found if isinstance(found, int) else len(found)) < 2:
        raise ValueError(
            f"labels={found!r} leave nothing to choose between: give two classes or more; for a "
            "regression say labels=1, problem_type='regression'"
        )


def _label_settings(task: Task | None, labels: Labels | None) -> dict[str, Any]:
    if task not in LABELLED_TASKS and labels is not None:
        raise ValueError(f"labels were given, but task {task!r} has no classes")
    if task == "question-answering":
        return {"num_labels": 2}  # where the answer starts and where it ends
    if labels is None:
        return {}
    if isinstance(labels, int):
        return {"num_labels": labels}
    names = class_names(labels)
    return {
        "id2label": dict(enumerate(names)),
        "label2id": {name: number for number, name in enumerate(names)},
    }


def class_names(labels: Sequence[str] | ClassLabel | Dataset | DatasetDict) -> list[str]:
    """Find the class names in a list, a `ClassLabel`, or a data set with one such column."""
    if isinstance(labels, DatasetDict):
        labels = next(iter(labels.values()))
    if isinstance(labels, Dataset):
        found = {
            name: getattr(feature, "feature", feature)
            for name, feature in labels.features.items()
            if isinstance(getattr(feature, "feature", feature), ClassLabel)
        }
        if len(found) != 1 and "label" not in found:
            raise ValueError(
                f"the data set has {len(found)} columns of classes ({', '.join(found) or 'none'});"
                " pass the names of the classes instead"
            )
        labels = found["label"] if "label" in found else next(iter(found.values()))
    if isinstance(labels, ClassLabel):
        return list(labels.names)
    names = list(labels)
    if isinstance(labels, str) or len(set(names)) != len(names) or not names:
        raise ValueError(f"labels are {labels!r}; they must be a list of distinct names")
    return names


def _classes_of_checkpoint(task: Task | None, config: PreTrainedConfig) -> dict[Any, str]:
    """Return the classes that the checkpoint's own head for this task tells apart, if any."""
    ending = {"classification": "SequenceClassification", "tokens": "TokenClassification"}
    if task not in LABELLED_TASKS:
        return {}
    trained = any(name.endswith(ending[task]) for name in config.architectures or ())
    return dict(config.id2label or {}) if trained else {}


def _replace_head(model: PreTrainedModel) -> list[str]:
    """Draw the head anew: one trained for other classes would keep answering for those."""
    replaced = []
    settings = model.config.to_dict()
    spread = float(settings.get("initializer_range", settings.get("init_std", 0.02)))
    for name, child in model.named_children():
        if name == model.base_model_prefix or not count_parameters(child):
            continue
        replaced.append(name)
        for module in child.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=spread)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
    return replaced


def _locate(role: str, profile: str | Profile | None) -> tuple[str, str | None, str]:
    """Find where a role's files are: folder or hub id, revision, name."""
    if role not in MODELS and Path(role).is_dir():
        return str(role), None, Path(role).name
    if role not in MODELS and "/" in role:
        return role, None, role
    entry: ModelSource = source(MODELS, role, current(profile))
    if entry.asset is None:
        return entry.hub, entry.revision, entry.hub
    from tlhelpers.pretrained import from_assets

    folder: Path = getattr(from_assets, f"{entry.asset}_folder")()
    return str(folder), None, entry.name


def _from_checkpoint(
    task: Task | None,
    location: str,
    revision: str | None,
    config: PreTrainedConfig,
    dtype: torch.dtype,
    called: str,
    rest: dict[str, Any],
) -> tuple[PreTrainedModel, list[str]]:
    """Read the weights; return the model and what the checkpoint did not hold."""
    try:
        model, report = AUTO_CLASSES[task].from_pretrained(
            location,
            revision=revision or "main",
            config=config,
            dtype=dtype,
            use_safetensors=True,
            output_loading_info=True,
            **rest,
        )
    except OSError as error:
        raise _unreachable(location, error) from error
    fresh = sorted({".".join(key.split(".")[:-1]) for key in report["missing_keys"]})
    if fresh and task in PRETRAINED_HEADS:
        raise ValueError(
            f"{called} has no pretrained {task!r} head: {', '.join(fresh)} would be random. Use "
            "a checkpoint that has one, or train one from random weights with "
            "load(..., pretrained=False)"
        )
    return model, fresh


def _unreachable(location: str, error: Exception) -> Exception:
    """Say what to do when files could not be had; other errors stay what they are."""
    if Path(location).is_dir() or not isinstance(error, OSError):
        return error
    return ConnectionError(
        f"cannot get {location} from the model hub: {str(error).splitlines()[0]} Check the "
        "connection and the id (for a gated model: log in and accept its licence), or use "
        "profile='tiny', which reads from the package registry"
    )


def _describe(called: str, model: PreTrainedModel, fresh: list[str]) -> str:
    count = count_parameters(model)
    size = f"{count / 1e6:,.1f} M" if count >= 1e5 else f"{count:,}"
    line = f"{called}: {type(model).__name__}, {size} parameters"
    if fresh == ["everything"]:
        return line + "; all weights random"
    if fresh:
        return line + f"; not pretrained, random until trained: {', '.join(fresh)}"
    return line


@contextlib.contextmanager
def _seeded(seed: int | None) -> Iterator[None]:
    if seed is None:
        yield
        return
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Hold back the report of new heads (we print our own line) and the bar over weights."""
    level = transformers_logging.get_verbosity()
    bar = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            yield
    finally:
        transformers_logging.set_verbosity(level)
        if bar:
            transformers_logging.enable_progress_bar()
