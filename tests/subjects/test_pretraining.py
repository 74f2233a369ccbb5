"""The three objectives against transformers' collators and the rules that T5's authors publish."""

import math
from collections import Counter
from itertools import pairwise, product

import pandas as pd
import pytest
import torch
from torch.nn.functional import cross_entropy
from transformers import DataCollatorForLanguageModeling

from tests.tiny_models import reviews, tiny_causal_model, tiny_tokenizer
from tlhelpers.subjects import pretraining

MASK = 4  # of the tiny tokenizer


def tokenized(n=40):
    """Encode texts of several lengths: the rows, as collators take them, and a padded batch."""
    tokenizer = tiny_tokenizer()
    rows = [
        dict(tokenizer(review["text"], return_special_tokens_mask=True)) for review in reviews(n)
    ]
    return rows, tokenizer.pad([dict(row) for row in rows], return_tensors="pt")


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


# Masked tokens -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("chosen", "masked", "replaced"),
    [(0.15, 0.8, 0.1), (0.4, 0.8, 0.1), (0.3, 0.5, 0.5), (0.3, 1.0, 0.0), (0.3, 0.0, 1.0)],
)
def test_masking_is_that_of_transformers(seed, chosen, masked, replaced):
    rows, batch = tokenized()
    tokenizer = tiny_tokenizer()
    theirs = DataCollatorForLanguageModeling(
        tokenizer,
        mlm_probability=chosen,
        mask_replace_prob=masked,
        random_replace_prob=replaced,
        seed=seed,
    )(rows)
    before = batch["input_ids"].clone()
    ours = pretraining.mask_tokens(
        batch["input_ids"],
        tokenizer.mask_token_id,
        len(tokenizer),
        special_tokens_mask=batch["special_tokens_mask"],
        chosen=chosen,
        masked=masked,
        replaced=replaced,
        generator=generator(seed),
    )
    assert torch.equal(ours["input_ids"], theirs["input_ids"])
    assert torch.equal(ours["labels"], theirs["labels"])
    assert torch.equal(batch["input_ids"], before)


def test_fifteen_percent_are_chosen_and_split_80_10_10():
    before = torch.randint(5, 5_000, (400, 500), generator=generator(1))
    after = pretraining.mask_tokens(before, MASK, 5_000, generator=generator())
    asked = after["labels"] != -100
    same = after["input_ids"] == before
    masked = after["input_ids"] == MASK
    # 200,000 draws: five standard errors of a share of 0.15 are 0.004; of 30,000, of 0.8, 0.012.
    assert float(asked.float().mean()) == pytest.approx(0.15, abs=0.004)
    assert float(masked[asked].float().mean()) == pytest.approx(0.8, abs=0.012)
    assert float(same[asked].float().mean()) == pytest.approx(0.1, abs=0.012)
    assert torch.equal(after["labels"][asked], before[asked])
    assert same[~asked].all()


def test_no_special_token_is_chosen():
    before = torch.full((50, 20), 7)
    special = torch.zeros_like(before)
    special[:, [0, 19]] = 1
    after = pretraining.mask_tokens(before, MASK, 10, special_tokens_mask=special, chosen=1.0)
    assert (after["labels"][:, [0, 19]] == -100).all()
    assert (after["labels"][:, 1:19] == 7).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"chosen": 15}, "chosen=15 is a share: pass a number from 0 to 1"),
        ({"masked": 0.8, "replaced": 0.3}, "masked=0.8 and replaced=0.3 .* lower one"),
        ({"mask_id": 30}, "mask_id=30 is no id of a vocabulary of 22"),
        ({"special_tokens_mask": torch.zeros(3)}, r"shape \(3,\) and input_ids \(2, 6\)"),
        ({"input_ids": torch.zeros(6, dtype=torch.long)}, r"shape \(6,\).*\(texts, tokens\)"),
        ({"input_ids": torch.zeros(2, 6)}, "float32: pass whole numbers"),
    ],
)
def test_masking_says_what_is_wrong(changes, message):
    good = {"input_ids": torch.ones(2, 6, dtype=torch.long), "mask_id": 4, "vocabulary_size": 22}
    with pytest.raises(ValueError, match=message):
        pretraining.mask_tokens(**good | changes)


