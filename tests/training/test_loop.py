import math

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from peft import LoraConfig, get_peft_model
from transformers import DataCollatorForLanguageModeling

from tests.tiny_models import reviews, tiny_causal_model, tiny_classifier, tiny_masked_model
from tests.training.runs import NO_DROPOUT, QUICK, close, state
from tlhelpers.training import layers as strategies
from tlhelpers.training.fit import fit
from tlhelpers.training.prediction import evaluate


def test_accumulated_passes_equal_one_big_batch(tokenizer):
    def weights(**how):
        model = tiny_classifier(**NO_DROPOUT)
        fit(model, reviews(60), tokenizer=tokenizer, **QUICK | how)
        return state(model)

    # The last update has 60 - 48 = 12 examples, cut into unequal passes.
    whole = weights(batch_size=16)
    assert close(whole, weights(batch_size=2, gradient_accumulation=8), 1e-5)


def test_accumulated_passes_weigh_by_their_tokens(tokenizer):
    """A mean of means would count a token in a short text more: here texts differ in length."""

    def weights(**how):
        model = tiny_causal_model()
        model.config.resid_pdrop = 0.0
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        data = {"text": [row["text"] for row in reviews(24)]}
        fit(model, data, tokenizer=tokenizer, bucketing=False, **QUICK | how)
        return state(model)

    assert close(weights(batch_size=8), weights(batch_size=2, gradient_accumulation=4), 1e-5)


def test_no_masked_word_in_a_batch_does_no_harm(tokenizer):
    collator = DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.05)
    data = {"text": ["a good film"] * 32}
    model = tiny_masked_model()
    fit(model, data, tokenizer=tokenizer, collator=collator, **QUICK | {"batch_size": 1})
    assert all(torch.isfinite(tensor).all() for tensor in state(model).values())


def test_gradual_unfreezing_lets_one_more_layer_learn_each_epoch(tokenizer):
    model, seen = tiny_classifier(), []
    groups = strategies.layer_groups(model)

    def watch(event):
        if event.kind == "evaluation":
            trained = {n for n, p in event.model.named_parameters() if p.requires_grad}
            seen.append([layer for layer, names in groups.items() if set(names) <= trained])

    fit(
        model, reviews(32), tokenizer=tokenizer, unfreeze_every=1, callbacks=[watch],
        **QUICK | {"epochs": 4},
    )  # fmt: skip
    assert [len(layers) for layers in seen] == [1, 2, 3, 4]
    assert all(p.requires_grad for p in model.parameters())


def test_a_layer_decay_slows_the_lower_layers(tokenizer):
    def moved(**how):
        model = tiny_classifier()
        before = state(model)
        fit(model, reviews(32), tokenizer=tokenizer, weight_decay=0.0, **QUICK | how)
        after, groups = state(model), strategies.layer_groups(model)
        return {
            layer: max(float((after[n] - before[n]).abs().max()) for n in names)
            for layer, names in groups.items()
        }

    assert moved(layer_decay=0.1)["layer 0"] < moved()["layer 0"] / 10


def test_train_loss_of_the_history_is_the_mean_over_examples(tokenizer):
    model, rows = tiny_classifier(**NO_DROPOUT), reviews(40)
    wanted = evaluate(model, rows, tokenizer)["loss"]
    # A rate so low that the weights stay as they are within float32.
    result = fit(model, rows, tokenizer=tokenizer, **QUICK | {"learning_rate": 1e-12, "epochs": 1})
    assert result.history["train_loss"].iloc[0] == pytest.approx(wanted, rel=1e-5)


def test_the_rate_rises_then_falls_in_a_line(tokenizer):
    rates = []
    fit(
        tiny_classifier(), reviews(40), tokenizer=tokenizer, warmup=0.2, learning_rate=1.0,
        epochs=2, batch_size=4, progress=False, max_grad_norm=1e-6,
        callbacks=[lambda event: rates.append((event.kind, event.learning_rate))],
    )  # fmt: skip
    rates = [rate for kind, rate in rates if kind == "step"]
    assert rates[:5] == pytest.approx([0, 0.25, 0.5, 0.75, 1])
    assert rates[10] == pytest.approx(10 / 16)


