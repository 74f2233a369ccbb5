"""Write what follows from the list of the chapters and from the pages.

    python -m tools.derive           write it
    python -m tools.derive --check   only tell what is out of date

From book/chapters.yaml: the parts of the book and the pages of its claims in _toc.yml, the list on
the first page, the state in README.md, the heading of each page, and the paths through the book on
a page that has a place for them. From what a page imports: what its
first cells install on Colab. A chapter is in the book as soon as its page is there.
"""

from __future__ import annotations

import argparse
import re
import sys
import textwrap
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import yaml

from tools.needs import needs, page_code
from tools.pair import pair
from tools.project import PATHS, Chapter, Project, UserError, chapters, write_atomically

_HEADING = re.compile(r"^# .*$", re.MULTILINE)
_INSTALL = re.compile(r'(%pip install -q "tlhelpers)(?:\[[\w,-]*\])?( @ git\+)')


def written_chapters(project: Project) -> list[Chapter]:
    """List the chapters whose page is there.

    Raises
    ------
    UserError
        If a page is not in the list, or the list lacks what the first page says about it.
    """
    listed = {chapter.slug: chapter for chapter in chapters(project)}
    for slug in project.slugs():
        if slug not in listed:
            raise UserError(f"{slug} is not in book/chapters.yaml. Add its line there.")
        if not listed[slug].about:
            raise UserError(
                f"book/chapters.yaml: {slug} has a page. Say in about: what it is about."
            )
    return [listed[slug] for slug in project.slugs()]


def toc_parts(project: Project) -> str:
    """Write the parts of the table of contents, with the exercises under their chapters."""
    parts = []
    for part, group in groupby(written_chapters(project), key=lambda chapter: chapter.part):
        files: list[dict[str, object]] = []
        for chapter in group:
            title = f"{chapter.number} · {chapter.title}"
            files.append({"file": f"notebooks/{chapter.slug}", "title": title})
            if chapter.slug in project.masters():
                exercises = {"file": f"notebooks/exercises/{chapter.slug}", "title": "Exercises"}
                files[-1]["sections"] = [exercises]
        parts.append({"caption": part, "chapters": files})
    text = yaml.safe_dump(parts, sort_keys=False, allow_unicode=True, width=1000)
    return textwrap.indent(text, "  ") if parts else ""


def toc_claims(project: Project) -> str:
    """Write the pages of claims in the table of contents: one for each chapter with a ledger."""
    ledgers = {path.stem for path in (project.root / "book" / "claims").glob("[0-9][0-9]-*.yaml")}
    sections = [
        {"file": f"book/claims/{chapter.slug}", "title": f"{chapter.number} · {chapter.title}"}
        for chapter in chapters(project)
        if chapter.slug in ledgers
    ]
    if not sections:
        return ""
    text = yaml.safe_dump(sections, sort_keys=False, allow_unicode=True, width=1000)
    return textwrap.indent(text, " " * 10)


def first_page_list(project: Project) -> str:
    """Write the list of the first page: a line for each chapter that is there."""
    written = written_chapters(project)
    exercises = {chapter.slug for chapter in written} <= set(project.masters())
    lines = [
        f"{len(written)} of {len(chapters(project))} chapters are finished"
        f"{', each with exercises' * exercises}.",
        "",
        *(f"- [{c.title}](../notebooks/{c.slug}.ipynb): {c.about}." for c in written),
    ]
    return "\n".join(lines) + "\n"


def readme_state(project: Project) -> str:
    """Write the state of the book for those who meet it in its repository."""
    written, listed = written_chapters(project), chapters(project)
    titles = ", ".join(f"*{chapter.title}* ({chapter.slug[:2]})" for chapter in written)
    lines = [f"> **State.** {len(written)} of {len(listed)} chapters are finished: {titles}."]
    if len(written) < len(listed):
        lines.append("> The claims ledger holds what the others will settle.")
    return "\n".join(lines) + "\n"


def paths(project: Project) -> str:
    """Write the paths through the book: a line each, with links to the pages that are there."""
    written = written_chapters(project)
    lines = []
    for name, whom in PATHS.items():
        links = [f"[{c.title}]({c.slug}.ipynb)" for c in written if name in c.paths]
        lines += [f"- **{name.capitalize()}**, {whom}: {' → '.join(links)}."] if links else []
    return "\n".join(lines) + "\n"


def page(project: Project, chapter: Chapter) -> str:
    """Give a page its heading and the paths, and let it install on Colab only what it imports.

    Raises
    ------
    UserError
        If the page has no heading, or more than one.
    """
    text = project.source(chapter.slug).read_text("utf-8")
    if "begin paths" in text:
        text = _fill(text, "paths", paths(project), chapter.slug)
    opening, code, rest = text.partition("```{code-cell}")
    opening, found = _HEADING.subn(lambda _: f"# {chapter.title}", opening)
    if found != 1:
        raise UserError(f"{chapter.slug} has no heading, or two. Start the page with one '# '.")
    extras = ",".join(sorted(needs(page_code(project, chapter.slug)).packages))
    install = f"[{extras}]" if extras else ""
    return opening + code + _INSTALL.sub(rf"\1{install}\2", rest)


def derived(project: Project) -> dict[Path, str]:
    """Return each file that holds something derived, as it should be.

    Raises
    ------
    UserError
        If a file has no place for it.
    """
    files: dict[Path, str] = {}
    for name, what, fresh in (
        ("_toc.yml", "chapters", toc_parts(project)),
        ("_toc.yml", "claims", toc_claims(project)),
        ("book/index.md", "chapters", first_page_list(project)),
        ("README.md", "chapters", readme_state(project)),
    ):
        path = project.root / name
        text = files.get(path) or path.read_text("utf-8")
        files[path] = _fill(text, what, fresh, name)
    for chapter in written_chapters(project):
        files[project.source(chapter.slug)] = page(project, chapter)
    return files


def _fill(text: str, what: str, fresh: str, name: str) -> str:
    # What stands between two such lines is written here, whatever a comment looks like there.
    place = rf"(^[^\n]*\bbegin {what}\b[^\n]*\n).*?(^[^\n]*\bend {what}\b)"
    parts = re.split(place, text, flags=re.MULTILINE | re.DOTALL)
    if len(parts) != 4:
        raise UserError(
            f"{name} has no single place for the {what}. Keep one pair of comment lines "
            f"with 'begin {what}' and 'end {what}'."
        )
    before, begin, end, after = parts
    return before + begin + fresh + end + after


def main(arguments: Sequence[str] | None = None, project: Project | None = None) -> int:
    """Write what is out of date, or tell it."""
    parser = argparse.ArgumentParser(prog="python -m tools.derive", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--check", action="store_true", help="write nothing, fail if out of date")
    options = parser.parse_args(arguments)
    project = project or Project()
    try:
        if not options.check:
            # An edit made in a notebook has to reach the Markdown before that is written.
            _pair(project)
        files = derived(project)
        stale = [path for path, text in files.items() if path.read_text("utf-8") != text]
        for path in stale:
            name = path.relative_to(project.root).as_posix()
            print(f"{name}: out of date" if options.check else f"wrote {name}")
            if not options.check:
                write_atomically(path, files[path])
        if not options.check:
            _pair(project)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    if stale and options.check:
        print("Run `python -m tools.derive` and commit what it wrote.", file=sys.stderr)
    return int(bool(stale) and options.check)


def _pair(project: Project) -> None:
    for slug in project.slugs():
        pair(project, slug)


if __name__ == "__main__":
    raise SystemExit(main())
