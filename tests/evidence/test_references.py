"""Sources: a file a chapter, read as one list."""

from pathlib import Path

import pytest

from tlhelpers.evidence.ledger import Cited, LedgerError, load_ledger, read_yaml

HU = """
hu-2021: {authors: Hu et al., year: 2021, title: LoRA, url: "https://arxiv.org/abs/2106.09685"}
"""
LIU = HU.replace("hu-2021", "liu-2024").replace("LoRA", "DoRA")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "references").mkdir()
    (tmp_path / "references" / "08-lora-maths.yaml").write_text(HU)
    (tmp_path / "references" / "11-lora-with-peft.yaml").write_text(LIU)
    return tmp_path


def test_sources_of_all_chapters_are_one_list(folder):
    assert set(load_ledger(folder).references) == {"hu-2021", "liu-2024"}


def test_a_page_reads_no_sources_of_later_chapters(folder):
    (folder / "references" / "11-lora-with-peft.yaml").write_text("not a mapping")
    assert set(load_ledger(folder, chapter=8).references) == {"hu-2021"}


def test_a_source_given_twice_is_refused_with_both_files(folder):
    (folder / "references" / "11-lora-with-peft.yaml").write_text(HU)
    with pytest.raises(LedgerError) as caught:
        load_ledger(folder)
    for name in ("references/08-lora-maths.yaml", "references/11-lora-with-peft.yaml", "hu-2021"):
        assert name in str(caught.value)


def test_a_source_stands_with_the_first_chapter_that_cites_it():
    ledger = load_ledger()
    first: dict[str, int] = {}
    for entry in ledger.entries:
        cited = [entry.settled_by.reference] if isinstance(entry.settled_by, Cited) else []
        for key in (*cited, *entry.references):
            first[key] = min(first.get(key, entry.chapter), entry.chapter)
    stands = {
        key: int(path.name[:2])
        for path in (ledger.folder / "references").glob("*.yaml")
        for key in read_yaml(path)
    }
    assert {key: number for key, number in stands.items() if first.get(key) != number} == {}
