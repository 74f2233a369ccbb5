"""The helpers on a CUDA GPU: as on the processor in fp32, near it in half precision."""

import numpy as np
import pytest
import torch
from transformers import BertModel

from tests.tiny_models import (
    bert_config,
    reviews,
    tiny_causal_model,
    tiny_classifier,
    tiny_tokenizer,
)
from tests.training.runs import NO_DROPOUT, QUICK, close, state
from tlhelpers.device import choose_device, choose_precision
from tlhelpers.profiles import device_for
from tlhelpers.training.fit import fit
from tlhelpers.training.prediction import evaluate, predict
from tlhelpers.vectors import embed

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="needs a CUDA GPU, and `make test-gpu`"
)
ROWS = reviews(64)
HALF = 2**-6  # bf16 keeps 8 bits of a number


@pytest.fixture
def tokenizer():
    return tiny_tokenizer()


@pytest.fixture
def exact_products():
    """Multiply in fp32, not in the GPU's shortened form."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    yield
    torch.set_float32_matmul_precision(before)


def on_cpu(weights):
    return {name: tensor.cpu() for name, tensor in weights.items()}


def trained(tokenizer, **how):
    model = tiny_classifier(**NO_DROPOUT)
    return fit(model, ROWS, ROWS, tokenizer=tokenizer, **QUICK | how)


def test_a_gpu_is_chosen_with_half_precision():
    assert choose_device().value.type == "cuda"
    assert device_for(tiny_classifier()).value.type == "cuda"
    assert choose_precision(torch.device("cuda")).value in (torch.bfloat16, torch.float16)


@pytest.mark.usefixtures("exact_products")
def test_in_fp32_training_ends_with_the_weights_of_the_processor(tokenizer):
    here = trained(tokenizer, device="cuda", precision="fp32").model
    there = trained(tokenizer, device="cpu", precision="fp32").model
    assert next(here.parameters()).device.type == "cuda"
    assert close(on_cpu(state(here)), state(there), 1e-3)


def test_in_half_precision_it_learns_and_keeps_weights_of_32_bits(tokenizer):
    result = trained(tokenizer)
    losses = result.history["validation_loss"]
    assert losses.iloc[-1] < losses.iloc[0]
    assert {p.dtype for p in result.model.parameters()} == {torch.float32}


@pytest.mark.usefixtures("exact_products")
def test_predictions_and_scores_are_those_of_the_processor(tokenizer):
    model = tiny_classifier()
    there = predict(model, ROWS, tokenizer, device="cpu")
    scores = evaluate(model, ROWS, tokenizer, device="cpu")
    here = predict(model, ROWS, tokenizer, device="cuda", precision="fp32")
    np.testing.assert_allclose(here, there, atol=1e-5)
    np.testing.assert_allclose(predict(model, ROWS, tokenizer), there, atol=HALF)
    assert evaluate(model, ROWS, tokenizer, precision="fp32") == pytest.approx(scores, abs=1e-5)


@pytest.mark.usefixtures("exact_products")
def test_vectors_are_those_of_the_processor_and_come_back_in_32_bits(tokenizer):
    torch.manual_seed(0)
    encoder = BertModel(bert_config(), add_pooling_layer=False)
    texts = [row["text"] for row in ROWS]
    there = embed(encoder, tokenizer, texts, progress=False)
    encoder.to("cuda")
    exact = embed(encoder, tokenizer, texts, precision="fp32", progress=False)
    half = embed(encoder, tokenizer, texts, progress=False)
    np.testing.assert_allclose(exact, there, atol=1e-5)
    np.testing.assert_allclose(half, there, atol=0.05)
    assert half.dtype == np.float32
    assert abs(half - exact).max() > 0, "half precision was not used"


def test_what_does_not_fit_is_halved_until_it_does(tokenizer):
    """Of real memory, which a share of the GPU's stands for."""
    model = tiny_classifier(**{"hidden_size": 256} | NO_DROPOUT)
    rows = [{"input_ids": [2, *[5, 6] * 15], "labels": row % 2} for row in range(4_096)]
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(1.5e9 / total)
    try:
        result = fit(
            model, rows, tokenizer=tokenizer, epochs=1, batch_size=4_096, progress=False,
            precision="fp32",
        )  # fmt: skip
        assert result.reasons["batch"].startswith("out of memory: ")
        assert len(predict(model, rows, tokenizer, batch_size=4_096, precision="fp32")) == 4_096
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def test_a_decoder_is_scored_without_its_logits_being_kept(tokenizer):
    rows = [{"input_ids": [5, 6, 7, 8, 9], "labels": [5, 6, 7, 8, 9]} for _ in range(8)]
    model = tiny_causal_model()
    there = evaluate(model, rows, tokenizer, device="cpu")["loss"]
    assert evaluate(model, rows, tokenizer)["loss"] == pytest.approx(there, abs=0.05)


def test_a_stopped_run_goes_on_to_the_same_weights(tokenizer, tmp_path):
    """With dropout: the GPU's own random state is kept too."""

    def run(folder, **how):
        model = tiny_classifier()
        fit(
            model, ROWS, ROWS, tokenizer=tokenizer, precision="fp32", output_dir=folder,
            **QUICK | how,
        )  # fmt: skip
        return state(model)

    class StoppedError(Exception):
        pass

    def stop(event):
        if event.step == 6:
            raise StoppedError

    whole = run(tmp_path / "whole", checkpoint_every=2)
    with pytest.raises(StoppedError):
        run(tmp_path / "cut", checkpoint_every=2, callbacks=[stop])
    assert close(run(tmp_path / "cut", checkpoint_every=2), whole, 1e-6)
