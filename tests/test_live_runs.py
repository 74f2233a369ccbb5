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
FORGETTING = "13-catastrophic-forgetting"
STILL = "% of the headlines still"
AFTER_TWO = {"epochs": 2, "value": "old_skill"}
NER = "15-named-entity-recognition"
SLOTS = {"corpus": "commands", "sentences": 100, "value": "f1"}
LABELS = "18-transfer-vs-scratch"  # serves more pages than its own
STEPS = "05-fine-tuning-paradigm"
WAYS = "07-fine-tuning-strategies"
FILMS = {"task": "sentiment"}
OBJECTIVES = "04-pretraining-objectives"
PEFT = "11-lora-with-peft"
SWEEPS = {"01-the-story": LABELS, STEPS: "05-one-step-wrong", "10-full-fine-tuning": LABELS}
LIVE = [
    ("01-the-story", r"beginner +([\d.]+)%", {"method": "random", "labels": 200}),
    ("01-the-story", r"violinist +([\d.]+)%", {"method": "full", "labels": 200}),
    (STEPS, r"five steps: ([\d.]+)%", FILMS | {"variant": "right"}),
    (STEPS, r"shuffled ids: ([\d.]+)%", FILMS | {"variant": "shuffled ids"}),
    (WAYS, r"frozen features: ([\d.]+)%", {"method": "frozen", "labels": 100}),
    (WAYS, r"gradual unfreezing: ([\d.]+)%", {"method": "gradual", "labels": 100}),
    (WAYS, r"adapters: ([\d.]+)%", {"method": "adapters", "labels": 100}),
    (WAYS, r"sixteen labels, frozen: ([\d.]+)%", {"method": "frozen", "labels": 16}),
    (WAYS, r"sixteen labels, SetFit: ([\d.]+)%", {"method": "setfit", "labels": 16}),
    ("08-lora-maths", r"LoRA of rank 8: ([\d.]+)%", {"method": "LoRA rank 8, alpha 16"}),
    ("08-lora-maths", r"Full fine-tuning: ([\d.]+)%", {"method": "full"}),
    ("09-what-layers-learn", r"Probe of layer 0: ([\d.]+)%", LAYER_0),
    ("09-what-layers-learn", r"Probe of layer \d+, the best: ([\d.]+)%", BEST_LAYER),
    ("10-full-fine-tuning", r"bag of words +([\d.]+)%", {"method": "tfidf", "labels": 1000}),
    ("10-full-fine-tuning", r"frozen encoder +([\d.]+)%", {"method": "frozen", "labels": 1000}),
    ("10-full-fine-tuning", r"fine-tuned +([\d.]+)%", {"method": "full", "labels": 1000}),
    (PEFT, r"Encoder with LoRA: ([\d.]+)%", {"stage": "tuned", "method": "encoder"}),
    (PEFT, r"Tuned decoder: ([\d.]+)%", {"stage": "tuned", "method": "answer only"}),
    (LABELS, r"TF-IDF +200 labels +([\d.]+)%", {"method": "tfidf", "labels": 200}),
    (LABELS, r"frozen +200 labels +([\d.]+)%", {"method": "frozen", "labels": 200}),
    (LABELS, r"full +200 labels +([\d.]+)%", {"method": "full", "labels": 200}),
    (FORGETTING, rf"0\.0001: (\d+){STILL}", AFTER_TWO | {"learning_rate": 1e-4}),
    (FORGETTING, rf"0\.001: (\d+){STILL}", AFTER_TWO | {"learning_rate": 1e-3}),
    (NER, r"table of words: F1 ([\d.]+)%", SLOTS | {"method": "frequent"}),
    (NER, r"fine-tuned: F1 ([\d.]+)%", SLOTS | {"method": "full"}),
    ("14-multilingual-transfer", r"English commands: ([\d.]+)%", INTENTS | {"language": "en"}),
    ("14-multilingual-transfer", r"Hindi commands: ([\d.]+)%", INTENTS | {"language": "hi"}),
]


def outputs_of(slug):
    notebook = nbformat.read(Project().executed(slug, "tiny"), as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [output for cell in code for output in cell.outputs]


def printed_in(outputs):
    return "".join(str(output.get("text", "")) for output in outputs)


@pytest.mark.book
@pytest.mark.parametrize(("slug", "printed", "where"), LIVE)
def test_live_accuracy_is_one_that_another_seed_could_have_given(slug, printed, where):
    said = printed_in(outputs_of(slug))
    live = float(re.search(printed, said)[1]) / 100
    sweep = recorded(SWEEPS.get(slug, slug))
    chosen = ({"stage": "test"} if "stage" in sweep.parameters else {}) | where
    value = chosen.pop("value", "accuracy")
    expected = prediction_interval(sweep.select(chosen)[value])
    assert expected.low <= live <= expected.high


@pytest.mark.book
def test_what_chapter_6_computes_by_hand_is_the_library_s_up_to_rounding():
    outputs = outputs_of("06-bert-architecture")
    said = printed_in(outputs)
    printed = re.findall(r"differs? by (\S+)", said)
    tables = [str(out.get("data", {}).get("text/plain", "")) for out in outputs]
    (table,) = [text for text in tables if "largest difference" in text]
    differences = [float(word) for word in (*printed, *re.findall(r"\d\S*e-\d+|0\.\d+", table))]
    # Shares of the largest number; float32 keeps about 6e-8 of it, and a layer rounds many times.
    assert len(differences) >= 10 and max(differences) < 1e-5


@pytest.mark.book
def test_chapter_4_learns_the_next_token_as_other_seeds_do():
    said = printed_in(outputs_of(OBJECTIVES))
    live = float(re.search(r"our model on the next token: +([\d.]+)", said)[1])
    expected = prediction_interval(recorded(OBJECTIVES).select({"stage": "short"})["loss"])
    assert expected.low <= live <= expected.high


@pytest.mark.book
def test_what_chapter_4_makes_by_hand_is_what_libraries_and_papers_make():
    tables = [str(out.get("data", {}).get("text/plain", "")) for out in outputs_of(OBJECTIVES)]
    (table,) = [text for text in tables if "held against" in text]
    differences = re.findall(r"(?:transformers|T5's paper)\W+(\d[\d.]*(?:e[-+]\d+)?)", table)
    assert len(differences) == 4
    assert [float(number) for i, number in enumerate(differences) if i != 2] == [0, 0, 0]
    assert float(differences[2]) < 1e-5  # of a loss of about 8, in float32


@pytest.mark.book
def test_chapter_16_times_half_of_the_layers_as_faster():
    said = printed_in(outputs_of("16-the-bert-family"))
    live = float(re.search(r"^([\d.]+) times as fast$", said, re.MULTILINE)[1])
    assert live > 1  # about 2 by operations; how much by the clock is each machine's own matter
    assert "the last two agree: True" in said
