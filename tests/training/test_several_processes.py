"""The loop on several processes, as `accelerate launch` starts them: they train as one would."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.tiny_models import questions, reviews, tiny_classifier, tiny_reader, tiny_tokenizer
from tests.training.runs import NO_DROPOUT
from tlhelpers.training.fit import fit
from tlhelpers.training.prediction import predict

ROOT = Path(__file__).parents[2]
# 61 examples: the last update is odd, and one process has nothing to do in some of its passes.
HOW = {"learning_rate": 1e-2, "epochs": 2, "batch_size": 12, "progress": False}

SCRIPT = """
    import json, os, sys, time
    from safetensors.torch import save_file
    from transformers import DataCollatorForLanguageModeling
    from tests.training.test_several_processes import HOW, NO_DROPOUT
    from tests.tiny_models import *
    from tlhelpers.training import best_weights
    from tlhelpers.training.fit import fit
    from tlhelpers.training.prediction import predict

    folder, tokenizer, rank = sys.argv[1], tiny_tokenizer(), os.environ["RANK"]
    how = dict(
        plain=dict(),
        accumulated=dict(gradient_accumulation=5, batch_size=4),
        gradual=dict(unfreeze_every=0.5),
        stored=dict(output_dir=folder + "/run", checkpoint_every=2),
    )
    load_file = best_weights.load_file
    def load_late(path):  # a process that is slow to read must still find the best weights
        time.sleep(int(rank))
        return load_file(path)
    best_weights.load_file = load_late
    for name, options in how.items():
        model = tiny_classifier(**NO_DROPOUT)
        result = fit(
            model, reviews(61), reviews(21, seed=1), tokenizer=tokenizer, **HOW | options)
        save_file(model.state_dict(), f"{folder}/{name}-{rank}.safetensors")
    scores = result.history.drop(columns=["seconds", "samples_per_second"])
    logits = predict(model, reviews(21, seed=1), tokenizer, batch_size=4)
    answers = predict(tiny_reader(), questions(9), tokenizer, batch_size=2, max_length=16)
    def stop(event):
        event.stop = rank == "1" and event.step == 3
    stopped = fit(tiny_classifier(), reviews(61), tokenizer=tokenizer, callbacks=[stop], **HOW)
    told = [stop] if rank == "1" else []  # the other process has no callback at all
    alone = fit(tiny_classifier(), reviews(61), tokenizer=tokenizer, callbacks=told, **HOW)
    with open(f"{folder}/report-{rank}.json", "w") as file:
        json.dump({"reasons": result.reasons, "history": scores.to_dict("list"),
                   "logits": logits.tolist(), "answers": answers.tolist(),
                   "ends": [stopped.reasons["end"], alone.reasons["end"]]}, file)
    model = tiny_masked_model()  # the pooler-less kind, with dropout and a collator that draws
    collator = DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.3)
    fit(model, {"text": [row["text"] for row in reviews(24)]}, tokenizer=tokenizer,
        collator=collator, **HOW)
    weights = {name: p.detach() for name, p in model.named_parameters()}
    save_file(weights, f"{folder}/masked-{rank}.safetensors")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    script = folder / "train.py"
    script.write_text(textwrap.dedent(SCRIPT))
    # `accelerate launch` starts processes through torch's own launcher, but only on GPUs: for
    # processors it wants MPI. So the test calls that launcher itself.
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    path = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [*command, script, folder],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path)},
        timeout=500,
    )
    said = [line for line in done.stderr.splitlines() if not line.startswith("[rank0]")]
    assert done.returncode == 0, "\n".join(said)[:6000]  # rank 0 only says that the other is gone
    return folder


def weights(folder, name):
    return [load_file(folder / f"{name}-{rank}.safetensors") for rank in (0, 1)]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["plain", "accumulated", "gradual", "stored", "masked"])
def test_both_processes_end_with_the_same_weights(folder, name):
    one, other = weights(folder, name)
    assert all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("plain", {}),
        ("accumulated", {"gradient_accumulation": 5, "batch_size": 4}),
        ("gradual", {"unfreeze_every": 0.5}),
        ("stored", {}),
    ],
)
def test_two_processes_train_as_one_does(folder, name, options):
    model = tiny_classifier(**NO_DROPOUT)
    tokenizer = tiny_tokenizer()
    fit(model, reviews(61), reviews(21, seed=1), tokenizer=tokenizer, **HOW | options)
    found, wanted = weights(folder, name)[0], model.state_dict()
    # Gradients are summed in another order; a dozen updates of at most 1e-2 amplify the difference.
    for key, tensor in wanted.items():
        torch.testing.assert_close(found[key], tensor, atol=2e-5, rtol=1e-4)


@pytest.mark.slow
def test_both_processes_report_the_same_and_predict_all(folder):
    one, other = (json.loads((folder / f"report-{rank}.json").read_text()) for rank in (0, 1))
    assert one == other
    assert one["reasons"]["processes"].startswith("2")
    model = tiny_classifier(**NO_DROPOUT)
    model.load_state_dict(weights(folder, "stored")[0])
    alone = predict(model, reviews(21, seed=1), tiny_tokenizer())
    torch.testing.assert_close(torch.tensor(one["logits"]), torch.tensor(alone))
    answers = predict(tiny_reader(), questions(9), tiny_tokenizer(), max_length=16)
    assert one["answers"] == answers.tolist()


@pytest.mark.slow
def test_a_callback_of_one_process_stops_both(folder):
    for rank in (0, 1):
        report = json.loads((folder / f"report-{rank}.json").read_text())
        assert report["ends"] == ["stopped by a callback at step 3"] * 2
