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