# The next token ----------------------------------------------------------------------------------


def test_next_tokens_are_the_labels_of_transformers_shifted():
    rows, batch = tokenized()
    theirs = DataCollatorForLanguageModeling(tiny_tokenizer(), mlm=False)(rows)["labels"]
    ours = pretraining.next_tokens(batch["input_ids"], batch["attention_mask"])["labels"]
    assert torch.equal(ours[:, :-1], theirs[:, 1:])
    assert (ours[:, -1] == -100).all()


def test_the_loss_is_that_of_a_causal_model_given_unshifted_labels():
    model = tiny_causal_model().eval()
    rows, batch = tokenized()
    labels = DataCollatorForLanguageModeling(tiny_tokenizer(), mlm=False)(rows)["labels"]
    theirs = model(batch["input_ids"], attention_mask=batch["attention_mask"], labels=labels)
    ours = pretraining.next_tokens(batch["input_ids"], batch["attention_mask"])["labels"]
    torch.testing.assert_close(cross_entropy(theirs.logits.transpose(1, 2), ours), theirs.loss)


def test_a_text_learns_its_end_even_where_padding_has_the_same_id():
    ids = torch.tensor([[5, 6, 3, 3, 3]])
    labels = pretraining.next_tokens(ids, torch.tensor([[1, 1, 1, 0, 0]]))["labels"]
    assert labels.tolist() == [[6, 3, -100, -100, -100]]


def test_a_mask_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"attention_mask has the shape \(2, 5\)"):
        pretraining.next_tokens(torch.ones(2, 6, dtype=torch.long), torch.ones(2, 5))


# Hidden spans ------------------------------------------------------------------------------------


def test_the_example_of_the_paper():
    # Raffel et al. 2020, figure 2.
    words = ["Thank", "you", "for", "inviting", "me", "to", "your", "party", "last", "week", "."]
    vocabulary = [*words, "<X>", "<Y>", "<Z>"]
    mask = torch.tensor([word in ("for", "inviting", "last") for word in words])
    inputs, target = pretraining.corrupt_spans(torch.arange(len(words)), mask, [11, 12, 13])
    assert " ".join(vocabulary[i] for i in inputs) == "Thank you <X> me to your party <Y> week ."
    assert " ".join(vocabulary[i] for i in target) == "<X> for inviting <Y> last <Z>"


@pytest.mark.parametrize(
    ("length", "corrupted", "mean_span", "hidden", "spans"),
    [
        (512, 0.15, 3, 77, 26),  # T5's own setting: 512 * 0.15 = 76.8, 77 / 3 = 25.7
        (64, 0.15, 3, 10, 3),
        (20, 0.15, 3, 3, 1),
        (100, 0.5, 10, 50, 5),
        (3, 0.15, 3, 1, 1),  # rounds to none: one token at least
        (4, 1.0, 3, 3, 1),  # and one stays
    ],
)
def test_counts_are_those_that_t5_rounds_to(length, corrupted, mean_span, hidden, spans):
    assert pretraining.span_counts(length, corrupted, mean_span) == (hidden, spans)
    for seed in range(20):
        mask = pretraining.span_mask(length, corrupted, mean_span, generator(seed))
        assert mask.shape == (length,)
        assert int(mask.sum()) == hidden
        changes = int((mask[1:] & ~mask[:-1]).sum())
        assert (changes, bool(mask[0]), bool(mask[-1])) == (spans, False, True)


def test_all_masks_are_equally_likely():
    def allowed(mask):
        starts = sum(now and not before for before, now in pairwise(mask))
        return (sum(mask), starts, mask[0], mask[-1]) == (4, 2, False, True)

    possible = {mask for mask in product([False, True], repeat=8) if allowed(mask)}
    drawn = generator()
    counts = Counter(
        tuple(pretraining.span_mask(8, 0.5, 2, drawn).tolist()) for _ in range(200 * len(possible))
    )
    assert set(counts) == possible
    # Each 200 times on average; five standard deviations are 70.
    assert all(130 < count < 270 for count in counts.values())


