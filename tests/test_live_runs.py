"""What a page measures live agrees with what was recorded over seeds."""

import re

import nbformat
import pytest

from tlhelpers.metrics import prediction_interval
from tlhelpers.results import recorded
from tools.project import Project

LIVE = [
    ("10-full-fine-tuning", r"Bag of words: ([\d.]+)%", {"method": "tfidf", "labels": 1000}),
    ("10-full-fine-tuning", r"Frozen encoder: ([\d.]+)%", {"method": "frozen", "labels": 1000}),
    ("10-full-fine-tuning", r"Full fine-tuning: ([\d.]+)%", {"method": "full", "labels": 1000}),
]


@pytest.mark.book
@pytest.mark.parametrize(("slug", "printed", "where"), LIVE)
def test_live_accuracy_is_one_that_another_seed_could_have_given(slug, printed, where):
    notebook = nbformat.read(Project().executed(slug, "tiny"), as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    said = "".join(out.get("text", "") for cell in cells for out in cell.outputs)
    live = float(re.search(printed, said)[1]) / 100
    expected = prediction_interval(recorded(slug).select({"stage": "test", **where})["accuracy"])
    assert expected.low <= live <= expected.high
