"""Keep each chapter's two forms equal: ``book/chapters/*.md`` and ``notebooks/*.ipynb``.

The notebook stores a digest of the cells that both forms had when they were last equal. A form
whose cells no longer fit that digest has been edited since: the other form is then written from it.
Where both have been edited nothing is written, as one of the two edits would be lost.

A cell with the metadata ``listing: NAME`` shows ``book/listings/NAME.py``: the file is edited, and
its text comes into both forms from there. A cell tagged ``hide-input`` gets the folds of Colab and
JupyterLab in the notebook; the book folds by the tag.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import sys
from collections.abc import Sequence
from enum import Enum
from pathlib import Path

import jupytext
import nbformat
from jupytext.config import JupytextConfiguration
from nbformat import NotebookNode

from tools.project import Project, UserError, write_atomically

DIGEST_KEY = "paired_cells"
KEPT_CELL_METADATA = ("tags", "mystnb", "listing")
FOLDED = "hide-input"
FOLD = {"cellView": "form", "jupyter": {"source_hidden": True}}  # of Colab, of JupyterLab
# A listing runs as a job of its own. Colab knows neither tag, so there it is a cell that runs.
LISTING_TAGS = ["skip-execution", "nbval-skip"]
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
# Colab reads the accelerator from here: a reader gets a GPU, and so the full profile, at once.
NOTEBOOK_METADATA = {
    "accelerator": "GPU",
    "colab": {"gpuType": "T4"},
    "kernelspec": KERNEL,
    "language_info": {"name": "python"},
}
# The header of the Markdown form. The same filter stands in pyproject.toml for JupyterLab.
MARKDOWN_STYLE = JupytextConfiguration(notebook_metadata_filter="kernelspec,-all")


class State(Enum):
    """How the two forms of a chapter stand to each other."""

    EQUAL = "equal"
    MARKDOWN_IS_NEWER = "Markdown edited, notebook not"
    NOTEBOOK_IS_NEWER = "notebook edited, Markdown not"
    BOTH_EDITED = "both edited"
    UNTIDY = "equal cells, but the notebook has outputs or stray metadata"


def read_markdown(text: str) -> NotebookNode:
    """Read a MyST-Markdown notebook."""
    return jupytext.reads(text, fmt="md:myst")


def read_notebook(text: str) -> NotebookNode:
    """Read an .ipynb file, in today's version of the format."""
    return nbformat.reads(text, as_version=4)


def tidy(notebook: NotebookNode) -> NotebookNode:
    """Give the notebook without outputs, with the same metadata and cell ids whoever saved it."""
    cells = []
    seen: dict[str, int] = {}
    for cell in notebook.cells:
        make = getattr(nbformat.v4, f"new_{cell.cell_type}_cell")
        metadata = {key: cell.metadata[key] for key in KEPT_CELL_METADATA if key in cell.metadata}
        if FOLDED in metadata.get("tags", []):
            metadata |= copy.deepcopy(FOLD)
        content = f"{cell.cell_type}\n{cell.source}"
        seen[content] = seen.get(content, 0) + 1
        # An id made from the content stays the same when a cell is added above.
        identity = hashlib.sha256(f"{seen[content]}\n{content}".encode()).hexdigest()[:8]
        cells.append(make(cell.source, metadata=metadata, id=identity))
    tidied = nbformat.v4.new_notebook(cells=cells, metadata=dict(NOTEBOOK_METADATA))
    tidied.metadata[DIGEST_KEY] = cells_digest(tidied)
    return tidied


def cells_digest(notebook: NotebookNode) -> str:
    """Digest what both forms can hold: kind, text, tags of each cell.

    The cells go through Markdown once, so that what this form cannot tell apart (white space at the
    end of a text cell) does not count as an edit. Nor does the text of a listing, which has a file.
    """
    cells = [
        [
            cell.cell_type,
            "" if "listing" in cell.metadata else cell.source.strip(),
            {key: cell.metadata[key] for key in KEPT_CELL_METADATA if cell.metadata.get(key)},
        ]
        for cell in read_markdown(write_markdown(notebook)).cells
    ]
    return hashlib.sha256(json.dumps(cells, sort_keys=True).encode()).hexdigest()[:16]


def write_markdown(notebook: NotebookNode) -> str:
    """Write as a MyST-Markdown notebook."""
    cells = []
    for cell in notebook.cells:
        bare_cell = NotebookNode(cell)
        bare_cell.metadata = NotebookNode(
            {key: cell.metadata[key] for key in KEPT_CELL_METADATA if cell.metadata.get(key)}
        )
        cells.append(bare_cell)
    metadata = {"kernelspec": KERNEL}
    bare = nbformat.v4.new_notebook(cells=cells, metadata=metadata)
    text: str = jupytext.writes(bare, fmt="md:myst", config=MARKDOWN_STYLE)
    return text


