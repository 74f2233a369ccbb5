import json
import random

import numpy as np
import pytest
import torch

from tests.tiny_models import reviews, tiny_classifier
from tests.training.runs import QUICK
from tlhelpers.training import checkpoints
from tlhelpers.training.fit import fit


def test_checkpoints_are_tensors_and_json_only(tokenizer, tmp_path):
    seen = set()

    def look(event):
        seen.update(path.name for path in tmp_path.rglob("*") if path.is_file())

    fit(
        tiny_classifier(), reviews(32), reviews(16), tokenizer=tokenizer, output_dir=tmp_path,
        checkpoint_every=1, callbacks=[look], **QUICK,
    )  # fmt: skip
    assert seen == {
        "model.safetensors", "optimizer.safetensors", "random-0.safetensors", "state.json",
        "best.safetensors",
    }  # fmt: skip
    assert len(list((tmp_path / "checkpoints").iterdir())) == 1  # the older ones are gone
    assert json.loads(next(tmp_path.rglob("state.json")).read_text())["progress"]["finished"]


def test_a_half_written_checkpoint_is_passed_over(tokenizer, tmp_path):
    (tmp_path / "checkpoints" / "unfinished").mkdir(parents=True)
    (tmp_path / "checkpoints" / "unfinished" / "model.safetensors").write_bytes(b"half")
    result = fit(tiny_classifier(), reviews(32), tokenizer=tokenizer, output_dir=tmp_path, **QUICK)
    assert "resume" not in result.reasons


def test_no_random_state_needs_float64():
    """Apple GPUs have none, and a run of several processes sends the states through its GPUs."""
    for tensor in checkpoints.random_state(torch.device("cpu")).values():
        assert tensor.dtype in (torch.uint8, torch.int64)


def test_the_normal_number_drawn_ahead_comes_back():
    random.gauss(0, 1), np.random.standard_normal()
    stored = checkpoints.random_state(torch.device("cpu"))
    drawn = random.gauss(0, 1), np.random.standard_normal()
    random.gauss(0, 1), np.random.standard_normal()
    checkpoints.load_random_state(stored, torch.device("cpu"))
    assert (random.gauss(0, 1), np.random.standard_normal()) == drawn


@pytest.mark.parametrize("kind", ["mps", "cuda"])
def test_the_random_state_of_a_gpu_is_stored_and_put_back(monkeypatch, kind):
    on_device = {"state": torch.arange(5, dtype=torch.uint8)}
    module = getattr(torch, kind)
    monkeypatch.setattr(module, "get_rng_state", lambda *_: on_device["state"].clone())
    monkeypatch.setattr(module, "set_rng_state", lambda s, *_: on_device.update(state=s))
    stored = checkpoints.random_state(torch.device(kind))
    on_device["state"] = torch.zeros(5, dtype=torch.uint8)
    checkpoints.load_random_state(stored, torch.device(kind))
    assert on_device["state"].tolist() == [0, 1, 2, 3, 4]
