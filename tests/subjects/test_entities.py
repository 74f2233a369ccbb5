"""By hand and by seqeval: what is an entity, and what counts as found."""

from itertools import product

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value
from seqeval.metrics import classification_report, f1_score, precision_score, recall_score
from seqeval.scheme import IOB2

from tests.tiny_models import tiny_tagger, tiny_tokenizer
from tlhelpers.corpora.by_role import data
from tlhelpers.corpora.unseen_templates import split_by_template
from tlhelpers.subjects import entities
from tlhelpers.subjects.entities import Span

NAMES = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
STRICT = {"mode": "strict", "scheme": IOB2}


def random_tags(generator, sentences=30, longest=9):
    return [
        [NAMES[i] for i in generator.integers(len(NAMES), size=generator.integers(1, longest))]
        for _ in range(sentences)
    ]


def guesses(generator, truth, share=0.3):
    """Other tags at some places: a guess that is often nearly right."""
    return [
        [NAMES[generator.integers(len(NAMES))] if generator.random() < share else t for t in row]
        for row in truth
    ]


def rows(sentences, names=NAMES):
    return Dataset.from_dict(
        {
            "tokens": [[word for word, _ in sentence] for sentence in sentences],
            "tags": [[names.index(tag) for _, tag in sentence] for sentence in sentences],
        },
        features=Features(tokens=List(Value("string")), tags=List(ClassLabel(names=names))),
    )


# From words to pieces, and back


WORD_IDS = [None, 0, 0, 1, 2, 2, 2, 3, None]


def test_first_piece_has_the_label_and_nothing_else_has():
    aligned = entities.align([1, 2, 3, 0], WORD_IDS, NAMES)
    assert aligned == [-100, 1, -100, 2, 3, -100, -100, 0, -100]


def test_behind_the_first_piece_of_a_beginning_the_entity_goes_on():
    aligned = entities.align([1, 2, 3, 0], WORD_IDS, NAMES, "all")
    assert aligned == [-100, 1, 2, 2, 3, 4, 4, 0, -100]
    tags = [NAMES[i] for i in aligned if i != -100]
    assert [span.type for span in entities.spans(tags)] == ["PER", "LOC"]


def test_alignment_by_all_pieces_keeps_the_entities_of_any_legal_tags():
    generator = np.random.default_rng(0)
    for truth in random_tags(generator, 50):
        legal = entities.viterbi(np.eye(5)[[NAMES.index(t) for t in truth]], NAMES)
        word_ids = np.repeat(np.arange(len(legal)), generator.integers(1, 4, size=len(legal)))
        aligned = entities.align([NAMES.index(t) for t in legal], word_ids.tolist(), NAMES, "all")
        found = entities.spans([NAMES[i] for i in aligned])
        assert [
            (span.type, word_ids[span.start], word_ids[span.end - 1] + 1) for span in found
        ] == list(map(tuple, entities.spans(legal)))


def test_an_unknown_way_to_align_is_refused():
    with pytest.raises(ValueError, match="pieces='last'"):
        entities.align([0], [0], NAMES, "last")


SENTENCES = [
    [("the-actor", "B-PER"), ("was", "O"), ("in", "O"), ("film", "B-LOC")],
    [("a", "B-PER"), ("very-good", "I-PER"), (".", "O")],
]


def test_encode_gives_first_pieces_the_labels_that_training_gives_them():
    from tlhelpers.training.encoding import encode

    model, tokenizer = tiny_tagger(num_labels=5), tiny_tokenizer()
    data = rows(SENTENCES)
    ours = entities.encode(data, tokenizer)
    theirs = encode(data, tokenizer, model).columns["labels"]
    assert [row["labels"] for row in ours] == [theirs[i].tolist() for i in range(len(data))]
    assert -100 in ours[0]["labels"][1:-1], "no word of the test is cut into pieces"
    for row in entities.encode(data, tokenizer, "all"):
        assert row["labels"].count(-100) == 2
        assert len(row["labels"]) == len(row["input_ids"])


