"""What a GPU is asked to run has the true shapes; without one it is refused."""

import pytest
import torch

from tools.budget.measure import LARGE, main, table
from tools.budget.second_device import LeftOnTheCPUError, nothing_left_on_the_cpu

CODE = """
import torch
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification
from tools.budget.measure import with_true_shapes

bert = "google-bert/bert-base-uncased"
small = AutoModel.from_pretrained(bert)
small.save_pretrained({folder!r})
with_true_shapes()
assert AutoConfig.from_pretrained(bert, num_labels=3).hidden_size == 768
config, unused = AutoConfig.from_pretrained(bert, return_unused_kwargs=True)
assert config._name_or_path == bert and not unused
with torch.device("meta"):
    model = AutoModel.from_pretrained(bert)
    fresh = AutoModelForSequenceClassification.from_config(config)
assert sum(p.numel() for p in model.parameters()) == 109_482_240
assert fresh.config.num_hidden_layers == 12
again = AutoModel.from_pretrained({folder!r})
assert all(map(torch.equal, again.state_dict().values(), small.state_dict().values()))
print("as published")
"""


@pytest.mark.slow
def test_models_of_the_hub_have_their_published_shapes(run_in_miniature, tmp_path):
    code = CODE.format(folder=str(tmp_path / "saved"))
    assert run_in_miniature("-c", code).endswith("as published\n")


@pytest.mark.skipif(torch.cuda.is_available(), reason="has a GPU")
def test_without_a_gpu_it_says_so(capsys):
    assert main(["10"]) == 2
    assert "no CUDA GPU here" in capsys.readouterr().err


def test_what_was_measured_stands_beside_what_was_computed():
    cells = [
        {"cell": 3, "begins": "result = tl.fit(", "seconds": 40.0, "operations": 8e14},
        {"cell": 4, "begins": "print(1)", "seconds": 9.0, "operations": 0.0},
    ]
    found = {"gpu": "A100", "torch": "2", "transformers": "5", "operations": 8e14, "single": 1e12}
    budget = {
        "operations": {"encoder": 7e14, "decoder": 1e14},
        "single": {},
        "memory": {"encoder": 7.2e9, "decoder": 3e9},
    }
    lines = table("10-page", found | {"peak_bytes": 6.2e9, "cells": cells}, budget).splitlines()
    assert lines[2].split()[-2:] == ["8e+14", "8e+14"]
    assert lines[4].split()[-2:] == ["7.20", "6.20"]
    assert lines[5].split()[-1] == "49.0"
    assert lines[6].split()[-2:] == ["21.7", "20.0"]
    assert [line.split()[0] for line in lines[9:]] == ["3"]


def test_a_page_of_light_cells_has_no_speed():
    cells = [{"cell": 1, "begins": "print(1)", "seconds": 2.0, "operations": 1e9}]
    found = {"gpu": "A100", "torch": "2", "transformers": "5", "operations": 1e9, "single": 0.0}
    budget = {"operations": {"encoder": 1e9}, "single": {}, "memory": {"encoder": 1e9}}
    text = table("16-page", found | {"peak_bytes": 1e9, "cells": cells}, budget)
    assert text.endswith("no cell is heavy enough to tell a speed")


def test_a_small_layer_by_hand_may_stay_on_the_cpu_and_a_model_may_not():
    with nothing_left_on_the_cpu(LARGE):
        torch.nn.Linear(768, 64)(torch.zeros(1, 768))
        with pytest.raises(LeftOnTheCPUError, match="Linear computes on the CPU"):
            torch.nn.Linear(2_000, 1_000)(torch.zeros(1, 2_000))
