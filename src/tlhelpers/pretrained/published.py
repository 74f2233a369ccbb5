"""Published configurations, so that any model can be counted without downloading it.

The parameters of a Transformer follow from a dozen numbers of its configuration. These stand in
``published/OWNER/MODEL.yaml``, a file for each model that the book names, called like the model on
the hub; `tlhelpers.pretrained.models.meta_model` builds a model from them on PyTorch's meta device,
where a tensor has a shape but no memory.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import transformers
from pydantic import Field, field_validator
from transformers import PreTrainedConfig

from tlhelpers.yaml_files import Entry, read

FOLDER = Path(__file__).with_suffix("")


class Published(Entry):
    """The configuration of one model, as published.

    Attributes
    ----------
    config_class : str
        Name of its class in transformers.
    source : str
        Address of the file in which its figures stand.
    checked : str
        What was compared, and with what.
    settings : dict
        The numbers that differ from the defaults of the class.
    """

    config_class: str
    source: Annotated[str, Field(pattern="^https://")]
    checked: Annotated[str, Field(min_length=1)]
    settings: dict[str, Any]

    @field_validator("config_class")
    @classmethod
    def _of_transformers(cls, name: str) -> str:
        found = getattr(transformers, name, None)
        if not (isinstance(found, type) and issubclass(found, PreTrainedConfig)):
            raise ValueError("is no configuration class of transformers")
        return name


def hub_ids() -> list[str]:
    """List the ids of the models that have a file here, in the order of the alphabet."""
    return sorted(
        path.relative_to(FOLDER).with_suffix("").as_posix() for path in FOLDER.glob("*/*.yaml")
    )


def published(hub_id: str) -> Published:
    """Read what was published of one model, and of no other.

    Parameters
    ----------
    hub_id : str
        One of `hub_ids`.

    Returns
    -------
    Published
        The entry, checked.

    Raises
    ------
    LookupError
        If there is no file of the model; the message lists the models.
    YamlFileError
        If its file does not say what a `Published` says.
    """
    if hub_id not in hub_ids():
        raise LookupError(f"no configuration of {hub_id!r} here; there are {', '.join(hub_ids())}")
    return read(FOLDER / f"{hub_id}.yaml", Published)


def configuration(hub_id: str, **changes: object) -> PreTrainedConfig:
    """Return the published configuration of a model, with changes if wanted.

    Parameters
    ----------
    hub_id : str
        One of `hub_ids`, e.g. ``"google-bert/bert-base-uncased"``.
    **changes : object
        Settings to replace, e.g. ``num_hidden_layers=2``.

    Returns
    -------
    transformers.PreTrainedConfig
        The configuration.

    Raises
    ------
    LookupError
        If there is no file of the model.
    """
    entry = published(hub_id)
    config_class = getattr(transformers, entry.config_class)
    config: PreTrainedConfig = config_class(**(entry.settings | changes))
    return config


def has_output_of_its_own(config: PreTrainedConfig) -> bool:
    """Whether a T5 has an output matrix beside its embedding table, as T5 1.1 and mT5 do.

    The configurations of transformers 5 say "tied" for every T5 and leave the rest to the
    checkpoint, so the count has to ask here.

    Parameters
    ----------
    config : transformers.PreTrainedConfig
        Of any model.

    Returns
    -------
    bool
        True for T5 1.1 and mT5, False for every other model.
    """
    return config.model_type == "mt5" or (
        config.model_type == "t5" and not config.scale_decoder_outputs
    )
