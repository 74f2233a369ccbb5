"""Rules for the text of a page: how it opens and closes, its Markdown, links and length."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tools.contract.chapter_text import Chapter
from tools.contract.page import Page

WORDS = (800, 1800)
HTML_TAGS = {"details", "summary", "img", "sub", "sup", "br", "kbd", "p", "b", "i", "em", "strong"}
HTML_TAGS |= {"code", "pre", "ul", "ol", "li", "a", "table", "thead", "tbody", "tr", "td", "th"}
CLOSING = ("three things to remember", "exercises", "references")


def opening(page: Page) -> Iterator[str]:
    """A page opens with its title, what the reader will be able to do, minutes, needs."""
    before = [block for block in page.chapter.blocks if not block.section]
    text = " ".join(block.text for block in before)
    if not any(block.kind == "heading" for block in before):
        yield "has no title. Start with '# ' and the title."
    if not re.search(r"you will be able to", text, re.IGNORECASE):
        yield "does not say what a reader will be able to do. Write '**You will be able to** ...'."
    time = re.search(r"\*{0,2}Time:?.*", text)
    for word, what in (("CPU", "a CPU"), ("GPU", "a GPU"), (r"minutes?|seconds?", "minutes")):
        if not time or not re.search(word, time.group()):
            yield f"does not say the time ({what}). Write '**Time:** ... minutes on CPU, ... GPU'."
    if not re.search(r"you need|needs", text, re.IGNORECASE):
        yield "does not say what it needs. Write '**You need:** ...'."


def closing(page: Page) -> Iterator[str]:
    """A page closes with three things to remember, exercises, and references with links."""
    titles = [title.lower() for title in page.chapter.sections]
    places = []
    for wanted in CLOSING:
        found = [place for place, title in enumerate(titles) if title.startswith(wanted)]
        if not found:
            yield f"has no section '## {wanted.capitalize()}'. Add it at the end, in this order."
        places += found[:1]
    if places != sorted(places):
        yield f"closes in another order than: {', '.join(CLOSING)}. Move the sections."
    things = _list_items(page.chapter, "three things to remember")
    if "three things to remember" in titles and len(things) != 3:
        yield f"has {len(things)} things to remember, not three. Write a list of three sentences."
    for item in things:
        if not item.strip():
            yield "has an empty thing to remember. Write a sentence."
    if "exercises" in titles and not any(
        block.kind != "heading" for block in page.chapter.section("exercises")
    ):
        yield "has no exercises under '## Exercises'. Add two to four."
    references = page.chapter.section("references")
    if "references" in titles:
        entries = [b for b in references if b.kind == "text" and b.text.strip()]
        if not entries:
            yield "has no references under '## References'. List each source with its link."
        for block in entries:
            if not any(piece.target.startswith("https://") for piece in block.pieces):
                yield f"has a reference without a link: {block.text[:60]!r}. Link it."


def _list_items(chapter: Chapter, section: str) -> list[str]:
    inside, items = False, []
    for source in chapter.markdown_cells:
        for line in source.splitlines():
            if line.startswith("## "):
                inside = line[3:].strip().lower().startswith(section)
            elif inside and (match := re.match(r"(?:\d+\.|[-*])(?:\s+(.*))?$", line)):
                items.append(match.group(1) or "")
    return items


_FORBIDDEN = (
    (r"^\s*(```+|~~~+)\s*\{", "a directive"),
    (r"^\s*:::", "a directive with colons"),
    (r"\{[a-zA-Z][\w:-]*\}`", "a role"),
    (r"^\([\w-]+\)=\s*$", "a target label"),
    (r"\[@[\w:-]+|(?<![\w@])@[a-z]+\d{4}\b", "a citation key"),
    (r"\[\^[\w-]+\]", "a footnote"),
    (r"^\s*%\s", "a MyST comment"),
    (r"^\s*\\begin\{", "a LaTeX environment outside maths"),
)


def plain_markdown(page: Page) -> Iterator[str]:
    """Only what the book, JupyterLab and Colab all render: no directive, role or citation."""
    for source in page.chapter.markdown_cells:
        text = re.sub(r"\$\$.*?\$\$", "", source, flags=re.DOTALL)
        text = re.sub(r"^(```+|~~~+)(?!\s*\{).*?^\1\s*$", "", text, flags=re.DOTALL | re.MULTILINE)
        for pattern, what in _FORBIDDEN:
            if match := re.search(pattern, text, re.MULTILINE):
                line = text[match.start() :].strip().splitlines()[0]
                yield f"uses {what}, which Colab does not show: {line[:60]!r}. Use plain Markdown."
        without_code = re.sub(r"`[^`]*`", "", text)
        for tag in re.findall(r"</?([a-zA-Z][\w-]*)(?=[\s>/])", without_code):
            if tag.lower() not in HTML_TAGS:
                yield f"uses <{tag}>, which not every reader's page shows. Use plain Markdown."
        for image in re.findall(r"!\[(\s*)\]\(|<img(?![^>]*\balt=\"[^\"]+)[^>]*>", without_code):
            yield f"has an image without alt text {image!r}. Say what it shows."


def links(page: Page) -> Iterator[str]:
    """A relative link leads to a chapter that exists, or to its exercises."""
    for block in page.chapter.blocks:
        for piece in block.pieces:
            target = piece.target.partition("#")[0]
            if not target or re.match(r"[a-z]+:", target):
                continue
            slug, _, ending = target.rpartition("/")[2].rpartition(".")
            if target == f"exercises/{slug}.ipynb":
                found = page.project.student_notebook(slug).exists()
            else:
                found = ending == "ipynb" and slug in page.project.slugs()
            if not found:
                yield (
                    f"links to {piece.target!r}, which is no chapter. "
                    "Link to NN-slug.ipynb or exercises/NN-slug.ipynb: these work in the book, in "
                    "Jupyter and on Colab."
                )


def length(page: Page) -> Iterator[str]:
    """800 to 1,800 words, the references not counted."""
    words = count_words(page.chapter)
    if not WORDS[0] <= words <= WORDS[1]:
        yield f"has {words} words, not {WORDS[0]} to {WORDS[1]}. Say more, or say it shorter."


def count_words(chapter: Chapter) -> int:
    """Count the words of the prose as an editor counts them: what stands between two spaces.

    Headings, tables, names of code in a sentence and answers that are folded away are read, so they
    count; a formula is one word. References, code and what it prints do not count.
    """
    read = [b for b in chapter.blocks if not b.section.lower().startswith("references")]
    texts = [
        "".join("x" if piece.role == "maths" else piece.text for piece in block.pieces)
        for block in read
    ]
    return sum(bool(re.search(r"\w", word)) for text in texts for word in text.split())
