"""The filter of the pages of claims, used with the keyboard as a reader would."""

from __future__ import annotations

import re

import pytest

from tools.project import Project
from tools.site.stage import toc_files

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif("book/claims" not in toc_files(Project()), reason="not in the book yet"),
]


CHAPTER = "book/claims/08-lora-maths"


@pytest.fixture(params=["book/claims", CHAPTER])
def claims(request, browser, address):
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto(f"{address}/{request.param}.html")
    yield page
    context.close()


def counted(page) -> tuple[int, int]:
    shown, total = re.findall(r"\d+", page.locator(".tl-filter output").text_content())
    assert page.locator(".tl-claim:not([hidden])").count() == int(shown)
    return int(shown), int(total)


def test_all_claims_are_shown_at_first(claims):
    shown, total = counted(claims)
    assert shown == total > 0
    assert claims.url.endswith(".html"), "nothing is asked for yet"


def test_the_keyboard_chooses_a_verdict_and_shows_all_again(claims):
    claims.locator("select[name=verdict]").focus()
    claims.keyboard.type("corr")
    shown, total = counted(claims)
    assert 0 < shown < total
    assert claims.locator(".tl-v-confirmed:visible").count() == 0
    assert claims.url.endswith("?verdict=corrected")
    claims.keyboard.press("Tab")
    claims.keyboard.type("no such words anywhere")
    assert counted(claims)[0] == 0
    claims.keyboard.press("Tab")
    claims.keyboard.press("Enter")
    claims.wait_for_function("!document.querySelector('.tl-claim[hidden]')")
    assert counted(claims) == (total, total)
    assert claims.url.endswith(".html")


def test_a_filter_can_be_linked(claims):
    claims.goto(f"{claims.url}?verdict=corrected&words=LoRA&kind=nonsense")
    shown, total = counted(claims)
    assert 0 < shown < total
    assert claims.locator("select[name=verdict]").input_value() == "corrected"
    assert claims.locator(".tl-claim:visible").count() == shown, "the list of all opens"


def test_a_claim_has_an_address_that_shows_it_whatever_the_filter(browser, address):
    page = browser.new_page()
    page.goto(f"{address}/{CHAPTER}.html?verdict=corrected#claim-08-parameters-at-rank-8")
    assert page.locator("#claim-08-parameters-at-rank-8").is_visible()
    page.goto(f"{address}/book/claims.html#claim-08-parameters-at-rank-8")
    page.wait_for_url("**/claims/08-lora-maths.html#claim-08-parameters-at-rank-8")
    page.close()


def test_without_scripts_every_claim_is_readable(browser, address):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}/{CHAPTER}.html")
    assert page.locator(".tl-claim:visible").count() == page.locator(".tl-claim").count() > 0
    assert page.locator(".tl-filter:visible").count() == 0
    page.goto(f"{address}/book/claims.html")
    page.locator("details.tl-all summary").click()
    assert page.locator(".tl-claim:visible").count() == page.locator(".tl-claim").count() > 0
    context.close()
