"""No computed entry settles vacuously: another value, or another configuration, tells."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.evidence.settled import BOOK, settled
from tlhelpers.evidence.comparison import agrees, half_unit, is_as_stated
from tlhelpers.evidence.ledger import Source, computed_verdict, derives_its_verdict, ledger_folder
from tlhelpers.evidence.settle import find_function
from tlhelpers.pretrained import published
from tlhelpers.subjects import lora

DERIVED = [entry for entry in BOOK.entries if derives_its_verdict(entry)]
STATED = [entry for entry in DERIVED if entry.source]
OWN = [entry for entry in DERIVED if not entry.source]


def one_leaf_changed(value: Any, margin: float, digits: int | None = None) -> Iterator[Any]:
    """Yield a value with each of its numbers, texts and truth values changed in turn."""
    if isinstance(value, dict):
        for key in value:
            for leaf in one_leaf_changed(value[key], margin, digits):
                yield value | {key: leaf}
    elif isinstance(value, list):
        yield [*value, 0]
        for place, item in enumerate(value):
            for leaf in one_leaf_changed(item, margin, digits):
                yield [*value[:place], leaf, *value[place + 1 :]]
    elif isinstance(value, bool):
        yield not value
    elif isinstance(value, str):
        yield f"{value} not"
    else:
        # A little more than what is still the same number: the tolerance, a unit of the last digit.
        unit = 2 * half_unit(value, digits) if digits else 0.0
        step = 1.1 * max(margin, unit) or 1e-6 * (abs(value) or 1)
        yield from (value + step, value - step)


def values_that_turn(source: Source, found: Any) -> Iterator[Any]:
    """Yield values of a source by which what was found is as stated if it was not, or not if so."""
    holds = is_as_stated(found, source.value, source.digits, source.relation or "")
    if source.relation is None:
        yield from one_leaf_changed(source.value, 0.0, source.digits) if holds else [found]
        return
    step = 0.2 * (abs(found) or 1)
    lower, higher = found - step, found + step
    right: Any = {
        "about": [found],
        "less than": [higher],
        "at most": [higher],
        "more than": [lower],
        "at least": [lower],
        "between": [[lower, higher]],
    }
    wrong: Any = {
        "about": [lower, higher],
        "less than": [lower],
        "at most": [lower],
        "more than": [higher],
        "at least": [higher],
        "between": [[lower - step, lower], [higher, higher + step]],
    }
    yield from (wrong if holds else right)[source.relation]


@pytest.mark.parametrize("entry", STATED, ids=lambda entry: entry.id)
def test_another_stated_value_gives_another_verdict(entry):
    found = settled(entry.id).value
    assert computed_verdict(entry.source, found, entry.depends_on) == entry.verdict
    values = list(values_that_turn(entry.source, found))
    assert values
    for value in values:
        other = entry.source.model_copy(update={"value": value})
        verdict = computed_verdict(other, found, entry.depends_on)
        assert verdict != entry.verdict, f"{value!r} for {entry.source.value!r} changes nothing"


@pytest.mark.parametrize("entry", OWN, ids=lambda entry: entry.id)
def test_another_value_of_our_own_does_not_hold(entry):
    found, settled_by = settled(entry.id).value, entry.settled_by
    # The value found may itself lie a tolerance away from the one that is written.
    for other in one_leaf_changed(settled_by.expects, 2 * settled_by.tolerance):
        assert not agrees(found, other, settled_by.tolerance), f"{other!r} holds as well"


LAYERS = {"num_hidden_layers": 1}
CONFIGURED: dict[str, dict[str, int]] = {
    "06-base-shape": LAYERS,
    "06-base-parameters": LAYERS,
    "06-large-parameters": LAYERS,
    "08-seven-billion-in-full": {"num_hidden_layers": 8},
    "08-rank-16-adds-33-million": LAYERS,
    "08-full-fine-tuning-needs-several-gpus": {"num_hidden_layers": 8},
    "11-printed-trainable-parameters": LAYERS,
    "11-full-model-size": LAYERS,
    "12-never-7b-for-an-encoders-job": {"num_hidden_layers": 8},
    "16-roberta-base-parameters": LAYERS,
    "16-distilbert-parameters": LAYERS,
    "16-deberta-v3-parameters": LAYERS,
    "16-xlm-r-base-parameters": LAYERS,
    "16-modernbert-context": {"max_position_embeddings": 1},
    "17-legal-long-documents": {"max_position_embeddings": 512},
    "18-minutes-to-hours": LAYERS,
}
# Those whose value moves with the configuration while its distance from the stated one stays wide.
STILL = {
    "08-rank-16-adds-33-million",
    "11-printed-trainable-parameters",
    "16-deberta-v3-parameters",
    "18-minutes-to-hours",
}


@pytest.mark.parametrize("claim_id", CONFIGURED)
def test_another_configuration_gives_another_value(claim_id, monkeypatch):
    entry, before = BOOK[claim_id], settled(claim_id).value
    configuration = published.configuration

    def changed(hub_id: str, **changes: object) -> Any:
        config = configuration(hub_id, **changes)
        for name, more in CONFIGURED[claim_id].items():
            setattr(config, name, getattr(config, name) + more)
        return config

    monkeypatch.setattr(published, "configuration", changed)
    monkeypatch.setattr("tlhelpers.pretrained.models.configuration", changed)
    lora._published_shapes.cache_clear()
    try:
        function = find_function(entry.settled_by.function, ledger_folder())
        after = function(**entry.settled_by.arguments)
    finally:
        lora._published_shapes.cache_clear()
    assert after != before
    turned = computed_verdict(entry.source, after, entry.depends_on) != entry.verdict
    assert turned is (claim_id not in STILL)
