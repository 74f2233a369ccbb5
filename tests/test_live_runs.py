"""What a page measures live agrees with what was recorded over seeds."""

import re

import nbformat
import pytest

from tlhelpers.evidence.recorded import recorded
from tlhelpers.metrics import prediction_interval
from tools.project import Project

INTENTS = {"stage": "intents", "method": "frozen", "labels": 500, "value": "unseen_accuracy"}
TAGS = {"model": "encoder", "task": "part of speech"}
LAYER_0, BEST_LAYER = {"stage": "layers", "layer": 0, **TAGS}, {"stage": "stack", **TAGS}
LIVE = [
    ("08-lora-maths", r"LoRA of rank 8: ([\d.]+)%", {"method": "LoRA rank 8, alpha 16"}),
    ("08-lora-maths", r"Full fine-tuning: ([\d.]+)%", {"method": "full"}),
    ("09-what-layers-learn", r"Probe of layer 0: ([\d.]+)%", LAYER_0),
    ("09-what-layers-learn", r"Probe of the best layer, \d+: ([\d.]+)%", BEST_LAYER),
    ("10-full-fine-tuning", r"bag of words +([\d.]+)%", {"method": "tfidf", "labels": 1000}),
    ("10-full-fine-tuning", r"frozen encoder +([\d.]+)%", {"method": "frozen", "labels": 1000}),
    ("10-full-fine-tuning", r"fine-tuned +([\d.]+)%", {"method": "full", "labels": 1000}),
    ("14-multilingual-transfer", r"English commands: ([\d.]+)%", INTENTS | {"language": "en"}),
    ("14-multilingual-transfer", r"Hindi commands: ([\d.]+)%", INTENTS | {"language": "hi"}),
]


@pytest.mark.book
@pytest.mark.parametrize(("slug", "printed", "where"), LIVE)
def test_live_accuracy_is_one_that_another_seed_could_have_given(slug, printed, where):
    notebook = nbformat.read(Project().executed(slug, "tiny"), as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    said = "".join(out.get("text", "") for cell in cells for out in cell.outputs)
    live = float(re.search(printed, said)[1]) / 100
    chosen = {"stage": "test", **where}
    value = chosen.pop("value", "accuracy")
    expected = prediction_interval(recorded(slug).select(chosen)[value])
    assert expected.low <= live <= expected.high
