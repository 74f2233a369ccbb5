"""An old skill, the way of the weights and two remedies, against libraries and by hand."""

import numpy as np
import pytest
import torch
from datasets import Dataset
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from sentence_transformers.util import cos_sim
from sklearn.metrics.pairwise import cosine_similarity

from tests.tiny_models import reviews, tiny_classifier, tiny_tokenizer
from tlhelpers.subjects import forgetting
from tlhelpers.subjects.forgetting import L2SP, Pairs, Rehearsal, UpdateLengths
from tlhelpers.training.fit import fit

PAIRS = Pairs(
    ["good film", "the actor was dull", "a story"],
    ["the film was good and fine", "dull and poor was the actor", "not a bad story"],
)


def vectors(seed, rows=20, size=8):
    return np.random.default_rng(seed).normal(size=(rows, size)).astype(np.float32)


def one_batch(model):
    tokens = tiny_tokenizer()(
        [row["text"] for row in reviews(8)], padding=True, return_tensors="pt"
    )
    batch = {**tokens, "labels": torch.tensor([row["label"] for row in reviews(8)])}
    return model(**batch), batch


# An old skill -----------------------------------------------------------------------------------


def test_who_finds_its_own_is_who_has_the_largest_cosine():
    queries, documents = vectors(0), vectors(0) + vectors(1)
    nearest = cosine_similarity(queries, documents).argmax(axis=1)
    found = forgetting.finds_its_own(queries, documents)
    np.testing.assert_array_equal(found, nearest == np.arange(20))
    assert 0 < found.mean() < 1


def test_the_length_of_a_vector_does_not_matter():
    queries, documents = vectors(0), vectors(0) + vectors(1)
    lengths = np.linspace(0.1, 9, 20, dtype=np.float32)[:, None]
    np.testing.assert_array_equal(
        forgetting.finds_its_own(queries, lengths * documents),
        forgetting.finds_its_own(queries, documents),
    )


def test_one_vector_for_all_texts_finds_nothing():
    same = np.ones((5, 3), dtype=np.float32)
    assert not forgetting.finds_its_own(vectors(0, 5, 3), same).any()


def test_the_skill_is_that_of_the_mean_vectors_of_the_encoder():
    model, tokenizer = tiny_classifier(), tiny_tokenizer()

    def mean_vectors(texts):
        model.eval()
        with torch.no_grad():
            return np.stack(
                [
                    model.bert(**tokenizer(t, return_tensors="pt")).last_hidden_state[0].mean(0)
                    for t in texts
                ]
            )

    expected = forgetting.finds_its_own(*map(mean_vectors, PAIRS))
    model.train()
    np.testing.assert_array_equal(forgetting.old_skill(model, tokenizer, PAIRS), expected)
    assert model.training and model.bert.training, "a run that asks goes on with its dropout"


def test_a_new_head_takes_no_part_in_the_skill():
    model, tokenizer = tiny_classifier(), tiny_tokenizer()
    before = forgetting.old_skill(model, tokenizer, PAIRS)
    torch.nn.init.constant_(model.classifier.weight, 7.0)
    np.testing.assert_array_equal(forgetting.old_skill(model, tokenizer, PAIRS), before)


def test_pairs_are_the_first_rows():
    split = Dataset.from_dict({"headline": ["a", "b", "c"], "text": ["A", "B", "C"]})
    assert Pairs.of(split, "headline", "text", 2) == (["a", "b"], ["A", "B"])
    with pytest.raises(ValueError, match="3 rows"):
        Pairs.of(split, "headline", "text", 4)


# The way of the weights -------------------------------------------------------------------------