def test_a_callback_sees_every_step_and_can_stop(tokenizer):
    steps = []

    def watch(event):
        assert math.isfinite(event.loss)
        steps.append((event.kind, event.step))
        event.stop = event.step == 3

    result = fit(tiny_classifier(), reviews(64), tokenizer=tokenizer, callbacks=[watch], **QUICK)
    assert steps == [("step", 1), ("step", 2), ("step", 3)]
    assert "callback at step 3" in result.reasons["end"]


def test_max_steps_wins_over_epochs(tokenizer):
    result = fit(tiny_classifier(), reviews(32), tokenizer=tokenizer, max_steps=5, **QUICK)
    assert result.history["step"].iloc[-1] == 5
    result = fit(
        tiny_classifier(), reviews(32), tokenizer=tokenizer, evaluate_every=3, max_steps=7, **QUICK
    )
    assert result.history["step"].tolist() == [3, 6, 7]


def test_out_of_memory_halves_the_batch_and_keeps_the_update(tokenizer):
    def weights(limit):
        model = tiny_classifier(**NO_DROPOUT)
        forward = model.forward

        def small_memory(**batch):
            if model.training and len(batch["input_ids"]) > limit:
                raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB")
            return forward(**batch)

        small_memory.__signature__ = __import__("inspect").signature(forward)
        model.forward = small_memory
        result = fit(model, reviews(64), tokenizer=tokenizer, **QUICK)
        return state(model), result.reasons

    whole, reasons = weights(16)
    assert "batch" not in reasons
    cut, reasons = weights(5)
    assert reasons["batch"].startswith("out of memory: 4 examples a pass, 4 passes an update of 16")
    assert close(whole, cut, 1e-5)
    with pytest.raises(RuntimeError, match="out of memory"):
        weights(0)


def test_a_loss_that_is_no_number_stops_with_step_and_rate(tokenizer):
    model, steps = tiny_classifier(), []

    def break_it(event):
        steps.append(event.step)
        if event.step == 2:
            with torch.no_grad():
                model.classifier.bias.fill_(float("nan"))

    with pytest.raises(FloatingPointError, match=r"at step 3 of 8, learning rate .*: lower"):
        fit(model, reviews(64), tokenizer=tokenizer, callbacks=[break_it], **QUICK)
    assert steps == [1, 2]


def test_the_model_is_given_back_whole_after_an_error(tokenizer):
    model = tiny_classifier()

    def fail(event):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(model, reviews(8), tokenizer=tokenizer, unfreeze_every=1, callbacks=[fail], **QUICK)
    assert all(p.requires_grad and p.grad is None for p in model.parameters())


def test_no_callback_takes_back_the_stop_of_another(tokenizer):
    def stop(event):
        event.stop = event.step == 3

    def go_on(event):
        event.stop = False

    for callbacks in ([stop, go_on], [go_on, stop]):
        model = tiny_classifier()
        result = fit(model, reviews(64), tokenizer=tokenizer, callbacks=callbacks, **QUICK)
        assert result.reasons["end"] == "stopped by a callback at step 3"


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")
def test_adapters_are_unfrozen_in_turn(tokenizer):
    model = get_peft_model(tiny_classifier(), LoraConfig(r=2, target_modules=["query"]))
    rows, how = reviews(32), QUICK | {"epochs": 3, "unfreeze_every": 1}
    result = fit(model, rows, rows, tokenizer=tokenizer, **how)
    assert len(result.history) == 3
    assert all(p.requires_grad == ("lora_" in name) for name, p in model.named_parameters())


def test_an_accelerator_of_ones_own_stays_as_it_was(tokenizer):
    AcceleratorState._reset_state(reset_partial_state=True)  # what other tests have left
    own = Accelerator(mixed_precision="bf16", cpu=True, gradient_accumulation_steps=2)
    fit(tiny_classifier(), reviews(16), tokenizer=tokenizer, precision="fp32", **QUICK)
    assert own.mixed_precision == "bf16"
    assert own.device.type == "cpu"
    assert own.state.initialized and own.num_processes == 1
    own.prepare(torch.nn.Linear(2, 2))
