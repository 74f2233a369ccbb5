"""Say which optional packages and which assets a page needs, without running it.

    python -m tools.needs            the assets of all pages, as `tl assets fetch` takes them
    python -m tools.needs 10         those of one page
    python -m tools.needs --sweeps   with what the sweeps need

Read from the code: what it imports; the modules of tlhelpers that it names, with those that they
import; and the roles that it names, by their readers in the tiny profile. What a module imports
within a function is not followed, nor is a role that is put together from pieces: a test compares
with what each page had imported when it ran.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import tlhelpers
from tlhelpers.corpora.from_assets import READERS
from tlhelpers.roles import DATASETS, MODELS, DataSource
from tools.contract.chapter_text import read_chapter
from tools.project import Project, UserError

PACKAGE = Path(tlhelpers.__file__).parent


@dataclass(frozen=True)
class Needs:
    """What code needs beyond what comes with tlhelpers.

    Attributes
    ----------
    packages : optional packages: extras of pyproject.toml.
    assets : names for `tl assets fetch`.
    """

    packages: frozenset[str]
    assets: frozenset[str]


def optional_packages(project: Project | None = None) -> frozenset[str]:
    """List the extras of pyproject.toml that stand for one package, which has their name."""
    content = tomllib.loads(((project or Project()).root / "pyproject.toml").read_text("utf-8"))
    extras: dict[str, list[str]] = content["project"]["optional-dependencies"]
    return frozenset(
        name for name, wanted in extras.items() if re.fullmatch(rf"{name}[>=.\d]+", wanted[0])
    )


def page_code(project: Project, slug: str) -> list[ast.Module]:
    """Parse the code cells of a page."""
    return [cell.tree for cell in read_chapter(project.source(slug)).code]


def sweep_code(project: Project, slugs: Iterable[str]) -> list[ast.Module]:
    """Parse the sweeps of some chapters."""
    numbers = {slug[:2] for slug in slugs}
    files = sorted((project.root / "book" / "sweeps").glob("[0-9][0-9]-*.py"))
    return [ast.parse(file.read_text("utf-8")) for file in files if file.name[:2] in numbers]


def needs(trees: Iterable[ast.Module]) -> Needs:
    """Find out what some code needs in the tiny profile."""
    trees = list(trees)
    texts = {
        node.value
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    reached = {name for tree in trees for name in (*_imported(tree), *_attributes(tree))}
    assets = set()
    for table in (MODELS, DATASETS):
        for role in texts & set(table):
            source = table[role].get("tiny")
            if source is not None and source.asset is not None:
                assets.add(source.asset)
            if isinstance(source, DataSource) and source.reader is not None:
                reached |= _modules_of_reader(source.reader)
    files = _files_behind(reached)
    packages = {name.partition(".")[0] for name in reached}
    for file in files:
        tree = _parsed(file)
        packages |= {name.partition(".")[0] for name in _imported(tree)}
        assets |= set(_fetched(tree))
    return Needs(optional_packages() & packages, frozenset(assets))


def _modules_of_reader(name: str) -> set[str]:
    """Name the modules that the reader of a role calls; not its own, which has all readers."""
    reader = READERS[name]
    called = inspect.getclosurevars(reader).globals.values()
    found = {str(getattr(value, "__module__", None)) for value in called}
    return found - {reader.__module__}


def _imported(tree: ast.AST, *, only_at_once: bool = False) -> Iterator[str]:
    """Name what a tree imports; with ``only_at_once`` without what its functions import."""
    skipped = (ast.FunctionDef, ast.AsyncFunctionDef) if only_at_once else ()
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        elif not isinstance(node, skipped):
            yield from _imported(node, only_at_once=only_at_once)


def _attributes(tree: ast.AST) -> Iterator[str]:
    """Name the modules behind each ``tl.name``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "tl":
            yield _verbs().get(node.attr, "tlhelpers")


@cache
def _verbs() -> dict[str, str]:
    """Read where each name of ``tl`` lives from the stub that declares it."""
    return {
        alias.name: f"tlhelpers.{node.module}.{alias.name}"
        for node in ast.parse((PACKAGE / "__init__.pyi").read_text("utf-8")).body
        if isinstance(node, ast.ImportFrom) and node.level
        for alias in node.names
    }


def _files_behind(names: Iterable[str]) -> set[Path]:
    """Find the files of tlhelpers that these names stand in, with those that they import."""
    found: set[Path] = set()
    waiting = list(names)
    while waiting:
        file = _file_of(waiting.pop())
        if file is not None and file not in found:
            found.add(file)
            waiting += _imported(_parsed(file), only_at_once=True)
    return found


def _file_of(name: str) -> Path | None:
    """Find the module that a dotted name is, or that it stands in."""
    parts = name.split(".")
    if parts[0] != "tlhelpers":
        return None
    for end in range(len(parts), 1, -1):
        path = PACKAGE.joinpath(*parts[1:end])
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.exists():
                return file
    return None


@cache
def _parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text("utf-8"))


def _fetched(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "fetch":
            yield from (str(arg.value) for arg in node.args if isinstance(arg, ast.Constant))


def main(arguments: Sequence[str] | None = None, project: Project | None = None) -> int:
    """Print the names of assets on one line."""
    parser = argparse.ArgumentParser(prog="python -m tools.needs", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("chapters", nargs="*", help="number, slug or file; all by default")
    parser.add_argument("--sweeps", action="store_true", help="also what the sweeps need")
    options = parser.parse_args(arguments)
    project = project or Project()
    try:
        slugs = project.select(options.chapters)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    trees = [tree for slug in slugs for tree in page_code(project, slug)]
    if options.sweeps:
        trees += sweep_code(project, slugs)
    print(*sorted(needs(trees).assets))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