def test_matrices_that_grow_by_a_tenth_have_moved_by_a_tenth():
    model = tiny_classifier()
    start = forgetting.copy_of_weights(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter *= 1.1
    changes = forgetting.relative_changes(model, start)
    assert list(changes.values()) == pytest.approx([0.1] * 12, rel=1e-3)
    assert all(".layer." in name and name.endswith("weight") for name in changes)


def test_training_leaves_the_copy_of_the_weights_alone():
    model = tiny_classifier()
    start = forgetting.copy_of_weights(model)
    assert set(forgetting.relative_changes(model, start).values()) == {0.0}
    fit(model, reviews(), tokenizer=tiny_tokenizer(), learning_rate=1e-3, epochs=1, progress=False)
    assert min(forgetting.relative_changes(model, start).values()) > 0


def test_lengths_are_those_of_the_steps_of_torch():
    model, by_hand, rows = tiny_classifier(), tiny_classifier(), reviews(16)
    settings = {"batch_size": 16, "warmup": 0.0, "schedule": "constant", "shuffle": False}
    for each in (model, by_hand):
        for module in each.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
    measured = UpdateLengths(model, updates=3)
    fit(
        model,
        rows,
        tokenizer=tiny_tokenizer(),
        learning_rate=1e-3,
        weight_decay=0.0,
        max_grad_norm=None,
        max_steps=4,
        callbacks=[measured],
        precision="fp32",
        progress=False,
        **settings,
    )
    optimizer = torch.optim.AdamW(by_hand.parameters(), lr=1e-3, weight_decay=0.0)
    tokens = tiny_tokenizer()([row["text"] for row in rows], padding=True, return_tensors="pt")
    labels = torch.tensor([row["label"] for row in rows])
    lengths = []
    for _ in range(3):
        before = torch.nn.utils.parameters_to_vector(by_hand.parameters())
        optimizer.zero_grad()
        by_hand(**tokens, labels=labels).loss.backward()
        optimizer.step()
        after = torch.nn.utils.parameters_to_vector(by_hand.parameters())
        lengths.append((after - before).norm().item())
    # Adam divides by small gradients, and rounding turns the sign of a few of them.
    assert measured.lengths == pytest.approx(lengths, rel=0.02)
    assert measured.learning_rates == [1e-3] * 3


def test_adams_first_update_moves_each_weight_by_the_rate_and_warm_up_makes_it_none():
    lengths = {}
    for warmup in (0.0, 0.5):
        model = tiny_classifier()
        first = UpdateLengths(model, updates=1)
        settings = {"learning_rate": 1e-3, "weight_decay": 0.0, "max_steps": 4, "warmup": warmup}
        fit(
            model,
            reviews(),
            tokenizer=tiny_tokenizer(),
            callbacks=[first],
            progress=False,
            **settings,
        )
        (lengths[warmup],) = first.lengths
    assert lengths[0.5] == 0
    # Rows of the embeddings that no text asks for stand still.
    weights = sum(p.numel() for name, p in model.named_parameters() if "embeddings" not in name)
    assert 1e-3 * weights**0.5 * 0.9 < lengths[0.0] < 1e-3 * model.num_parameters() ** 0.5


# Two remedies -----------------------------------------------------------------------------------


def test_the_pull_is_that_of_the_paper():
    model = tiny_classifier()
    pull = L2SP(model, alpha=0.3, beta=0.07)
    head = sum(p.square().sum().item() for p in model.classifier.parameters())
    assert pull.penalty().item() == pytest.approx(0.07 / 2 * head, rel=1e-5)
    with torch.no_grad():
        for parameter in model.bert.parameters():
            parameter += 0.2
    moved = 0.2**2 * sum(p.numel() for p in model.bert.parameters())
    # 0.2 is not a number of fp32, and is added to numbers of other sizes.
    assert pull.penalty().item() == pytest.approx(0.3 / 2 * moved + 0.07 / 2 * head, rel=1e-4)
    pull.penalty().backward()
    query = model.bert.encoder.layer[0].attention.self.query.weight
    torch.testing.assert_close(query.grad, torch.full_like(query, 0.3 * 0.2), rtol=1e-4, atol=0)
    weight = model.classifier.weight
    torch.testing.assert_close(weight.grad, 0.07 * weight.detach())


def test_the_pull_is_added_in_training_and_left_out_of_validation():
    model = tiny_classifier().eval()
    pull = L2SP(model, beta=1.0)
    outputs, batch = one_batch(model)
    torch.testing.assert_close(pull(outputs, batch), outputs.loss + pull.penalty())
    with torch.inference_mode():
        torch.testing.assert_close(pull(outputs, batch), outputs.loss)


def test_pulled_weights_end_nearer_to_where_they_started():
    moved = {}
    for alpha in (0.0, 10.0):
        model = tiny_classifier()
        start = forgetting.copy_of_weights(model)
        fit(
            model,
            reviews(),
            tokenizer=tiny_tokenizer(),
            loss_function=L2SP(model, alpha=alpha),
            learning_rate=1e-3,
            epochs=3,
            weight_decay=0.0,
            progress=False,
        )
        moved[alpha] = np.median(list(forgetting.relative_changes(model, start).values()))
    assert moved[10.0] < 0.7 * moved[0.0]


def test_a_pull_away_is_refused():
    with pytest.raises(ValueError, match="alpha=-1"):
        L2SP(tiny_classifier(), alpha=-1)


def test_the_old_loss_is_the_symmetric_one_of_sentence_transformers():
    queries, documents = torch.from_numpy(vectors(0)), torch.from_numpy(vectors(0) + vectors(1))
    library = MultipleNegativesRankingLoss(
        torch.nn.Identity(),
        directions=("query_to_doc", "doc_to_query"),
        partition_mode="per_direction",
    )
    loss = forgetting.contrastive_loss(queries, documents)
    expected = library.compute_loss_from_embeddings([queries, documents], None)
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-6)
    one_way = -torch.log_softmax(20 * cos_sim(queries, documents), dim=1).diag().mean()
    assert not torch.isclose(loss, one_way), "else one way would do"


