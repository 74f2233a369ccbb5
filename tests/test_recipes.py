"""`tl train`: a recipe is read strictly and followed to a saved model."""

import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value
from transformers import AutoModelForSequenceClassification

import tlhelpers as tl
from tests.tiny_models import tiny_classifier, tiny_tokenizer
from tlhelpers import cli
from tlhelpers.recipes import RecipeError, read_recipe, train

GOOD = """
data: sentiment
output: {output}
labels: 8
settings:
  learning_rate: 2e-3
  epochs: 1
  batch_size: 4
  progress: false
"""


def write(tmp_path, text=GOOD):
    path = tmp_path / "recipe.yaml"
    path.write_text(text.replace("{output}", str(tmp_path / "out")))
    return path


def test_rate_without_a_point_is_read_as_a_number(tmp_path):
    assert read_recipe(write(tmp_path)).settings["learning_rate"] == 2e-3


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("data: sentiment", "dat: sentiment", "did you mean 'data'"),
        ("learning_rate", "learning_rat", "did you mean 'learning_rate'"),
        ("data: sentiment", "data: 5", "data is 5"),
        ("labels: 8", "labels: many", "labels is 'many'"),
        ("epochs: 1", "epochs: -1", "epochs=-1"),
        ("data: sentiment", "data: [", "no YAML"),
    ],
)
def test_bad_recipe_says_what_is_wrong(tmp_path, old, new, message):
    with pytest.raises(RecipeError, match=message.replace("[", r"\[")):
        read_recipe(write(tmp_path, GOOD.replace(old, new)))


def test_missing_recipe_ends_in_one_line(tmp_path, capsys):
    assert cli.main(["train", str(tmp_path / "none.yaml")]) == 1
    assert "does not exist" in capsys.readouterr().err


def test_help_shows_a_recipe(capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["train", "--help"])
    assert end.value.code == 0
    assert "learning_rate: 2e-4" in capsys.readouterr().out


@pytest.fixture
def small_world(monkeypatch):
    """A data set of a few rows and a model of a few weights under the names of the roles."""
    features = Features({"text": Value("string"), "label": ClassLabel(names=["bad", "good"])})
    rows = {"text": ["good film", "bad film"] * 8, "label": [1, 0] * 8}
    split = Dataset.from_dict(rows, features=features)
    splits = DatasetDict(train=split, validation=split, test=split)
    monkeypatch.setattr(tl, "data", lambda *_, **__: splits, raising=False)
    monkeypatch.setattr(
        tl, "load", lambda *_, **__: (tiny_classifier(), tiny_tokenizer()), raising=False
    )


def test_recipe_is_followed_to_a_model_that_can_be_loaded(tmp_path, small_world):
    said = []
    scores = train(read_recipe(write(tmp_path)), say=said.append)
    assert 0 <= scores["accuracy"] <= 1
    assert (tmp_path / "out" / "history.csv").read_text().count("\n") == 2
    AutoModelForSequenceClassification.from_pretrained(tmp_path / "out" / "model")
    assert any(line.startswith("test: ") for line in said)


def test_second_run_goes_on_and_gives_the_same(tmp_path, small_world):
    recipe = read_recipe(write(tmp_path))
    assert train(recipe, say=lambda _: None) == train(recipe, say=lambda _: None)


def test_a_recipe_trains_and_tests_at_one_length(tmp_path, small_world, monkeypatch):
    lengths = []
    fit, evaluate = tl.fit, tl.evaluate

    def watched_fit(*arguments, settings, **how):
        lengths.append(settings.max_length)
        return fit(*arguments, settings=settings, **how)

    def watched_evaluate(*arguments, max_length, **how):
        lengths.append(max_length)
        return evaluate(*arguments, max_length=max_length, **how)

    monkeypatch.setattr(tl, "fit", watched_fit, raising=False)
    monkeypatch.setattr(tl, "evaluate", watched_evaluate, raising=False)
    text = GOOD.replace("  epochs: 1", "  epochs: 1\n  max_length: 4")
    train(read_recipe(write(tmp_path, text)), say=lambda _: None)
    assert lengths == [4, 4]
