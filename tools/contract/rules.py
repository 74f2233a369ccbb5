"""The rules that every page keeps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml

from tools.contract.cells import notebook_is_bare, results_are_told, start, thin_cells
from tools.contract.claims import (
    claims_exist,
    corrections_are_shown,
    numbers_have_entries,
    verdicts_hold,
)
from tools.contract.figures import figures_speak, something_to_see_and_to_play_with
from tools.contract.page import Page, Rule
from tools.contract.prose import closing, length, links, opening, plain_markdown
from tools.contract.teaching import (
    field_words,
    folded_cells_only_draw,
    leads_on,
    narrow_lines,
    take_home,
    visible_code_teaches,
)
from tools.project import Project

RULES: tuple[Rule, ...] = (
    opening,
    closing,
    plain_markdown,
    links,
    start,
    thin_cells,
    length,
    results_are_told,
    something_to_see_and_to_play_with,
    figures_speak,
    numbers_have_entries,
    claims_exist,
    verdicts_hold,
    corrections_are_shown,
    notebook_is_bare,
    narrow_lines,
    folded_cells_only_draw,
    visible_code_teaches,
    take_home,
    leads_on,
    field_words,
)


def exceptions_file(project: Project) -> Path:
    """Say where it stands how often a page may still break a rule."""
    return project.root / "tools" / "contract" / "exceptions.yaml"


def _exceptions(page: Page) -> dict[str, int]:
    path = exceptions_file(page.project)
    listed = yaml.safe_load(path.read_text("utf-8")) if path.exists() else {}
    return listed.get(page.chapter.slug, {})


def problems(page: Page, rules: Sequence[Rule] = RULES) -> list[str]:
    """Return what a page breaks, one sentence each, with what to do.

    A page that is older than a rule may break it as often as its exceptions say, and not less
    often either: they shrink with the page.
    """
    allowed = _exceptions(page)
    found = []
    for rule in rules:
        broken = list(dict.fromkeys(rule(page)))
        name, count = rule.__name__, allowed.get(rule.__name__, 0)
        if len(broken) > count:
            found += broken
        elif len(broken) < count:
            found.append(
                f"breaks {name} {len(broken)} times, and {count} are excepted. "
                "Lower the figure in tools/contract/exceptions.yaml."
            )
    return found