def test_old_examples_are_added_in_training_and_left_out_of_validation():
    model = tiny_classifier().eval()
    outputs, batch = one_batch(model)
    old = Rehearsal(model, tiny_tokenizer(), PAIRS, batch_size=3).old_loss().item()
    doubled = Rehearsal(model, tiny_tokenizer(), PAIRS, batch_size=3, weight=2.0)
    # With all pairs in the batch their order does not matter.
    assert doubled(outputs, batch).item() == pytest.approx(outputs.loss.item() + 2 * old, rel=1e-5)
    with torch.inference_mode():
        torch.testing.assert_close(doubled(outputs, batch), outputs.loss)


def test_old_examples_are_drawn_anew_and_alike_for_one_seed():
    model = tiny_classifier().eval()
    pairs = Pairs([row["text"] for row in reviews(40)], [row["text"] for row in reviews(40, 1)])

    def losses(seed):
        rehearsal = Rehearsal(model, tiny_tokenizer(), pairs, batch_size=4, seed=seed)
        return [rehearsal.old_loss().item() for _ in range(3)]

    assert losses(0) == losses(0) != losses(1)
    assert len(set(losses(0))) == 3


def test_what_is_rehearsed_is_kept_better():
    old, tokenizer = {}, tiny_tokenizer()
    texts = [row["text"] for row in reviews(16, seed=5)]
    pairs = Pairs([text.rsplit(" ", 2)[0] for text in texts], texts)
    for weight in (0.0, 5.0):
        model = tiny_classifier()
        rehearsal = Rehearsal(model, tokenizer, pairs, batch_size=16, weight=weight)
        settings = {"learning_rate": 3e-3, "epochs": 5, "loss_function": rehearsal}
        fit(model, reviews(), tokenizer=tokenizer, progress=False, **settings)
        old[weight] = float(rehearsal.old_loss().detach())
    assert old[5.0] < 0.5 * old[0.0]


@pytest.mark.parametrize("batch_size", [1, 4])
def test_a_pair_needs_another_to_be_told_from(batch_size):
    with pytest.raises(ValueError, match="3 pairs"):
        Rehearsal(tiny_classifier(), tiny_tokenizer(), PAIRS, batch_size=batch_size)
