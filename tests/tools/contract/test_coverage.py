from pathlib import Path

import pytest

from tlhelpers.evidence.ledger import LedgerError, load_ledger
from tools.contract.coverage import count_table, find_gaps, main, read_units, unit_lines

ENTRY = """
- id: 08-size
  claim: A rank-8 update has 65,536 numbers.
  source: {section: 8, figure: "65,536", where: formula}
  kind: measured
  registered: {experiment: count them, bar: {below: 65537}}
  verdict: planned
  why: Not measured yet.
  planned: {sweeps: [08-counts]}
"""
UNITS = """
- {kind: formula, label: saving of the factors, claims: [08-size]}
- {kind: analogy, label: a small cut, no_claim: an image}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "coverage").mkdir()
    (tmp_path / "08-lora-maths.yaml").write_text(ENTRY)
    (tmp_path / "coverage" / "08-lora-maths.yaml").write_text(UNITS)
    return tmp_path


def gaps(folder: Path) -> list[str]:
    return find_gaps(load_ledger(folder), read_units(folder))


def test_units_and_entries_fit(folder):
    assert gaps(folder) == []
    assert "no claim (an image)" in unit_lines(read_units(folder))


def test_an_entry_that_no_unit_names_is_found(folder):
    (folder / "coverage" / "08-lora-maths.yaml").write_text(UNITS.splitlines()[2])
    assert "08-size comes from section 08" in gaps(folder)[0]


def test_a_unit_of_another_section_does_not_count(folder):
    old = folder / "coverage" / "08-lora-maths.yaml"
    old.rename(folder / "coverage" / "09-what-layers-learn.yaml")
    assert len(gaps(folder)) == 1


def test_a_unit_that_names_no_entry_is_found(folder):
    path = folder / "coverage" / "08-lora-maths.yaml"
    path.write_text(UNITS.replace("[08-size]", "[08-size, 08-lost]"))
    assert "no entry '08-lost'" in gaps(folder)[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("kind: formula", "kind: poem"), "Use one of"),
        (("label: a small cut", "label: saving of the factors"), "used twice"),
        (("no_claim: an image", "claims: []"), "either claims"),
        (("claims: [08-size]", "claims: 08-size"), "not a list"),
        (("no_claim", "noclaim"), "noclaim"),
    ],
)
def test_a_bad_unit_says_what_to_do(folder, change, message):
    path = folder / "coverage" / "08-lora-maths.yaml"
    path.write_text(UNITS.replace(*change))
    with pytest.raises(LedgerError, match=message) as raised:
        read_units(folder)
    assert "08-lora-maths.yaml" in str(raised.value)


def test_counts_are_by_chapter_kind_and_verdict(folder):
    heads, row, total = (
        line.split() for line in count_table(load_ledger(folder).entries).split("\n")
    )
    assert heads[0] == "chapter" and row[:2] == ["08", "1"] and total[:2] == ["all", "1"]
    assert row[heads.index("measured")] == "1" and row[-1] == "1"


# The book itself -------------------------------------------------------------------------------


def test_the_ledger_of_the_book_has_no_gaps():
    ledger = load_ledger()
    found = find_gaps(ledger, read_units(ledger.folder))
    assert not found, "\n".join(found)


def test_the_command_prints_the_counts(capsys):
    main([])
    assert "all" in capsys.readouterr().out
