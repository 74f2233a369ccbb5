"""Numbers in prose: which are typed, and which an entry of the ledger stands behind."""

import pytest

from tests.tools.contract.pages import GOOD, LEDGER, write_page
from tools.contract.prose_numbers import uncovered_numbers, unused_phrases
from tools.project import Project


def numbers(project: Project, sentence: str) -> list[str]:
    page = write_page(project, GOOD.replace("One correction.", sentence))
    return [found.text for found in uncovered_numbers(page.chapter, page.ledger.of_chapter(8))]


@pytest.mark.parametrize(
    "sentence",
    [
        "`r = 8` and `print(99)`",
        "```\n99 lines of code\n```",
        "GPT-3, word2vec, CoNLL-2003, F1, BERT-12 and h0",
        "two cores, a third of them, the second layer",
        "[Hu, 2021](https://arxiv.org/abs/2106.09685) and [2106.09685](https://arxiv.org/abs/2106.09685)",
        "[chapter 8](08-lora-maths.ipynb#top)",
        "$x_1^2 + 10^{-5} + \\tfrac12$",
        "1. An item\n2. Another",
        "### 3. The third step",
        '<a href="https://example.org/99">there</a>',
        "It reaches 93.4 % and 65,536, or 93.4% of a layer 4,096 wide",
        "It reaches 93.4\u202f% and **65,536** numbers",
    ],
)
def test_what_is_no_typed_number(project, sentence):
    assert numbers(project, sentence) == []


@pytest.mark.parametrize(
    ("sentence", "found"),
    [
        ("It saves 99%.", ["99%"]),
        ("It saves 99 % of 7B weights.", ["99 %", "7B"]),
        ("A rank-8 update.", ["8"]),
        ("| a | b |\n|---|---|\n| 12 | x |", ["12"]),
        ("$\\approx 0.693$ and $16{,}777{,}216$", ["0.693", "16,777,216"]),
        ("### A step of 12", ["12"]),
        ("<details><summary>Answer</summary>It is 17.</details>", ["17"]),
        ("In 2018 it began.", ["2018"]),
        ("[In 1,000 words](https://example.org)", ["1,000"]),
        ("Only 4,096 tall.", ["4,096"]),
        ("193.4 % or 93.45 % or 65,536.5", ["193.4 %", "93.45 %", "65,536.5"]),
        ("Wait 10 minutes.", ["10"]),
    ],
)
def test_what_is_a_typed_number(project, sentence, found):
    assert numbers(project, sentence) == found


def test_an_entry_lent_by_another_chapter_counts(project):
    text = LEDGER.replace("08-update", "11-update").replace("ch08", "ch11") + "  also_in: [8]\n"
    (project.root / "book/claims/08-lora-maths.yaml").unlink()
    (project.root / "book/claims/11-lora-with-peft.yaml").write_text(text)
    page = write_page(project, GOOD)
    assert not uncovered_numbers(page.chapter, page.ledger.of_chapter(8, also=True))
    assert uncovered_numbers(page.chapter, page.ledger.of_chapter(8))


def test_phrases_that_no_sentence_uses_are_counted(project):
    page = write_page(project, GOOD)
    unused = unused_phrases(page.chapter, page.ledger.of_chapter(8))
    assert unused == [("08-update-size", "93.4 %"), ("08-update-size", "4,096 wide")]
