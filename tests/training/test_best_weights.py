import pytest

from tests.tiny_models import reviews, tiny_classifier
from tests.training.runs import QUICK
from tlhelpers.training.fit import fit
from tlhelpers.training.prediction import evaluate


def test_patience_stops_and_the_best_weights_come_back(tokenizer):
    model = tiny_classifier()
    wrong = [{**row, "label": 1 - row["label"]} for row in reviews(64, seed=1)]
    result = fit(
        model, reviews(64), wrong, tokenizer=tokenizer, patience=2, **QUICK | {"epochs": 20}
    )
    assert len(result.history) == result.history["validation_loss"].idxmin() + 3
    assert "stopped early" in result.reasons["end"]
    best = result.history["validation_loss"].min()
    assert evaluate(model, wrong, tokenizer)["loss"] == pytest.approx(best)


def test_the_best_metric_can_be_an_accuracy(tokenizer):
    result = fit(
        tiny_classifier(), reviews(64), reviews(64, seed=1), tokenizer=tokenizer,
        best_metric="accuracy", **QUICK | {"epochs": 5},
    )  # fmt: skip
    accuracy = result.history.set_index("epoch")["validation_accuracy"]
    assert accuracy[result.best_epoch] == accuracy.max()


def test_an_unknown_best_metric_is_refused_with_those_there_are(tokenizer):
    rows, how = reviews(8), QUICK | {"best_metric": "f2"}
    with pytest.raises(ValueError, match=r"'f2' .* use one of loss, accuracy, macro_f1"):
        fit(tiny_classifier(), rows, rows, tokenizer=tokenizer, **how)


def mean_squared_error(logits, labels):
    return {"mse": float(((logits[:, 1] - labels) ** 2).mean())}


def test_the_direction_of_a_score_of_ones_own_is_asked_for_before_the_first_step(tokenizer):
    rows, steps = reviews(16), []
    how = QUICK | {"metrics": mean_squared_error, "best_metric": "mse"}
    with pytest.raises(ValueError, match=r"best_metric='mse' .* greater_is_better=False"):
        fit(tiny_classifier(), rows, rows, tokenizer=tokenizer, callbacks=[steps.append], **how)
    assert not steps


@pytest.mark.parametrize("greater", [True, False])
def test_the_direction_decides_which_weights_are_best(tokenizer, greater):
    result = fit(
        tiny_classifier(), reviews(64), reviews(64, seed=1), tokenizer=tokenizer,
        metrics=mean_squared_error, best_metric="mse", greater_is_better=greater,
        **QUICK | {"epochs": 5},
    )  # fmt: skip
    errors = result.history.set_index("epoch")["validation_mse"]
    assert errors.max() > errors.min()
    assert errors[result.best_epoch] == (errors.max() if greater else errors.min())


def test_a_direction_contrary_to_what_is_known_is_refused(tokenizer):
    rows, how = reviews(8), QUICK | {"best_metric": "loss", "greater_is_better": True}
    with pytest.raises(ValueError, match="contradicts best_metric='loss', of which less is better"):
        fit(tiny_classifier(), rows, rows, tokenizer=tokenizer, **how)