def test_spans_put_back_give_the_text():
    before = torch.randint(5, 100, (30, 64), generator=generator())
    sentinels = list(range(100, 110))
    after = pretraining.span_corruption(before, sentinels, generator=generator(1))
    assert after["input_ids"].shape == (30, 64 - 10 + 3)
    assert after["labels"].shape == (30, 10 + 3 + 1)
    for text, inputs, target in zip(before, after["input_ids"], after["labels"], strict=True):
        written = target.tolist()
        spans = {
            sentinel: written[written.index(sentinel) + 1 : written.index(sentinel + 1)]
            for sentinel in sentinels[:3]
        }
        whole = [i for token in inputs.tolist() for i in spans.get(token, [token])]
        assert whole == text.tolist()
        assert written[-1] == sentinels[3]


def test_the_same_generator_hides_the_same_spans():
    before = torch.randint(5, 100, (4, 64), generator=generator())
    first, again, other = (
        pretraining.span_corruption(before, range(100, 110), generator=generator(seed))["labels"]
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"corrupted": 15}, "corrupted=15 is a share"),
        ({"mean_span": 0.5}, "mean_span=0.5 must be at least 1"),
        ({"corrupted": 0.9, "mean_span": 1}, "hide 18 of 20 tokens in 18 spans, and leave too few"),
        ({"sentinel_ids": [50]}, "1 spans need 2 sentinels, there are 1: pass more"),
        ({"sentinel_ids": [7, 8]}, "token 0 of the text is 7, which is a sentinel"),
        ({"input_ids": torch.full((2, 1), 7)}, r"shape \(2, 1\).*two tokens or more"),
    ],
)
def test_span_corruption_says_what_is_wrong(changes, message):
    good = {"input_ids": torch.full((2, 20), 7), "sentinel_ids": [50, 51, 52]}
    with pytest.raises(ValueError, match=message):
        pretraining.span_corruption(**good | changes)


def test_a_text_of_one_token_and_a_mask_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"1 token\(s\) has no span to hide"):
        pretraining.span_mask(1)
    with pytest.raises(ValueError, match=r"mask has the shape \(3,\) and input_ids \(4,\)"):
        pretraining.corrupt_spans(torch.arange(4), torch.ones(3).bool(), [9, 10])


# A sentence to look at ---------------------------------------------------------------------------

WORDS = ["the", "cat", "sat", "on", "the", "old", "mat", "near", "a", "door"]


def lines_of(objective, **settings):
    _, read, _, asked = repr(pretraining.draw(WORDS, objective, **settings)).split("\n")
    return read.split(), asked.split()


def test_a_sentence_is_drawn_as_masking_hides_it():
    read, asked = lines_of("masked", chosen=1.0, seed=1)
    assert asked == WORDS
    shown = [word.removesuffix("[hidden]") for word in read]
    assert shown.count("[MASK]") > len(WORDS) / 2
    for word, true in zip(shown, WORDS, strict=True):
        assert word == "[MASK]" or word.startswith(true) or word.endswith("[replaced]")
    assert lines_of("masked", chosen=0.0) == (WORDS, [])


def test_a_sentence_is_drawn_with_the_word_that_follows_each():
    assert lines_of("causal") == (WORDS, WORDS[1:])


def test_a_sentence_is_drawn_with_sentinels_for_its_spans():
    read, asked = lines_of("span corruption", chosen=0.5, mean_span=2.5)
    assert [word.removesuffix("[hidden]") for word in read if "<" in word] == ["<0>", "<1>"]
    assert [word for word in asked if "<" in word] == ["<0>", "<1>", "<2>"]
    kept = [word for word in read if "<" not in word]
    assert len(kept) == 5 and len(asked) == 5 + 3
    assert sorted([*kept, *(word for word in asked if "<" not in word)]) == sorted(WORDS)


