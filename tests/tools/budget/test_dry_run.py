"""A model's passes are counted whole, computed in part, and seen on the wrong device."""

import subprocess
import sys
from pathlib import Path

import pytest
import transformers

from tests.tiny_models import bert_config
from tools.budget.dry_run import OWN, Count, as_published

CODE = """
import torch
from transformers import BertForSequenceClassification, BertModel, pipeline
from transformers import RobertaConfig, RobertaForTokenClassification
from tests.tiny_models import bert_config, tiny_tokenizer
from tools.budget.dry_run import GPU, Count, count_passes
from tools.budget.operations import cost

count = Count()
count_passes(count)
config = bert_config()
config._name_or_path = "google-bert/bert-base-uncased"
ids = torch.randint(5, 20, (4, 32))
model = BertModel(config).eval()
with torch.no_grad():
    hidden = model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
assert hidden.shape == (4, 32, 16)
bert = cost("google-bert/bert-base-uncased", "BertModel", 2)
assert count.operations == {"encoder": bert.operations(4, 32)}
assert count.on_cpu == {"encoder (BertModel)"}
assert count.single == count.operations
with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
    model(input_ids=ids)
assert count.single == {"encoder": bert.operations(4, 32)}
assert count.operations == {"encoder": 2 * bert.operations(4, 32)}
count.on_cpu.clear()
with torch.no_grad():
    model.to(GPU)(input_ids=ids)
assert not count.on_cpu
head = BertForSequenceClassification(config)
pipeline("text-classification", model=head, tokenizer=tiny_tokenizer())("a good film")
assert not count.on_cpu, "a pipeline takes the GPU by itself"
small = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
roberta = RobertaConfig(vocab_size=20, intermediate_size=8, **small)
roberta._name_or_path = "FacebookAI/roberta-base"
tagger = RobertaForTokenClassification(roberta)
tagger(input_ids=ids, labels=ids % 2).loss.backward()  # a label a token is cut as well
print("counted")
"""


@pytest.mark.slow
def test_passes_are_counted_and_lengthened_again():
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
    )
    assert done.stdout.endswith("counted\n"), done.stderr[-2000:]


def test_a_model_of_the_page_s_own_size_is_counted_in_it():
    config = transformers.GPT2Config(
        n_embd=64, n_layer=2, n_head=2, n_positions=64, vocab_size=100, pad_token_id=0
    )
    model = transformers.GPT2LMHeadModel(config)
    of = Count().true(model)
    assert of.hub_id == OWN and of.layers == 2
    assert of.weights == sum(p.numel() for p in model.parameters())
    assert of.operations(3, 32) == 3 * of.operations(1, 32) > 0


def test_a_model_with_random_weights_is_known_by_its_configuration():
    bert = transformers.BertConfig()
    assert as_published(bert.to_json_string(False)) == "google-bert/bert-base-uncased"
    with pytest.raises(LookupError, match="no published size"):
        as_published(bert_config().to_json_string(False))