def test_a_word_is_read_at_its_first_piece():
    import torch

    model, tokenizer = tiny_tagger(num_labels=5), tiny_tokenizer()
    words = [[word for word, _ in sentence] for sentence in SENTENCES]
    found = entities.word_log_probabilities(model, tokenizer, words)
    assert [len(sentence) for sentence in found] == [4, 3]
    for sentence, ours in zip(words, found, strict=True):
        encoded = tokenizer(sentence, is_split_into_words=True, return_tensors="pt")
        with torch.inference_mode():
            theirs = model.eval()(**encoded).logits[0].log_softmax(-1)
        places = [encoded.word_ids().index(number) for number in range(len(sentence))]
        np.testing.assert_allclose(ours, theirs[places], atol=1e-5)  # rounding of padded batches
    with pytest.raises(ValueError, match="word 1 of sentence 0, '', has no piece"):
        entities.word_log_probabilities(model, tokenizer, [["Ada", ""]])


# Which tag may follow which


@pytest.mark.parametrize(
    ("tags", "places"),
    [
        ("O B-PER I-PER O", []),
        ("I-PER I-PER", [0]),
        ("B-PER I-LOC I-LOC", [1]),
        ("B-PER O I-PER", [2]),
        ("B-PER B-PER I-PER", []),
    ],
)
def test_an_inside_that_goes_on_with_nothing_is_illegal(tags, places):
    assert entities.illegal(tags.split()) == places


def test_what_is_no_tag_is_refused():
    for tag in ("PER", "S-PER", "B-", "O-PER"):
        with pytest.raises(ValueError, match="no BIO tag"):
            entities.illegal([tag])


def test_viterbi_finds_the_best_of_all_legal_sequences():
    generator = np.random.default_rng(1)
    for length in (1, 2, 3, 4, 5):
        scores = generator.normal(size=(length, len(NAMES)))
        every = [s for s in product(NAMES, repeat=length) if not entities.illegal(s)]
        best = max(every, key=lambda s: sum(scores[i, NAMES.index(t)] for i, t in enumerate(s)))
        assert entities.viterbi(scores, NAMES) == list(best)


def test_viterbi_leaves_alone_what_is_legal():
    generator = np.random.default_rng(2)
    changed = 0
    for _ in range(200):
        scores = generator.normal(size=(4, len(NAMES)))
        alone, path = entities.likeliest(scores, NAMES), entities.viterbi(scores, NAMES)
        assert not entities.illegal(path)
        assert (path == alone) == (not entities.illegal(alone))
        changed += path != alone
    assert 0 < changed < 200


def test_viterbi_may_turn_an_inside_into_a_beginning_or_what_is_before_it():
    sure = np.log([[0.6, 0.4, 1e-9, 1e-9, 1e-9], [1e-9, 0.05, 0.9, 1e-9, 0.05]])
    assert entities.likeliest(sure, NAMES) == ["O", "I-PER"]
    assert entities.viterbi(sure, NAMES) == ["B-PER", "I-PER"]
    assert entities.viterbi(np.zeros((0, 5)), NAMES) == []


# What counts as found


@pytest.mark.parametrize("seed", range(5))
def test_scores_are_those_of_seqeval(seed):
    generator = np.random.default_rng(seed)
    truth = random_tags(generator)
    for guess in (guesses(generator, truth), random_tags(generator), truth):
        if [len(row) for row in guess] != [len(row) for row in truth]:
            guess = [[NAMES[generator.integers(5)] for _ in row] for row in truth]
        for strict, settings in ((True, STRICT), (False, {})):
            ours = entities.score(truth, guess, strict=strict)
            for name, theirs in (
                ("precision", precision_score),
                ("recall", recall_score),
                ("f1", f1_score),
            ):
                assert getattr(ours, name) == pytest.approx(theirs(truth, guess, **settings)), name


def test_the_report_is_that_of_seqeval():
    generator = np.random.default_rng(7)
    truth = random_tags(generator)
    guess = guesses(generator, truth)
    ours = entities.report(truth, guess)
    theirs = classification_report(truth, guess, output_dict=True, **STRICT)
    called = {"all entities": "micro avg", "mean of the types": "macro avg"}
    for name, row in ours.iterrows():
        other = theirs[called.get(name, name)]
        assert [row["precision"], row["recall"], row["f1"], row["entities"]] == pytest.approx(
            [other["precision"], other["recall"], other["f1-score"], other["support"]]
        )
    assert list(ours.index) == ["LOC", "PER", *called]


