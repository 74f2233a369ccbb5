"""Which test commands come from templates that served for nothing else."""

from __future__ import annotations

import json

from tlhelpers.assets.fetching import fetch
from tlhelpers.corpora.by_role import data, label_names
from tlhelpers.corpora.voice_commands import ENOUGH_TEMPLATES, INTENTS
from tlhelpers.profiles import current
from tlhelpers.roles import DATASETS, source


def split_by_template(language: str, profile: str | None = None) -> list[str]:
    """List the intents whose test commands come from templates that served for nothing else.

    Only with these does a score on test commands say how a classifier fares that learnt from the
    same language. Of an intent with few templates the commands are split, not the templates, so
    that its test commands look much like those it learnt from.

    Parameters
    ----------
    language : str
        The language's code.
    profile : str, optional
        Which profile; by default the one in use.

    Returns
    -------
    list of str
        Names of intents. In the full profile all of them: people wrote those commands one by one.
    """
    chosen = source(DATASETS, "intents", current(profile))
    if chosen.asset is None:
        return label_names(data("intents", profile, language, quiet=True))
    (path,) = fetch(chosen.asset).glob(f"**/{language}.json")
    intents = json.loads(path.read_text("utf-8"))["intents"]
    templates = {
        name: sum(len(block["sentences"]) for block in intents[name]["data"])
        for name in INTENTS
        if name in intents
    }
    return [INTENTS[name] for name, count in templates.items() if count >= ENOUGH_TEMPLATES]
