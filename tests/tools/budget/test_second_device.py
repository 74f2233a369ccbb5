"""No helper computes on the CPU where there is another device; a lazy device stands in for one."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PRELUDE = """
from tools.budget.second_device import nothing_left_on_the_cpu, stand_in
lazy = stand_in()
import tempfile
import tlhelpers as tl
from tests.tiny_models import bert_config, reviews, tiny_classifier
from tests.tiny_models import tiny_tokenizer
from tlhelpers.subjects import multilingual, probing
from transformers import BertModel

folder = tempfile.mkdtemp()
tiny_classifier().save_pretrained(folder)
tiny_tokenizer().save_pretrained(folder)
rows = reviews(24)
texts = [row["text"] for row in rows]
words = [text.split() for text in texts]
run = tl.start("tiny")
assert run.device == lazy
"""


def on_a_second_device(code):
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + code], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
def test_every_helper_that_runs_a_model_runs_it_where_start_said():
    output = on_a_second_device("""
from datasets import ClassLabel, Dataset, Features, Value
named = Dataset.from_list(
    rows, Features(text=Value("string"), label=ClassLabel(names=["bad", "good"]))
)
with nothing_left_on_the_cpu():
    encoder, tokenizer = tl.load(folder)
    assert encoder.device == lazy
    assert tl.embed(encoder, tokenizer, texts).shape == (24, 16)
    assert tl.fit_frozen(encoder, tokenizer, named, named).accuracy(named) > 0.5
    assert probing.word_vectors(encoder, tokenizer, words, cache=False).shape[0] == 3
    assert probing.sentence_vectors(encoder, tokenizer, words, cache=False).shape[0] == 3
    assert multilingual.layer_vectors(encoder, tokenizer, texts).shape == (3, 24, 16)
    assert len(multilingual.word_vectors(encoder, tokenizer, words)) == 24
    model, tokenizer = tl.load(folder, task="classification", labels=["bad", "good"])
    assert tl.predict(model, rows, tokenizer).shape == (24, 2)
    assert 0 < tl.evaluate(model, rows, tokenizer)["loss"] < 1
    by_hand = tiny_classifier()  # not by load: evaluate, predict and fit move it
    assert tl.predict(by_hand, rows, tokenizer).shape == (24, 2)
    # Tensors of the stand-in have no storage, and save_pretrained asks for it.
    model.save_pretrained = lambda *_, **__: None
    result = tl.fit(
        model, rows, rows, tokenizer=tokenizer, max_steps=2, batch_size=12, progress=False,
        output_dir=tempfile.mkdtemp(),
    )
    assert result.model.device == lazy
print("all of them")
""")
    assert "all of them" in output


@pytest.mark.slow
def test_a_model_that_is_left_behind_is_found():
    output = on_a_second_device("""
from tools.budget.second_device import LeftOnTheCPUError
with nothing_left_on_the_cpu():
    try:
        tl.embed(BertModel(bert_config()), tiny_tokenizer(), texts)
    except LeftOnTheCPUError as error:
        print(error)
""")
    assert "BertModel computes on the CPU" in output
