"""Read a chapter as its reader does: prose, code cells, figures.

Markdown is parsed as CommonMark with tables and ``$maths$``, which is all that the book, JupyterLab
and Colab render alike.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import jupytext
from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin
from nbformat import NotebookNode

_MARKDOWN = MarkdownIt("commonmark").enable("table").use(dollarmath_plugin, double_inline=True)
_MAGIC = re.compile(r"^([ \t]*)[%!].*$", re.MULTILINE)


@dataclass(frozen=True)
class Piece:
    """A stretch of text and what it is: ``prose``, ``link``, ``maths`` or ``code``.

    Attributes
    ----------
    target : of a link.
    """

    text: str
    role: str
    target: str = ""


@dataclass(frozen=True)
class Block:
    """A paragraph, heading, list item, table cell or piece of HTML.

    Attributes
    ----------
    section : the heading of level 2 above it; empty before the first.
    kind : ``heading``, ``cell`` (of a table), ``html`` or ``text``.
    """

    section: str
    kind: str
    pieces: tuple[Piece, ...]

    @property
    def text(self) -> str:
        """The words, code included."""
        return "".join(piece.text for piece in self.pieces)


@dataclass(frozen=True)
class CodeCell:
    """A code cell.

    Attributes
    ----------
    position : place among all cells of the notebook.
    listing : the listing that it shows; empty for a cell that the page runs.
    """

    position: int
    source: str
    tags: tuple[str, ...] = ()
    listing: str = ""

    @property
    def folded(self) -> bool:
        """Whether a reader has to unfold it."""
        return "hide-input" in self.tags

    @property
    def lines(self) -> int:
        """Lines that are not blank."""
        return sum(bool(line.strip()) for line in self.source.splitlines())

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree; lines for IPython are read as ``pass``, a broken cell as empty."""
        try:
            return ast.parse(_MAGIC.sub(r"\1pass", self.source))
        except SyntaxError:
            return ast.Module(body=[], type_ignores=[])

    @property
    def is_python(self) -> bool:
        """Whether it can be parsed."""
        return bool(self.tree.body) or not self.source.strip() or self.source.lstrip()[0] == "#"

    @property
    def defines(self) -> bool:
        """Whether it defines a function or a class."""
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        return any(isinstance(node, kinds) for node in ast.walk(self.tree))

    @property
    def shows_something(self) -> bool:
        """Whether it prints, or ends in an expression (an estimate: nothing is run)."""
        body = self.tree.body
        if body and isinstance(body[-1], ast.Expr) and not self.source.rstrip().endswith(";"):
            return True
        return any(name == "print" for name, _ in self.calls)

    @cached_property
    def calls(self) -> list[tuple[str, ast.Call]]:
        """Every call with its dotted name, e.g. ``tl.expect``."""
        found = [node for node in ast.walk(self.tree) if isinstance(node, ast.Call)]
        return [(ast.unparse(node.func), node) for node in found]


@dataclass
class Chapter:
    """A chapter, parsed.

    Attributes
    ----------
    slug : e.g. ``"10-full-fine-tuning"``.
    notebook : as jupytext reads it.
    executed : the same with outputs, where it has been run.
    """

    slug: str
    notebook: NotebookNode
    executed: NotebookNode | None = None

    @property
    def number(self) -> int:
        """Number of the chapter."""
        return int(self.slug[:2])

    @cached_property
    def blocks(self) -> list[Block]:
        """All prose, in order."""
        return list(_blocks(self.markdown_cells))

    @property
    def markdown_cells(self) -> list[str]:
        """Source of the Markdown cells."""
        return [cell.source for cell in self.notebook.cells if cell.cell_type == "markdown"]

    @cached_property
    def code(self) -> list[CodeCell]:
        """The code cells."""
        return [
            CodeCell(
                position,
                cell.source,
                tuple(cell.metadata.get("tags", ())),
                str(cell.metadata.get("listing", "")),
            )
            for position, cell in enumerate(self.notebook.cells)
            if cell.cell_type == "code"
        ]

    @cached_property
    def calls(self) -> list[tuple[str, ast.Call]]:
        """Every call in the code cells, with its dotted name."""
        return [call for cell in self.code for call in cell.calls]

    def section(self, title: str) -> list[Block]:
        """Blocks under the heading of level 2 that starts with these words."""
        return [b for b in self.blocks if b.section.lower().startswith(title.lower())]

    @property
    def sections(self) -> list[str]:
        """Headings of level 2, in order."""
        return list(dict.fromkeys(block.section for block in self.blocks if block.section))


def read_chapter(path: Path, executed: Path | None = None) -> Chapter:
    """Read a chapter's Markdown (or notebook), with its executed copy where there is one."""
    run = jupytext.read(executed) if executed is not None and executed.exists() else None
    return Chapter(path.stem, jupytext.read(path), run)


def _blocks(cells: list[str]) -> Iterator[Block]:
    section = ""
    for source in cells:
        kind = "text"
        for token in _MARKDOWN.parse(source):
            if token.type == "heading_open":
                kind = "heading"
            elif token.type in ("td_open", "th_open"):
                kind = "cell"
            elif token.type in ("paragraph_open", "heading_close"):
                kind = "text"
            elif token.type == "inline":
                pieces = tuple(_pieces(token.children or []))
                if kind == "heading" and token.level == 1 and _heading_level(source, token) == 2:
                    section = "".join(piece.text for piece in pieces)
                yield Block(section, kind, pieces)
            elif token.type == "math_block":
                yield Block(section, "text", (Piece(token.content, "maths"),))
            elif token.type == "html_block":
                yield Block(section, "html", tuple(_html_pieces(token.content)))


def _heading_level(source: str, token: Token) -> int:
    line = source.splitlines()[token.map[0]] if token.map else ""
    match = re.match(r"\s*(#+)", line)
    return len(match.group(1)) if match else 0


def _pieces(children: list[Token]) -> Iterator[Piece]:
    target = ""
    for token in children:
        if token.type == "link_open":
            target = str(token.attrs.get("href", ""))
        elif token.type == "link_close":
            target = ""
        elif token.type == "code_inline":
            yield Piece(token.content, "code")
        elif token.type in ("math_inline", "math_inline_double"):
            yield Piece(token.content, "maths")
        elif token.type in ("softbreak", "hardbreak"):
            yield Piece(" ", "prose")
        elif token.type == "image":
            yield Piece(token.content, "prose")
        elif token.type == "html_inline":
            continue
        else:
            yield Piece(token.content, "link" if target else "prose", target)


def _html_pieces(content: str) -> Iterator[Piece]:
    text = re.sub(r"<!--.*?-->", "", content, flags=re.DOTALL)
    for part in re.split(r"(<code.*?</code>|<pre.*?</pre>)", text, flags=re.DOTALL):
        words = re.sub(r"<[^>]+>", " ", part)
        yield Piece(words, "code" if part.startswith(("<code", "<pre")) else "prose")
