"""Helpers of the executable book "Transfer Learning in NLP".

``import tlhelpers as tl`` costs next to nothing: each name below is imported when first used, so
that ``tl --help`` and a page that only draws recorded results never wait for PyTorch.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import Any

__version__ = version("tlhelpers")

_HOME = {
    "by_profile": "profiles",
    "start": "profiles",
    "data": "corpora",
    "label_names": "corpora",
    "sample": "corpora",
    "load": "models",
    "count_parameters": "models",
    "meta_model": "models",
    "fit": "training",
    "evaluate": "training",
    "predict": "training",
    "Settings": "training",
    "padding_shares": "batching",
    "embed": "embeddings",
    "fit_tfidf": "baselines",
    "fit_frozen": "baselines",
    "claim": "claims",
    "expect": "claims",
    "show_claims": "claims",
    "recorded": "results",
    "explore": "widgets",
    "show": "plots",
    "table": "display",
    "show_mistakes": "display",
    "highlight": "display",
    "mean_interval": "metrics",
    "prediction_interval": "metrics",
    "wilson": "metrics",
}
_MODULES = {
    "architectures",
    "assets",
    "baselines",
    "batching",
    "claims",
    "commands",
    "corpora",
    "decoding",
    "device",
    "display",
    "embeddings",
    "lora",
    "metrics",
    "models",
    "multilingual",
    "plots",
    "probing",
    "probing_tasks",
    "profiles",
    "results",
    "silver_tags",
    "splitting",
    "strategies",
    "training",
    "widgets",
}

# No module may share its name with a function: importing the module would hide the function.
assert not _MODULES & set(_HOME)

__all__ = ["__version__", *sorted(_HOME)]


def __getattr__(name: str) -> Any:  # noqa: ANN401 -- whatever the submodule exports
    """Import a public name from its module when it is first used (PEP 562)."""
    if name in _HOME:
        globals()[name] = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
        return globals()[name]
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {sorted(_HOME)}")


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted({*__all__, *_MODULES})
