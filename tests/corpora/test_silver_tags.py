import pytest

from tlhelpers.corpora import silver_tags

pytestmark = pytest.mark.real_assets("silver-tags")


def test_the_first_sentence_is_tagged():
    (found,) = silver_tags.tag(
        ["The cat chased a mouse in Paris. Nobody saw it.\nA new paragraph."]
    )
    assert found.words == ["The", "cat", "chased", "a", "mouse", "in", "Paris", "."]
    assert found.part_of_speech == ["DET", "NOUN", "VERB", "DET", "NOUN", "ADP", "PROPN", "PUNCT"]
    assert found.arc[:3] == ["det", "nsubj", "ROOT"]
    assert found.entity[6] == "GPE"
    assert found.entity[0] is None
    # chased -> in -> Paris, chased -> cat -> The
    assert found.depth == [2, 1, 0, 2, 1, 1, 2, 1]


def test_texts_keep_their_order():
    found = silver_tags.tag(["Dogs bark.", "Cats sleep all day long.", "Birds sing."])
    assert [sentence.words[0] for sentence in found] == ["Dogs", "Cats", "Birds"]


def test_a_text_without_a_word_is_refused():
    with pytest.raises(ValueError, match="text 1 has no word"):
        silver_tags.tag(["Dogs bark.", "  \n "])


def test_its_published_errors_are_read_from_its_own_file():
    accuracy = silver_tags.published_accuracy()
    assert set(accuracy) == {"part of speech", "arc and head", "entities"}
    assert all(0.8 < share < 0.99 for share in accuracy.values())