def test_strict_and_lenient_differ_where_an_entity_begins_with_inside():
    truth, guess = [["B-PER", "I-PER", "O"]], [["I-PER", "I-PER", "O"]]
    assert entities.score(truth, guess, strict=False).f1 == 1
    assert entities.score(truth, guess).f1 == 0


def test_nothing_found_scores_nothing():
    nothing = entities.score([["O", "B-PER"]], [["O", "O"]])
    assert (nothing.precision, nothing.recall, nothing.f1) == (0, 0, 0)
    assert entities.score([["O"]], [["O"]]).f1 == 0


def test_other_sentences_are_refused():
    with pytest.raises(ValueError, match="give the same ones"):
        entities.score([["O", "O"], ["O"]], [["O"], ["O", "O"]])


# Nearly right


@pytest.mark.parametrize(
    ("truth", "guess", "kinds"),
    [
        ("B-PER I-PER O", "B-PER I-PER O", ["right"]),
        ("B-PER I-PER O", "B-PER O O", ["border"]),
        ("B-PER I-PER O", "B-LOC I-LOC O", ["type"]),
        ("B-PER I-PER O", "O B-LOC I-LOC", ["border and type"]),
        ("B-PER I-PER O", "O O B-LOC", ["missed", "invented"]),
        ("B-PER I-PER I-PER", "B-PER B-PER I-PER", ["border", "invented"]),
        ("B-LOC B-PER I-PER", "B-PER I-PER I-PER", ["border", "missed"]),
        ("B-LOC B-PER O", "B-PER I-PER B-LOC", ["border", "missed", "invented"]),
    ],
)
def test_each_error_has_a_kind(truth, guess, kinds):
    found = entities.matches(entities.spans(truth.split()), entities.spans(guess.split()))
    assert [match.kind for match in found] == kinds


def test_of_two_guesses_the_one_that_overlaps_more_belongs_to_the_entity():
    (pair, rest) = entities.matches([Span("PER", 0, 5)], [Span("PER", 0, 1), Span("PER", 1, 4)])
    assert pair.guess == Span("PER", 1, 4)
    assert rest == ("invented", None, Span("PER", 0, 1))


@pytest.mark.parametrize("seed", range(5))
def test_kinds_count_every_entity_and_every_guess_once(seed):
    generator = np.random.default_rng(seed)
    truth = random_tags(generator, longest=15)
    guess = guesses(generator, truth)
    counts, whole = entities.count_kinds(truth, guess), entities.score(truth, guess)
    paired = sum(counts[kind] for kind in entities.KINDS[:4])
    assert counts["right"] == whole.right
    assert paired + counts["missed"] == whole.true
    assert paired + counts["invented"] == whole.guessed
    rules = entities.scores_by_rule(counts)
    assert rules["strict"] == pytest.approx(whole.f1)
    assert rules["strict"] <= rules["borders"] <= rules["partial"]
    assert rules["strict"] <= rules["type"]
    untyped = [[[tag[:2] + "X" if tag != "O" else tag for tag in row] for row in r]
               for r in (_repaired(truth), _repaired(guess))]  # fmt: skip
    assert rules["borders"] == pytest.approx(entities.score(*untyped).f1)


def _repaired(sentences):
    """Tags that say the same entities, none of them illegal."""
    result = []
    for tags in sentences:
        clean = ["O"] * len(tags)
        for kind, start, end in entities.spans(tags):
            clean[start:end] = [f"B-{kind}"] + [f"I-{kind}"] * (end - start - 1)
        result.append(clean)
    return result


def test_each_rule_counts_what_it_says():
    counts = {"right": 4, "border": 2, "type": 1, "border and type": 1, "missed": 2, "invented": 4}
    rules = entities.scores_by_rule(counts)  # 10 entities, 12 guesses
    assert {name: round(score * 11, 9) for name, score in rules.items()} == {
        "strict": 4,
        "borders": 5,
        "type": 6,
        "partial": 6.5,
    }
    assert entities.scores_by_rule(dict.fromkeys(entities.KINDS, 0))["partial"] == 0


# A table, and silver tags