def test_a_drawing_says_how_many_predictions_there_are_and_escapes():
    shown = pretraining.draw(["<b>", "&", "c"], "causal")
    assert "and is to predict 2 tokens" in repr(shown)
    assert "&lt;b&gt;" in shown.body and "<b>" not in shown.body


# Small models ------------------------------------------------------------------------------------

OBJECTIVES = ("masked", "causal", "span corruption")


def small(words=300):
    """Make a text with a rule (each word calls for the next), its vocabulary and its blocks."""
    names = ["zero", "one", "two", "three", "four", "five", "six", "seven"]
    texts = [" ".join(names[(n + i) % 8] for i in range(20)) for n in range(words // 2)]
    tokenizer = pretraining.train_tokenizer(texts, vocabulary_size=60)
    return texts, tokenizer, pretraining.blocks(texts, tokenizer, length=16)


def test_the_same_texts_give_the_same_vocabulary():
    texts = [review["text"] for review in reviews(200)]
    first, again = (pretraining.train_tokenizer(texts, 80).get_vocab() for _ in range(2))
    assert first == again
    assert len(first) == 80
    assert set(pretraining.SENTINELS) < set(first)


def test_blocks_hold_the_texts_one_after_the_other():
    texts, tokenizer, blocks = small()
    written = [i for text in texts for i in tokenizer(text)["input_ids"]]
    assert blocks.shape[1] == 16
    assert blocks.flatten().tolist() == written[: blocks.numel()]
    assert len(written) - blocks.numel() < 16
    with pytest.raises(ValueError, match=r"the texts have \d+ tokens, less than one block of 1000"):
        pretraining.blocks(texts[:1], tokenizer, length=1000)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_fresh_model_is_its_seeds_and_learns_its_objective(objective):
    _, tokenizer, blocks = small()
    first, again, other = (
        pretraining.fresh_model(objective, tokenizer, seed, width=16, heads=2) for seed in (1, 1, 2)
    )
    before = pretraining.text_loss(first, objective, blocks, tokenizer)
    assert pretraining.text_loss(again, objective, blocks, tokenizer) == before
    assert pretraining.text_loss(other, objective, blocks, tokenizer) != before
    adam = torch.optim.Adam(first.parameters(), lr=0.01)
    drawn = generator()
    for _ in range(40):
        batch = pretraining.batch_of(objective, blocks[:32], tokenizer, drawn)
        first(**batch).loss.backward()
        adam.step()
        adam.zero_grad()
    assert pretraining.text_loss(first, objective, blocks, tokenizer) < before - 0.5


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_collator_makes_the_batches_of_its_objective(objective):
    _, tokenizer, blocks = small()
    rows = [{"input_ids": row.tolist(), "of no use": 0} for row in blocks[:8]]
    with torch.random.fork_rng():
        torch.manual_seed(3)
        made = pretraining.collator(objective, tokenizer, chosen=0.3)(rows)
    expected = pretraining.batch_of(objective, blocks[:8], tokenizer, generator(3), chosen=0.3)
    assert made.keys() == expected.keys()
    assert all(torch.equal(made[name], expected[name]) for name in expected)


def test_questions_are_counted_without_sentinels_and_ends_of_texts():
    _, tokenizer, blocks = small()
    counted = pretraining.count_questions(blocks, tokenizer).set_index("objective")
    words = torch.isin(blocks, torch.tensor(tokenizer.all_special_ids), invert=True)
    assert set(counted["tokens"]) == {blocks.numel()}
    assert counted.loc["causal", "asked"] == int(words[:, 1:].sum())
    hidden, _ = pretraining.span_counts(blocks.shape[1])
    ends = 1 - float(words.float().mean())
    for objective, asked in (("masked", 0.15 * int(words.sum())), ("span corruption", None)):
        expected = asked or hidden * len(blocks) * (1 - ends)
        assert counted.loc[objective, "asked"] == pytest.approx(expected, rel=0.1)
    assert counted.loc["masked", "share"].endswith("%")


def test_the_loss_counts_no_sentinel_and_no_end_of_text():
    _, tokenizer, blocks = small()
    model = pretraining.fresh_model("causal", tokenizer, 0, width=16, heads=2).eval()
    labels = pretraining.next_tokens(blocks)["labels"]
    words = [i for i in range(len(tokenizer)) if i not in tokenizer.all_special_ids]
    words = sorted([*words, tokenizer.unk_token_id])
    asked = torch.isin(labels, torch.tensor(words))
    with torch.no_grad():
        logits = model(blocks).logits[asked][:, words]
    expected = cross_entropy(logits, torch.searchsorted(torch.tensor(words), labels[asked]))
    loss = pretraining.text_loss(model, "causal", blocks, tokenizer, batch_size=7)
    assert loss == pytest.approx(float(expected), rel=1e-5)


def test_entropy_and_bigrams_of_a_text_with_a_rule():
    _, tokenizer, blocks = small()
    # Eight words, equally often.
    assert pretraining.unigram_entropy(blocks, tokenizer) == pytest.approx(math.log(8), abs=0.01)
    # The first of a text follows from nothing: one in twenty. The others are sure.
    sure = pretraining.bigram_loss(blocks, blocks, tokenizer, strength=1e-6)
    assert sure == pytest.approx(math.log(8) / 20, abs=0.02)
    # Plain frequencies of the eight words; the ends of texts are not among them.
    vague = pretraining.bigram_loss(blocks, blocks, tokenizer, strength=1e9)
    assert vague == pytest.approx(math.log(8), abs=0.05)


def test_only_a_masked_model_is_made_with_rotary_positions():
    _, tokenizer, blocks = small()
    model = pretraining.fresh_model("masked", tokenizer, 0, rotary=True, width=16, heads=2)
    assert model.config.model_type == "modernbert"
    assert not any("position" in name for name, _ in model.named_parameters())
    assert pretraining.text_loss(model, "masked", blocks, tokenizer) > 0
    with pytest.raises(ValueError, match="ModernBERT, which has no objective 'causal'"):
        pretraining.fresh_model("causal", tokenizer, 0, rotary=True)


def test_losses_along_the_way_lie_over_what_was_read_and_asked():
    runs = {"method": ["masked", "masked", "causal"], "seed": [0, 1, 0], "tokens_read": 8e5}
    losses = {"loss_10": [1.0, 2.0, 0.5], "loss_0": 7.0, "loss_5": 6.0, "loss": 0.5}
    counts = {"tokens_predicted": [1e5, 1.2e5, 7.5e5], "unigram": 6.5, "bigram": 4.5}
    points = pd.DataFrame(runs | losses | counts)
    found = pretraining.losses_by_tokens(points)
    masked = found[found["method"] == "masked"]
    assert len(masked) == 2 * 3
    end = masked[masked["read"] == 800].set_index("seed")
    assert end["loss"].to_dict() == {0: 1.0, 1: 2.0}
    assert end["asked"].to_list() == [110, 110]
    assert masked[masked["read"] == 400]["asked"].to_list() == [55, 55]
    pairs = found[found["method"] == "pairs"]
    assert set(pairs["loss"]) == {4.5} and pairs["asked"].max() == 750
    assert set(found[found["method"] == "frequencies"]["loss"]) == {6.5}
    with pytest.raises(ValueError, match="no losses along the way among method, seed"):
        pretraining.losses_by_tokens(points[["method", "seed"]])


@pytest.mark.parametrize("make", ["fresh_model", "batch_of", "collator"])
def test_an_unknown_objective_lists_those_that_there_are(make):
    _, tokenizer, blocks = small()
    arguments = {
        "fresh_model": (tokenizer, 0),
        "batch_of": (blocks, tokenizer),
        "collator": (tokenizer,),
    }[make]
    with pytest.raises(
        ValueError, match="objective='mlm' must be one of 'masked', 'causal', 'span"
    ):
        getattr(pretraining, make)("mlm", *arguments)
