import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch.nn.functional import cross_entropy
from transformers import DataCollatorForLanguageModeling

from tests.tiny_models import reviews, tiny_classifier, tiny_masked_model, tiny_tokenizer
from tests.training.runs import QUICK, same, state
from tlhelpers.training.fit import fit

SCRIPT = """
    import os, signal, sys
    sys.path.insert(0, {root!r})
    import torch
    from tests.tiny_models import *
    from tlhelpers.training.fit import fit

    folder, die_at, how = sys.argv[1], int(sys.argv[2]), sys.argv[3]

    def kill(event):
        if event.kind == "step" and event.step == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def run(**where):
        tokenizer, options, model = tiny_tokenizer(), {{}}, tiny_classifier()
        data = reviews(60), reviews(20, seed=1)
        if how == "gradual":
            options = dict(unfreeze_every=0.5, gradient_accumulation=2, layer_decay=0.5)
        if how == "masked":
            from transformers import DataCollatorForLanguageModeling
            model = tiny_masked_model()
            data = [{{"text": [row["text"] for row in rows]}} for rows in data]
            options = dict(collator=DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.3))
        result = fit(
            model, *data, tokenizer=tokenizer, learning_rate=1e-2, epochs=4, batch_size=8,
            checkpoint_every=3, callbacks=[kill], progress=False, **options, **where)
        scores = result.history.drop(columns=["seconds", "samples_per_second"])
        return result, scores, model.state_dict()

    result, scores, resumed = run(output_dir=folder)
    print(result.reasons["resume"])
    _, wanted_scores, whole = run()
    assert scores.equals(wanted_scores), (scores, wanted_scores)  # each number to its last bit
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)
    print("the same, bit for bit")
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "deaths"), [("plain", [7, 17]), ("gradual", [6]), ("masked", [20])]
)
def test_a_killed_run_ends_with_the_same_weights_bit_for_bit(tmp_path, how, deaths):
    script = tmp_path / "train.py"
    script.write_text(textwrap.dedent(SCRIPT.format(root=str(Path(__file__).parents[2]))))

    def run(die_at):
        return subprocess.run(
            [sys.executable, script, tmp_path / "run", str(die_at), how],
            capture_output=True,
            text=True,
            check=False,
        )

    for step in deaths:
        killed = run(step)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
    resumed = run(0)
    assert resumed.returncode == 0, resumed.stderr
    assert "went on from step" in resumed.stdout
    assert "the same, bit for bit" in resumed.stdout


def test_a_finished_run_is_not_trained_again(tokenizer, tmp_path):
    def once():
        model = tiny_classifier()
        result = fit(
            model, reviews(32), reviews(16), tokenizer=tokenizer, output_dir=tmp_path, **QUICK
        )
        return state(model), result

    first, result = once()
    again, second = once()
    assert same(first, again)
    assert "not trained again" in second.reasons["resume"]
    assert second.reasons["end"] == result.reasons["end"]
    pd.testing.assert_frame_equal(result.history, second.history)
    assert second.best_epoch == result.best_epoch


def test_another_run_must_not_go_on_from_these_checkpoints(tokenizer, tmp_path):
    def run(rows=32, **how):
        data = reviews(rows)
        how = QUICK | how
        return fit(tiny_classifier(), data, tokenizer=tokenizer, output_dir=tmp_path, **how)

    run()
    with pytest.raises(ValueError, match=r"learning_rate 0.01, this one has 0.02: .* resume=False"):
        run(learning_rate=2e-2)
    with pytest.raises(ValueError, match="train data"):
        run(rows=31)
    assert "resume" not in run(learning_rate=2e-2, resume=False).reasons


def weighted(weights):
    weights = torch.tensor(weights)
    return lambda outputs, batch: cross_entropy(outputs.logits, batch["labels"], weight=weights)


def shares(logits, labels):
    return {"ones": float(logits.argmax(-1).mean())}


def halves(logits, labels):
    return {"ones": float(logits.argmax(-1).mean()) / 2}


@pytest.mark.parametrize(
    ("key", "first", "second"),
    [
        ("loss function", {"loss_function": weighted([1.0, 1.0])}, {}),
        (
            "loss function",
            {"loss_function": weighted([1.0, 1.0])},
            {"loss_function": weighted([1.0, 9.0])},
        ),
        ("metrics", {"metrics": shares}, {"metrics": halves}),
        ("starting weights", {"seed_of_model": 0}, {"seed_of_model": 1}),
        ("names of them", {"frozen": 0}, {"frozen": 1}),
        ("seed", {"seed": 0}, {"seed": 1}),
        ("greater_is_better", {}, {"greater_is_better": False}),
    ],
)
def test_a_run_of_another_kind_does_not_go_on_here(tokenizer, tmp_path, key, first, second):
    def run(*, seed_of_model=0, frozen=None, **how):
        model = tiny_classifier(seed=seed_of_model)
        if frozen is not None:
            model.bert.encoder.layer[frozen].requires_grad_(False)
        return fit(
            model, reviews(32), reviews(16), tokenizer=tokenizer, output_dir=tmp_path,
            **QUICK | how,
        )  # fmt: skip

    assert "resume" not in run(**first).reasons
    assert "not trained again" in run(**first).reasons["resume"]
    with pytest.raises(ValueError, match=f"holds a run with {key} .*, this one has .* resume=Fal"):
        run(**second)


def test_a_model_that_was_trained_meanwhile_is_told_from_the_one_of_the_start(tokenizer, tmp_path):
    model, how = tiny_classifier(), QUICK | {"output_dir": tmp_path}
    fit(model, reviews(32), tokenizer=tokenizer, **how)
    with pytest.raises(ValueError, match=r"starting weights .* load the model again"):
        fit(model, reviews(32), tokenizer=tokenizer, **how)


def test_a_collator_is_known_by_its_settings_and_its_tokenizer(tmp_path):
    def run(share):
        tokenizer = tiny_tokenizer()
        collator = DataCollatorForLanguageModeling(tokenizer, mlm_probability=share)
        data = {"text": [row["text"] for row in reviews(32)]}
        model = tiny_masked_model()
        how = QUICK | {"output_dir": tmp_path}
        return fit(model, data, tokenizer=tokenizer, collator=collator, **how)

    run(0.3)
    assert "not trained again" in run(0.3).reasons["resume"]
    with pytest.raises(ValueError, match="collator 'DataCollatorForLanguageModeling"):
        run(0.2)


def test_a_folder_that_cannot_be_written_is_refused_before_the_first_step(tokenizer, tmp_path):
    (tmp_path / "file").write_text("")
    steps = []
    for path in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(OSError, match=r"output_dir='.*' cannot be written \(.*\): name a"):
            fit(
                tiny_classifier(), reviews(8), tokenizer=tokenizer, output_dir=path,
                callbacks=[steps.append], **QUICK,
            )  # fmt: skip
    assert not steps