def test_the_table_gives_each_word_its_most_frequent_tag():
    data = rows([[("Paris", "B-LOC"), ("is", "O")], [("paris", "B-PER")], [("Paris", "B-LOC")]])
    table = entities.MostFrequentTag.of(data)
    found = table.log_probabilities(["PARIS", "is", "Rome"])
    assert entities.likeliest(found, NAMES) == ["B-LOC", "O", "O"]
    np.testing.assert_allclose(np.exp(found).sum(axis=1), 1)
    assert np.isfinite(found).all()
    assert np.exp(found[0, NAMES.index("B-PER")]) == pytest.approx(1 / 3, abs=0.01)


def test_silver_types_become_bio():
    given = ["PERSON", "PERSON", None, "GPE", "LOC", "NORP", "DATE", "ORG"]
    assert entities._as_bio(given) == [
        "B-PERSON", "I-PERSON", "O", "B-PLACE", "I-PLACE", "O", "B-DATE", "B-ORGANISATION",
    ]  # fmt: skip


@pytest.mark.real_assets("topics", "silver-tags")
def test_silver_news_has_legal_tags_of_four_types():
    import tlhelpers as tl

    topics = tl.data("topics", profile="tiny", quiet=True)
    news = entities.silver_news(topics, sizes={"train": 20, "test": 10})
    names = tl.label_names(news, "tags")
    assert [len(news["train"]), len(news["test"]), len(names)] == [20, 10, 9]
    tags = [[names[i] for i in row] for row in news["train"]["tags"]]
    assert not any(map(entities.illegal, tags))
    assert sum(len(entities.spans(row)) for row in tags) > 10


# To look at


def test_a_drawing_escapes_words_and_types():
    shown = entities.draw(["<b>", "&"], ["B-<i>", "O"], caption="<u>")
    assert "&lt;b&gt; <sub>&lt;i&gt;</sub></mark> &amp;" in shown.body
    assert "<u>" not in shown.body
    assert "<i>" not in shown.body


def test_a_drawing_says_what_is_wrong_without_colour():
    words = ["Ada", "Lovelace", "saw", "London", "in", "May"]
    truth = ["B-PER", "I-PER", "O", "B-LOC", "O", "O"]
    guess = ["O", "B-PER", "O", "O", "O", "B-PER"]
    shown = entities.draw(words, truth, guess)
    assert repr(shown) == (
        "true: Ada Lovelace[PER] saw London[LOC, missed] in May\n"
        "predicted: Ada Lovelace[PER, border] saw London in May[PER, invented]"
    )
    assert shown.body.count("dashed") == 3
    assert repr(entities.draw(words, truth)) == "Ada Lovelace[PER] saw London[LOC] in May"


def test_a_type_has_one_colour_in_all_drawings():
    kinds = ["LOC", "PER"]
    alone, both = (
        entities.draw(["a", "b"], tags, types=kinds).body
        for tags in (["O", "B-PER"], ["B-LOC", "B-PER"])
    )
    assert alone[alone.index("--tl-") :][:12] == both[both.rindex("--tl-") :][:12]


def test_a_drawing_needs_a_tag_a_word():
    with pytest.raises(ValueError, match="1 tags for 2 words"):
        entities.draw(["a", "b"], ["O", "O"], ["O"])


@pytest.mark.real_assets("intents")
def test_only_commands_of_unseen_templates_are_kept_to_choose_and_to_test_on():
    commands, intents = data("ner", "tiny", quiet=True), data("intents", "tiny", quiet=True)
    kept = entities.unseen_templates(commands, "tiny", {"test": 50})["test"]
    class_of = {
        text.replace(" ", ""): intents["test"].features["label"].int2str(label)
        for text, label in zip(intents["test"]["text"], intents["test"]["label"], strict=True)
    }
    assert len(kept) == 50
    assert {class_of["".join(words)] for words in kept["tokens"]} <= set(split_by_template("en"))
    other = entities.unseen_templates(commands, "tiny")
    assert {split: len(rows) for split, rows in other.items()} == {
        "train": len(commands["train"]),
        **entities.HELD_OUT,
    }


def test_data_without_templates_stay_whole():
    whole = DatasetDict(test=rows([[("a", "O")]]))
    assert entities.unseen_templates(whole, "full") is whole
