"""The full profile's code path, run against the miniature hub, offline."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.miniature.build import build, environment
from tests.miniature.checkpoints import hub_ids
from tests.miniature.datasets import MAKERS
from tlhelpers.pretrained import published
from tlhelpers.roles import DATASETS, MODELS

pytestmark = pytest.mark.slow

# Those whose pretraining left no head for masked language modelling.
NO_MASKED_HEAD = {"deberta-v3", "electra", "sbert"}


@pytest.fixture(scope="module")
def report(run_in_miniature):
    output = run_in_miniature("-m", "tests.miniature.exercise")
    line = next(line for line in output.splitlines() if line.startswith("REPORT "))
    return json.loads(line.removeprefix("REPORT "))


def test_it_is_built_for_every_model_and_data_set_of_the_full_profile():
    assert set(hub_ids()) <= set(published.hub_ids())
    assert {entry["full"].hub for entry in DATASETS.values() if "full" in entry} == set(MAKERS)


@pytest.mark.parametrize("role", sorted(MODELS))
def test_a_model_loads_and_learns_for_its_tasks(report, role):
    outcomes = {
        name.split()[1]: outcome
        for name, outcome in report["models"].items()
        if name.split()[0] == role
    }
    assert len(outcomes) >= 2
    for task, outcome in outcomes.items():
        if task == "mlm" and role in NO_MASKED_HEAD:
            assert "has no pretrained 'mlm' head" in outcome["error"]
            continue
        assert "error" not in outcome, outcome["traceback"]
        assert math.isfinite(outcome["loss"])
        assert outcome["gradient"] > 0
        assert outcome["dtype"] == "torch.float32"
        assert outcome["parameters"] < 20_000
        assert outcome["fast"]
        assert outcome["padding"] is not None
        assert outcome["vocabulary"][0] <= outcome["vocabulary"][1]
        if task in ("classification", "tokens"):
            assert outcome["classes"] == ["O", "B", "I"]


def test_every_architecture_that_the_text_names_is_among_them(report):
    classes = {outcome.get("class", "") for outcome in report["models"].values()}
    for family in (
        *("Bert", "Roberta", "DistilBert", "DebertaV2", "ModernBert", "Electra", "XLMRoberta"),
        *("GPT2", "Llama", "Mistral", "T5", "MT5", "Bart", "MBart", "M2M100", "Pegasus"),
    ):
        assert any(name.startswith(family) for name in classes), family


@pytest.mark.parametrize("role", sorted(role for role in DATASETS if "full" in DATASETS[role]))
def test_a_data_set_loads_in_three_splits_with_our_columns(report, role):
    outcomes = [outcome for name, outcome in report["datasets"].items() if name.split()[0] == role]
    languages = DATASETS[role]["full"].languages
    assert len(outcomes) == (2 if languages else 1)
    for outcome in outcomes:
        names = [name for name in outcome["sizes"] if name != "unlabelled"]
        assert names == ["train", "validation", "test"]
        assert min(outcome["sizes"].values()) > 0
        assert outcome["columns_missing"] == []
        assert outcome["description"]
        if DATASETS[role]["full"].label_names:
            assert outcome["classes"] == list(DATASETS[role]["full"].label_names)


def test_a_validation_set_cut_from_rows_sorted_by_class_holds_both_classes(run_in_miniature):
    output = run_in_miniature(
        "-c",
        "import tlhelpers as tl; d = tl.data('sentiment'); "
        "print(sorted(set(d['validation']['label'])), sorted(set(d['train']['label'][:20])))",
    )
    assert output.splitlines()[-1] == "[0, 1] [0, 1]"


def test_a_run_says_that_its_figures_mean_nothing(run_in_miniature):
    output = run_in_miniature("-c", "import tlhelpers as tl; tl.start('auto')")
    assert "full (set by TL_PROFILE)" in output
    assert "no figure below means anything" in output


def test_a_classifier_of_other_classes_is_drawn_anew(run_in_miniature):
    """FinBERT's head knows positive, negative, neutral: it must not answer for other names."""
    output = run_in_miniature(
        "-c",
        "import tlhelpers as tl\n"
        "same, _ = tl.load('finbert', task='classification')\n"
        "new, _ = tl.load('finbert', task='classification', labels=['up', 'down', 'flat'])\n"
        "two, _ = tl.load('finbert', task='classification', labels=['up', 'down'])\n"
        "print(same.config.id2label, two.classifier.weight.shape[0])\n"
        "print(bool((same.classifier.weight == new.classifier.weight).all()))\n",
    )
    assert output.count("random until trained: classifier") == 2
    assert "{0: 'positive', 1: 'negative', 2: 'neutral'} 2" in output
    assert output.splitlines()[-1] == "False"


def test_questions_as_on_the_hub_can_be_trained_on(run_in_miniature):
    output = run_in_miniature(
        "-c",
        "import tlhelpers as tl\n"
        "data = tl.data('question-answering')\n"
        "model, tokenizer = tl.load('bert-cased', task='question-answering', quiet=True)\n"
        "tl.fit(model, data['train'], data['validation'], tokenizer=tokenizer, epochs=1,\n"
        "       best_metric='f1', progress=False)\n"
        "print(sorted(tl.evaluate(model, data['test'], tokenizer)))\n"
        "answers = tl.predict(model, data['test'], tokenizer)\n"
        "print(all(a in c for a, c in zip(answers, data['test']['context'], strict=True)))\n",
    )
    assert output.splitlines()[-2:] == ["['exact_match', 'f1', 'loss']", "True"]


def test_a_second_build_takes_what_is_there(tmp_path, miniature):
    mark = Path(miniature["HF_HOME"]) / "key.txt"
    before = mark.stat().st_mtime_ns
    assert build(Path(miniature["HF_HOME"])) == miniature
    assert mark.stat().st_mtime_ns == before


def test_a_folder_that_holds_something_else_is_not_overwritten(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(FileExistsError, match="holds something else"):
        build(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_normal_run_never_sees_the_miniature(miniature):
    """Without its variables the ids lead to the hub, not to random weights."""
    code = "import tlhelpers as tl; tl.load('google-bert/bert-base-uncased')"
    clean = {name: value for name, value in os.environ.items() if name not in environment(Path())}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=clean | {"HF_HUB_OFFLINE": "1", "HF_HOME": "/nonexistent", "TL_PROFILE": "tiny"},
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert "cannot get google-bert/bert-base-uncased from the model hub" in done.stderr
