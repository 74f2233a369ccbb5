"""Each page of the rendered book as a reader sees it: phone and desk, day and night."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

import pytest

from tools.project import Project
from tools.site.glossary import terms
from tools.site.stage import toc_chapters, toc_files

pytestmark = pytest.mark.browser

PAGES = toc_files(Project())
CHAPTERS = [f"notebooks/{slug}" for slug in toc_chapters(Project())]
PHONE, DESK = 390, 1280
TRANSFER_LIMIT = 1_000_000
SMALLEST_LABEL = 11  # pixels
TALLEST = 15_000  # pixels of a picture: Chromium draws no taller one

MEASURE = """() => ({
  scrollWidth: document.documentElement.scrollWidth,
  innerWidth: window.innerWidth,
  wide: [...document.querySelectorAll('.bd-article *')]
    .filter(e => e.getBoundingClientRect().right > window.innerWidth + 1)
    .filter(e => { for (let p = e.parentElement; p; p = p.parentElement)
                     if (/auto|scroll|hidden/.test(getComputedStyle(p).overflowX)) return false;
                   return true; })
    .slice(0, 3).map(e => e.outerHTML.slice(0, 120)),
  withoutAlt: [...document.querySelectorAll('.bd-article img')]
    .filter(e => !(e.alt || '').trim()).map(e => e.outerHTML.slice(0, 120)),
  unnamedDrawings: [...document.querySelectorAll('.cell_output svg')]
    .filter(e => !e.closest('[aria-hidden=true], button'))
    .filter(e => !(e.getAttribute('aria-label') || '').trim())
    .map(e => e.outerHTML.slice(0, 120)),
  genericAlt: [...document.querySelectorAll('.bd-article img')]
    .filter(e => /^(\\.\\.\\/)?_images|\\.(png|svg)$/.test(e.alt || '')).map(e => e.alt),
  background: getComputedStyle(document.body).backgroundColor,
  ink: getComputedStyle(document.querySelector('.bd-article')).color,
  language: document.documentElement.lang,
  title: document.title,
  headings: [...document.querySelectorAll('h1')].filter(e => e.checkVisibility()).length,
  colab: [...document.querySelectorAll('a[href^="https://colab.research.google.com/github/"]')]
    .map(e => e.href),
  clipped: [...document.querySelectorAll('.bd-article pre')]
    .filter(e => e.checkVisibility() && e.scrollWidth > e.clientWidth + 1)
    .map(e => e.textContent.trim().slice(0, 60)),
  labels: [...document.querySelectorAll('.cell_output svg[aria-label]')]
    .filter(svg => svg.checkVisibility()).map(svg => {
      const texts = [...svg.querySelectorAll('text')].filter(e => e.textContent.trim());
      const boxes = texts.map(e => ({said: e.textContent.trim(), box: e.getBoundingClientRect()}));
      const size = e => { const m = e.getScreenCTM();
        return parseFloat(getComputedStyle(e).fontSize) * Math.hypot(m.a, m.b); };
      const shared = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1
        && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3;
      return {
        smallest: Math.min(...texts.map(size)),
        overlapping: boxes.flatMap((a, i) => boxes.slice(i + 1)
          .filter(b => shared(a.box, b.box)).map(b => `${a.said} | ${b.said}`)),
      };
    }),
  mathErrors: document.querySelectorAll('mjx-merror, [data-mjx-error]').length,
})"""


@dataclass
class Visit:
    """What was seen when a page was opened once; ``seen`` holds a measurement for each width."""

    hosts: set[str] = field(default_factory=set)
    failed: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    transferred: dict[str, int] = field(default_factory=dict)
    seen: dict = field(default_factory=dict)


@pytest.fixture(scope="module")
def open_page(browser, address):
    """Open a page of the book; the caller closes its context."""

    def open_page(page, scheme):
        context = browser.new_context(
            viewport={"width": DESK, "height": 844},
            color_scheme=scheme,
            # A page that asks another host for something shows it here rather than in a time-out.
            service_workers="block",
        )
        context.set_default_timeout(60_000)
        context.route(
            lambda url: not url.startswith((address, "data:", "blob:")), lambda route: route.abort()
        )
        opened = context.new_page()
        visit = Visit()
        requests = []
        opened.on("request", lambda request: requests.append(request))
        opened.on("requestfailed", lambda request: visit.failed.append(request.url))
        opened.on("pageerror", lambda error: visit.errors.append(str(error)))
        opened.on(
            "console",
            lambda message: visit.errors.append(message.text) if message.type == "error" else None,
        )
        opened.goto(f"{address}/{page}.html", wait_until="load")
        opened.wait_for_load_state("networkidle")
        for request in requests:
            if urlsplit(request.url).scheme in ("http", "https"):
                visit.hosts.add(urlsplit(request.url).netloc)
                answer = request.response()
                if answer is not None and answer.ok:
                    path = urlsplit(request.url).path
                    visit.transferred[path] = request.sizes()["responseBodySize"]
        return context, opened, visit

    return open_page


@pytest.fixture(scope="module")
def visit(open_page):
    """Visit a page once for all tests, keeping a picture of it."""
    visits = {}
    pictures = Project().build / "screenshots"
    pictures.mkdir(parents=True, exist_ok=True)

    def visit(page, scheme):
        if (page, scheme) not in visits:
            context, opened, visits[page, scheme] = open_page(page, scheme)
            for width in (DESK, PHONE):
                opened.set_viewport_size({"width": width, "height": 844})
                visits[page, scheme].seen[width] = opened.evaluate(MEASURE)
                name = f"{page.replace('/', '-')}-{width}-{scheme}.png"
                height = min(opened.evaluate("document.documentElement.scrollHeight"), TALLEST)
                area = {"x": 0, "y": 0, "width": width, "height": height}
                opened.screenshot(path=pictures / name, full_page=True, clip=area)
            context.close()
        return visits[page, scheme]

    return visit


each_page = pytest.mark.parametrize("page", PAGES)
each_chapter = pytest.mark.parametrize("page", CHAPTERS)
each_width = pytest.mark.parametrize("width", [PHONE, DESK])
each_scheme = pytest.mark.parametrize("scheme", ["light", "dark"])


@each_page
@each_scheme
def test_a_page_asks_no_other_host_and_reports_no_error(visit, address, page, scheme):
    seen = visit(page, scheme)
    assert seen.hosts == {urlsplit(address).netloc}
    assert seen.failed == []
    assert seen.errors == []


@each_page
@each_width
def test_a_page_does_not_scroll_sideways(visit, page, width):
    seen = visit(page, "light").seen[width]
    assert seen["scrollWidth"] <= seen["innerWidth"], f"too wide: {seen['wide']}"


@each_page
def test_no_block_of_code_is_cut_off(visit, page):
    assert visit(page, "light").seen[DESK]["clipped"] == []


@each_chapter
def test_the_labels_of_a_figure_can_be_read_on_a_phone(visit, page):
    for figure in visit(page, "light").seen[PHONE]["labels"]:
        assert figure["overlapping"] == []
        assert figure["smallest"] >= SMALLEST_LABEL


@each_page
def test_a_page_says_its_language_and_title_and_has_one_main_heading(visit, page):
    seen = visit(page, "light").seen[DESK]
    assert seen["language"] == "en"
    assert "Transfer Learning in NLP" in seen["title"]
    assert seen["headings"] == 1
    assert seen["mathErrors"] == 0


@each_page
def test_each_image_is_described(visit, page):
    seen = visit(page, "light").seen[DESK]
    assert seen["withoutAlt"] == []
    assert seen["unnamedDrawings"] == []
    assert seen["genericAlt"] == [], "a file name describes nothing"


def brightness(colour):
    """Give the brightness of ``rgb(r, g, b)``, 0 to 255."""
    numbers = [float(part) for part in colour.partition("(")[2].rstrip(")").split(",")[:3]]
    return sum(numbers) / 3


@each_page
def test_night_is_dark_ink_is_light_and_day_is_the_reverse(visit, page):
    day, night = (visit(page, scheme).seen[DESK] for scheme in ("light", "dark"))
    assert brightness(day["background"]) > 200 > 100 > brightness(day["ink"])
    assert brightness(night["background"]) < 60 < 160 < brightness(night["ink"])


@each_chapter
def test_a_chapter_is_small(visit, page):
    transferred = visit(page, "light").transferred
    largest = sorted(transferred.items(), key=lambda item: -item[1])[:6]
    assert sum(transferred.values()) < TRANSFER_LIMIT, f"largest: {largest}"


@each_chapter
def test_a_chapter_opens_on_colab(visit, page):
    assert any(link.endswith(f"{page}.ipynb") for link in visit(page, "light").seen[DESK]["colab"])


@each_chapter
def test_what_there_is_to_play_with_answers_to_the_keyboard(open_page, page):
    context, opened, visit = open_page(page, "light")
    box = opened.locator(".tl-explore").first
    if opened.locator(".tl-explore").count() == 0:
        context.close()
        pytest.skip("nothing to play with on this page yet")
    shown = ".tl-state:not([hidden])"
    before = box.locator(shown).inner_html()
    control = box.locator("input, select").first
    control.focus()
    assert opened.evaluate("document.activeElement.closest('.tl-explore') !== null")
    opened.keyboard.press("ArrowRight")
    if box.locator(shown).inner_html() == before:  # it began at the last state
        opened.keyboard.press("ArrowLeft")
    assert box.locator(shown).inner_html() != before
    assert box.locator(shown).count() == 1
    assert visit.errors == []
    context.close()


def test_the_reader_can_switch_to_dark_and_stays_there(open_page, address):
    context, opened, _ = open_page(PAGES[0], "light")
    backgrounds = set()
    for _ in range(3):
        opened.locator("button.theme-switch-button:visible").first.click()
        backgrounds.add(opened.evaluate("getComputedStyle(document.body).backgroundColor"))
        if brightness(max(backgrounds, key=lambda colour: -brightness(colour))) < 60:
            break
    chosen = opened.evaluate("document.documentElement.dataset.theme")
    opened.goto(f"{address}/{PAGES[-1]}.html")
    kept = opened.evaluate("document.documentElement.dataset.theme")
    context.close()
    assert chosen == kept == "dark"


def first_hits(opened, address, words):
    """Search the book for words, as a reader does; return the pages of the first hits."""
    opened.goto(f"{address}/search.html?q={quote(words)}")
    opened.wait_for_function(
        "document.querySelector('#search-results .search-summary')?.textContent.match(/\\d|not/)"
    )
    opened.wait_for_timeout(500)  # hits come one by one, the best first
    links = opened.locator("#search-results ul.search > li > a")
    return [link.get_attribute("href").partition(".html")[0] for link in links.all()]


def test_a_search_for_a_term_of_the_field_finds_the_chapter_that_explains_it(open_page, address):
    context, opened, _ = open_page(PAGES[0], "light")
    lost = {}
    for term in terms(Project()):
        hits = first_hits(opened, address, term.word)
        if not any(hit in CHAPTERS for hit in hits[:2]):
            lost[term.word] = hits[:4]
    context.close()
    assert lost == {}


def test_the_pages_of_the_ledger_are_not_searched(open_page, address):
    context, opened, _ = open_page(PAGES[0], "light")
    hits = first_hits(opened, address, "learning rate")
    context.close()
    assert hits
    assert not any(hit.startswith(("book/claims", "book/corrections")) for hit in hits)
