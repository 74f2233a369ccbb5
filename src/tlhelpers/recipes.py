"""Train outside a notebook: ``tl train recipe.yaml``, also under ``accelerate launch``."""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from tlhelpers.cache import AssetError
from tlhelpers.training.settings import Settings

EXAMPLE = """\
example of a recipe:
  data: sentiment        # a role of the book
  model: encoder         # a role, an id of the model hub, or a folder
  labels: 1000           # rows to train on; all, if left out
  output: runs/sentiment
  settings:              # any field of tlhelpers.Settings
    learning_rate: 2e-4
    epochs: 2

Run the same command again after a crash: it goes on where it was.
On several GPUs: accelerate launch -m tlhelpers.cli train recipe.yaml
On several processors: torchrun --nproc-per-node 2 -m tlhelpers.cli train recipe.yaml
"""


class RecipeError(ValueError):
    """A recipe that cannot be followed: says which field, with what value, and what to do."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What to train, on what, how.

    Attributes
    ----------
    data : str
        Role of a data set with the columns ``text`` and ``label``.
    model : str
        Role, id of the model hub, or folder.
    output : str
        Folder for checkpoints, the trained model and the history.
    labels : int, optional
        Rows to train on.
    profile : str
        ``"auto"``, ``"tiny"`` or ``"full"``.
    max_length : int
        Tokens after which a text is cut.
    seed : int
        Draws the rows, their order and the fresh head.
    settings : dict
        Fields of :class:`tlhelpers.training.settings.Settings`.
    """

    data: str
    output: str
    model: str = "encoder"
    labels: int | None = None
    profile: str = "auto"
    max_length: int = 256
    seed: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)


def read_recipe(path: Path) -> Recipe:
    """Read a recipe from a YAML file.

    Parameters
    ----------
    path : Path
        The file; `EXAMPLE` shows what it holds.

    Returns
    -------
    Recipe
        With numbers where YAML reads a text such as ``2e-4``.

    Raises
    ------
    RecipeError
        If the file is missing or no YAML, or a field is missing, unknown or of the wrong kind.
    """
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except FileNotFoundError:
        raise RecipeError(f"{path} does not exist; `tl train --help` shows a recipe") from None
    except yaml.YAMLError as error:
        raise RecipeError(f"{path} is no YAML: {error}") from error
    if not isinstance(content, dict):
        raise RecipeError(f"{path} holds {content!r}; `tl train --help` shows what it should hold")
    _check_names(content, Recipe, str(path))
    for name in ("data", "output"):
        if not isinstance(content.get(name), str):
            raise RecipeError(f"{path}: {name} is {content.get(name)!r}; it must name one")
    for name in ("labels", "max_length", "seed"):
        if not isinstance(content.get(name, 0), int) or content.get(name, 0) < 0:
            raise RecipeError(f"{path}: {name} is {content[name]!r}; it must be a whole number")
    settings = content.get("settings") or {}
    if not isinstance(settings, dict):
        raise RecipeError(f"{path}: settings is {settings!r}; write `name: value` lines below it")
    _check_names(settings, Settings, f"{path}: settings")
    content["settings"] = {name: _number(value) for name, value in settings.items()}
    try:
        Settings(**content["settings"])
    except (TypeError, ValueError) as error:
        raise RecipeError(f"{path}: settings: {error}") from error
    return Recipe(**content)


def _check_names(given: Mapping[Any, Any], allowed: type, where: str) -> None:
    names = [one.name for one in fields(allowed)]
    for name in given:
        if name not in names:
            near = difflib.get_close_matches(str(name), names, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names)}"
            raise RecipeError(f"{where}: unknown field {name!r}; {hint}")


def _number(value: Any) -> Any:  # noqa: ANN401 -- any YAML value
    """Read 2e-4 as a number: YAML 1.1 takes it for a text, as it has no point."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def train(recipe: Recipe, say: Callable[[str], None] = print) -> dict[str, float]:
    """Follow a recipe: train, keep the best weights, test once, save everything.

    Parameters
    ----------
    recipe : Recipe
        What to do.
    say : callable
        Gets each line of the report.

    Returns
    -------
    dict
        Scores on the test split.
    """
    import tlhelpers as tl

    chief = os.environ.get("RANK", "0") == "0"  # set by whatever launches several processes
    output = Path(recipe.output)
    data = tl.data(recipe.data, profile=recipe.profile, quiet=not chief)
    rows = data["train"]
    if recipe.labels is not None:
        rows = tl.sample(rows, recipe.labels, seed=recipe.seed)
    model, tokenizer = tl.load(
        recipe.model,
        task="classification",
        labels=rows,
        profile=recipe.profile,
        seed=recipe.seed,
        quiet=not chief,
    )
    max_length = recipe.settings.get("max_length", recipe.max_length)
    result = tl.fit(
        model,
        rows,
        data["validation"],
        tokenizer=tokenizer,
        settings=dataclasses.replace(Settings(**recipe.settings), max_length=max_length),
        output_dir=output / "run",
        seed=recipe.seed,
    )
    scores = tl.evaluate(result.model, data["test"], tokenizer=tokenizer, max_length=max_length)
    if chief:
        model.save_pretrained(output / "model")
        tokenizer.save_pretrained(output / "model")
        result.history.to_csv(output / "history.csv", index=False)
        say(result.history.round(4).to_string(index=False))
        say("test: " + ", ".join(f"{name} {value:.4f}" for name, value in scores.items()))
        say(f"saved in {output}: model/, history.csv, run/ (checkpoints)")
    return scores


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``tl train`` to the command line."""
    parser = commands.add_parser(
        "train",
        help="train from a recipe: tl train recipe.yaml",
        description="Fine-tune a classifier as the book does, outside a notebook.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("recipe", type=Path, help="a YAML file")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    try:
        train(read_recipe(options.recipe))
    except AssetError:
        raise
    except (RecipeError, LookupError, ConnectionError, ValueError) as error:
        print(f"tl: {error}", file=sys.stderr)
        return 1
    return 0
