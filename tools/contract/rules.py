"""The rules that every page keeps."""

from __future__ import annotations

from collections.abc import Sequence

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
)


def problems(page: Page, rules: Sequence[Rule] = RULES) -> list[str]:
    """Return what a page breaks, one sentence each, with what to do."""
    return [problem for rule in rules for problem in dict.fromkeys(rule(page))]