def write_notebook(notebook: NotebookNode) -> str:
    """Write as .ipynb, ending in a newline as an editor would leave it."""
    text: str = nbformat.writes(tidy(notebook))
    return text.rstrip("\n") + "\n"


def fill_listings(notebook: NotebookNode, project: Project) -> list[str]:
    """Put the text of each listing into its cell; return the listings whose cell had another.

    Raises
    ------
    UserError
        If a cell names a listing that is not there.
    """
    differing = []
    for cell in notebook.cells:
        if "listing" not in cell.metadata:
            continue
        path = project.listing(cell.metadata["listing"])
        if not path.exists():
            raise UserError(
                f"a cell shows the listing {path.stem!r}. Write {_name(path, project)}."
            )
        rest = [tag for tag in cell.metadata.get("tags", []) if tag not in LISTING_TAGS]
        filled = (path.read_text("utf-8").strip(), [*rest, *LISTING_TAGS])
        if (cell.source, cell.metadata.get("tags")) != filled:
            differing.append(path.stem)
            cell.source, cell.metadata["tags"] = filled
    return differing


def state(markdown: str, notebook: str) -> State:
    """Compare the two forms of a chapter."""
    written, opened = read_markdown(markdown), read_notebook(notebook)
    if cells_digest(written) == cells_digest(opened):
        return State.EQUAL if notebook == write_notebook(written) else State.UNTIDY
    last_equal = opened.metadata.get(DIGEST_KEY)
    if cells_digest(opened) == last_equal:
        return State.MARKDOWN_IS_NEWER
    if cells_digest(written) == last_equal:
        return State.NOTEBOOK_IS_NEWER
    return State.BOTH_EDITED


def pair(
    project: Project, slug: str, *, check: bool = False, take: str | None = None
) -> str | None:
    """Make the two forms of a chapter equal, or only tell whether they are.

    Parameters
    ----------
    slug
        The chapter.
    check
        Write nothing.
    take
        ``"md"`` or ``"ipynb"``: the form to believe, whatever was edited.

    Returns
    -------
    What was done (or with ``check``, what is wrong); nothing where both were equal.

    Raises
    ------
    UserError
        If both forms have been edited since they were last equal.
    """
    source, notebook = project.source(slug), project.notebook(slug)
    if source.exists():
        written = read_markdown(source.read_text("utf-8"))
        if differing := fill_listings(written, project):
            if check:
                return f"{slug}: does not show what book/listings has: {', '.join(differing)}"
            write_atomically(source, write_markdown(written))
    if not notebook.exists():
        found = State.MARKDOWN_IS_NEWER
    elif not source.exists():
        found = State.NOTEBOOK_IS_NEWER
    else:
        found = state(source.read_text("utf-8"), notebook.read_text("utf-8"))
    if take and found is not State.EQUAL:
        found = State.MARKDOWN_IS_NEWER if take == "md" else State.NOTEBOOK_IS_NEWER
    if found is State.EQUAL:
        return None
    if check:
        return f"{slug}: {found.value}"
    if found is State.BOTH_EDITED:
        raise UserError(
            f"{slug}: both {_name(source, project)} and {_name(notebook, project)} were edited "
            f"since they were last equal, and one edit would be lost. Move one over by hand, then "
            f"run `python -m tools.pair {slug[:2]} --from md` (or `--from ipynb`)."
        )
    if found is State.NOTEBOOK_IS_NEWER:
        opened = read_notebook(notebook.read_text("utf-8"))
        fill_listings(opened, project)
        write_atomically(source, write_markdown(opened))
    # The notebook is written in every case: it holds the digest, and it may hold outputs.
    write_atomically(notebook, write_notebook(read_markdown(source.read_text("utf-8"))))
    target = source if found is State.NOTEBOOK_IS_NEWER else notebook
    return f"{slug}: {found.value}; wrote {_name(target, project)}"


def _name(path: Path, project: Project) -> str:
    return path.relative_to(project.root).as_posix()


def main(arguments: Sequence[str] | None = None, project: Project | None = None) -> int:
    """Pair the chapters that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m tools.pair", description=__doc__)
    parser.add_argument("chapters", nargs="*", help="number, slug or file; all by default")
    parser.add_argument(
        "--check", action="store_true", help="write nothing, fail if a pair differs"
    )
    parser.add_argument("--from", dest="take", choices=["md", "ipynb"], help="the form to believe")
    options = parser.parse_args(arguments)
    project = project or Project()
    failed = False
    try:
        slugs = project.select([name for name in options.chapters])
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    for slug in slugs:
        try:
            message = pair(project, slug, check=options.check, take=options.take)
        except UserError as error:
            message, failed = str(error), True
        failed |= options.check and message is not None
        if message:
            print(message, file=sys.stderr if failed else sys.stdout)
    if failed and options.check:
        print("Run `python -m tools.pair` and commit both forms.", file=sys.stderr)
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
