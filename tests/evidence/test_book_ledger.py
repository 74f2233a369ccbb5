"""The ledger of the book itself, and by which phrases its prose may state an entry."""

import pytest

from tests.evidence.settled import BOOK, settled
from tests.evidence.small_ledger import GOOD, write
from tlhelpers.evidence.ledger import Computed, load_ledger
from tlhelpers.evidence.settle import computed_in_words, settle
from tools.contract.prose_numbers import bare_phrases, unbacked_phrases


@pytest.mark.parametrize(
    ("phrase", "backed"),
    [
        ("65,536 numbers", True),
        ("65.5 thousand", True),
        ("65.54k", True),
        ("65.6k", False),
        ("65,537", False),
        ("rank 8", True),
        ("rank 16", False),
        ("GPT-3 has 65,536", True),
    ],
)
def test_a_phrase_states_only_what_its_entry_backs(folder, phrase, backed):
    write(folder, GOOD.replace('["65,536"]', f'["{phrase}"]'))
    entry = load_ledger(folder)["08-good"]
    unbacked = unbacked_phrases(entry, settle(entry, folder))
    assert unbacked == ([] if backed else [phrase])


def test_a_share_backs_a_percentage(folder):
    text = GOOD.replace("expects: 65536", "expects: 0.934").replace('["65,536"]', '["93.4 %"]')
    text = text.replace("65_536", "0.934")
    entry = load_ledger(write(folder, text))["08-good"]
    assert unbacked_phrases(entry, settle(entry, folder)) == []


def test_a_short_number_needs_a_word(folder):
    write(folder, GOOD.replace('["65,536"]', '["8", "rank 8", "65,536", "8 %"]'))
    assert bare_phrases(load_ledger(folder)["08-good"]) == ["8"]


def test_every_reference_is_cited_or_recommended():
    used = {key for entry in BOOK.entries for key in entry.references}
    used |= {e.settled_by.reference for e in BOOK.entries if e.kind == "cited" and e.settled_by}
    assert sorted(set(BOOK.references) - used) == []


def test_what_a_reader_sees_of_a_computation_is_a_sentence_without_code():
    computed = [entry for entry in BOOK.entries if isinstance(entry.settled_by, Computed)]
    for entry in computed:
        said = computed_in_words(entry.settled_by, "", BOOK.folder)
        assert entry.settled_by.function not in said and "`" not in said, entry.id


@pytest.mark.parametrize("entry", BOOK.entries, ids=lambda entry: entry.id)
def test_the_book_ledger_is_settled_as_it_says(entry):
    found = settled(entry.id)
    assert found.holds, (
        f"{entry.file}: {entry.id}: {found.detail}. Correct the entry, or what it rests on."
    )
    assert not bare_phrases(entry), (
        f"{entry.file}: {entry.id}: prose {bare_phrases(entry)} would cover that number anywhere. "
        "Add a word: '12 layers'."
    )
    for phrase in unbacked_phrases(entry, found):
        pytest.fail(
            f"{entry.file}: {entry.id}: prose {phrase!r} has a number that is neither in figure "
            f"nor in settled_by, nor the value ({found.value!r}). Correct the phrase."
        )
