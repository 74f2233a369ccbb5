import pytest
import torch
from transformers import get_scheduler

from tests.tiny_models import reviews, tiny_classifier
from tlhelpers.training.fit import fit
from tlhelpers.training.settings import Settings, learning_rate_factor


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"learning_rate": -1e-3}, "learning_rate=-0.001 must be a number above 0"),
        ({"learning_rate": float("nan")}, "learning_rate=nan"),
        ({"learning_rate": "1e-3"}, "learning_rate='1e-3'"),
        ({"epochs": 0}, "epochs=0"),
        ({"batch_size": 0}, "batch_size=0 must be a whole number of at least 1"),
        ({"batch_size": 2.5}, "batch_size=2.5"),
        ({"max_steps": -1}, "max_steps=-1"),
        ({"weight_decay": -0.1}, "weight_decay=-0.1"),
        ({"warmup": 100}, "warmup=100 is a share"),
        ({"layer_decay": 0}, "layer_decay=0"),
        ({"schedule": "cosine"}, "'linear' or 'constant'"),
        ({"precision": "fp4"}, "precision='fp4'"),
        ({"unfreeze_every": 0}, "unfreeze_every=0"),
        ({"lr": 1e-3}, "unknown setting lr: there are learning_rate"),
        ({"patience": 1}, "patience=1 needs validation data"),
    ],
)
def test_a_bad_setting_is_refused_by_name_and_value(tokenizer, setting, message):
    with pytest.raises(ValueError, match=message):
        fit(tiny_classifier(), reviews(4), tokenizer=tokenizer, **setting)


def test_settings_can_be_prepared_and_overridden(tokenizer):
    settings = Settings(learning_rate=1e-3, epochs=1, progress=False)
    result = fit(tiny_classifier(), reviews(8), tokenizer=tokenizer, settings=settings, epochs=2)
    assert (result.settings.learning_rate, result.settings.epochs) == (1e-3, 2)


@pytest.mark.parametrize(
    ("schedule", "theirs"), [("linear", "linear"), ("constant", "constant_with_warmup")]
)
@pytest.mark.parametrize(("total", "warmup"), [(10, 3), (10, 0), (7, 6), (1, 0), (2, 1)])
def test_the_schedule_is_that_of_transformers(schedule, theirs, total, warmup):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = get_scheduler(theirs, optimizer, warmup, total)
    for step in range(total):
        factor = learning_rate_factor(step, total, warmup, schedule)
        assert factor == optimizer.param_groups[0]["lr"]  # the same divisions: to the last bit
        optimizer.step()
        scheduler.step()


def test_the_rate_falls_to_zero_when_all_steps_are_done():
    assert learning_rate_factor(10, 10) == 0.0
    assert learning_rate_factor(10, 10, 3, "constant") == 1.0


def test_an_unknown_schedule_is_refused():
    with pytest.raises(ValueError, match="schedule='cosine' must be 'linear' or 'constant'"):
        learning_rate_factor(0, 10, schedule="cosine")
