"""The filter of the claims page, used with the keyboard as a reader would."""

from __future__ import annotations

import re

import pytest

from tools.project import Project
from tools.site.stage import toc_files

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif("book/claims" not in toc_files(Project()), reason="not in the book yet"),
]


@pytest.fixture
def claims(browser, address):
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto(f"{address}/book/claims.html")
    yield page
    context.close()


def counted(page) -> tuple[int, int]:
    shown, total = re.findall(r"\d+", page.locator(".tl-filter output").text_content())
    assert page.locator(".tl-claim:visible").count() == int(shown)
    return int(shown), int(total)


def test_all_claims_are_shown_at_first(claims):
    shown, total = counted(claims)
    assert shown == total > 0


def test_the_keyboard_chooses_a_verdict_and_shows_all_again(claims):
    claims.locator("select[name=verdict]").focus()
    claims.keyboard.type("corr")
    shown, total = counted(claims)
    assert 0 < shown < total
    assert claims.locator(".tl-v-confirmed:visible").count() == 0
    headings = claims.locator(".bd-article h2:visible").count()
    assert headings <= shown, "a chapter without a fitting claim is hidden with its heading"
    claims.keyboard.press("Tab")
    claims.keyboard.type("no such words anywhere")
    assert counted(claims)[0] == 0
    claims.keyboard.press("Tab")
    claims.keyboard.press("Enter")
    claims.wait_for_function("!document.querySelector('.tl-claim[hidden]')")
    assert counted(claims) == (total, total)


def test_without_scripts_every_claim_is_readable(browser, address):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}/book/claims.html")
    assert page.locator(".tl-claim:visible").count() == page.locator(".tl-claim").count() > 0
    assert page.locator(".tl-filter:visible").count() == 0
    context.close()
