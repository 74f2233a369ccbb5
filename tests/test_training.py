import json
import math
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch.utils.data import SequentialSampler
from transformers import DataCollatorForLanguageModeling, Trainer, TrainingArguments

from tests.tiny_models import (
    reviews,
    tiny_causal_model,
    tiny_classifier,
    tiny_masked_model,
    tiny_seq2seq,
    tiny_tagger,
    tiny_tokenizer,
)
from tlhelpers.training import layers as strategies
from tlhelpers.training.batching import encode
from tlhelpers.training.fit import Settings, evaluate, fit, predict

NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
QUICK = {"learning_rate": 1e-2, "epochs": 2, "batch_size": 16, "progress": False}


@pytest.fixture(scope="module")
def tokenizer():
    return tiny_tokenizer()


def state(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def close(one, other, tolerance):
    return max(float((one[name] - other[name]).abs().max()) for name in one) <= tolerance


# ---- it learns, and says what it did -----------------------------------------------------------


def test_a_classifier_learns_and_ends_with_its_best_weights(tokenizer):
    model = tiny_classifier()
    test = reviews(200, seed=9)
    before = evaluate(model, test, tokenizer)["accuracy"]
    result = fit(
        model, reviews(256), reviews(64, seed=1), tokenizer=tokenizer, **QUICK | {"epochs": 6}
    )
    assert result.model is model
    assert before < 0.65
    assert evaluate(model, test, tokenizer)["accuracy"] > 0.95
    best = result.history.set_index("epoch")["validation_loss"]
    assert best.idxmin() == result.best_epoch
    assert evaluate(model, reviews(64, seed=1), tokenizer)["loss"] == pytest.approx(best.min())


def test_history_has_one_row_an_epoch(tokenizer):
    result = fit(tiny_classifier(), reviews(40), reviews(16), tokenizer=tokenizer, **QUICK)
    assert isinstance(result.history, pd.DataFrame)
    assert result.history["epoch"].tolist() == [1, 2]
    assert result.history["step"].tolist() == [3, 6]
    wanted = {
        "train_loss", "validation_loss", "validation_accuracy", "validation_macro_f1",
        "learning_rate", "seconds", "samples_per_second",
    }  # fmt: skip
    assert wanted <= set(result.history)
    assert result.history["seconds"].is_monotonic_increasing
    assert result.seconds >= result.history["seconds"].iloc[-1]


def test_every_decision_has_its_reason(tokenizer):
    reasons = fit(tiny_classifier(), reviews(16), tokenizer=tokenizer, **QUICK).reasons
    assert {"device", "precision", "end"} <= set(reasons)
    assert reasons["end"] == "all 2 steps done"


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tokenizer):
    def weights(seed):
        model = tiny_classifier()
        fit(model, reviews(64), tokenizer=tokenizer, seed=seed, **QUICK)
        return state(model)

    first = weights(0)
    torch.manual_seed(123)  # what ran before must not matter
    assert same(first, weights(0))
    assert not same(first, weights(1))


def test_train_loss_of_the_history_is_the_mean_over_examples(tokenizer):
    model, rows = tiny_classifier(**NO_DROPOUT), reviews(40)
    wanted = evaluate(model, rows, tokenizer)["loss"]
    # A rate so low that the weights stay as they are within float32.
    result = fit(model, rows, tokenizer=tokenizer, **QUICK | {"learning_rate": 1e-12, "epochs": 1})
    assert result.history["train_loss"].iloc[0] == pytest.approx(wanted, rel=1e-5)


# ---- the same as the library ----------------------------------------------------------------


@pytest.mark.parametrize("accumulation", [1, 2])
def test_final_weights_agree_with_those_of_the_trainer(tokenizer, tmp_path, accumulation):
    """Fixed order, no dropout, the same settings: only the order of additions may differ."""

    class InOrder(Trainer):
        def _get_train_sampler(self, dataset=None):
            return SequentialSampler(self.train_dataset)

    rows = reviews(48)
    theirs, ours = tiny_classifier(**NO_DROPOUT), tiny_classifier(**NO_DROPOUT)
    arguments = TrainingArguments(
        tmp_path, learning_rate=1e-3, num_train_epochs=3, per_device_train_batch_size=8,
        gradient_accumulation_steps=accumulation, weight_decay=0.01, warmup_steps=0.1,
        max_grad_norm=0.5, use_cpu=True, report_to="none", save_strategy="no", disable_tqdm=True,
        optim="adamw_torch",
    )  # fmt: skip
    tokens = [{**tokenizer(row["text"]), "label": row["label"]} for row in rows]
    trainer = InOrder(theirs, arguments, train_dataset=tokens, processing_class=tokenizer)
    # transformers 5.23 takes BERT's loss for one that divides by all accumulated examples; it is a
    # plain mean, so accumulated gradients come out too large. This makes the Trainer divide.
    trainer.model_accepts_loss_kwargs = False
    trainer.train()
    fit(
        ours, rows, tokenizer=tokenizer, learning_rate=1e-3, epochs=3, batch_size=8,
        gradient_accumulation=accumulation, weight_decay=0.01, warmup=0.1, max_grad_norm=0.5,
        bucketing=False, shuffle=False, progress=False,
    )  # fmt: skip
    # 18 or 9 float32 updates of at most 1e-3 each; AdamW divides by tiny numbers.
    assert close(state(ours), state(theirs), 2e-6)
    assert not close(state(ours), state(tiny_classifier()), 1e-3)


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


# ---- every kind of model ---------------------------------------------------------------------


def test_a_tagger_learns(tokenizer):
    rows = []
    for row in reviews(128):
        ids = tokenizer(row["text"])["input_ids"]
        # 1 for a word that judges, 0 for another, nothing for [CLS] and [SEP]
        labels = [-100 if i < 4 else int(13 <= i <= 18) for i in ids]
        rows.append({"input_ids": ids, "labels": labels})
    model = tiny_tagger(num_labels=2)
    result = fit(model, rows[:96], rows[96:], tokenizer=tokenizer, **QUICK | {"epochs": 4})
    assert result.history["validation_accuracy"].iloc[-1] > 0.95
    logits = predict(model, rows[96:], tokenizer)
    assert logits.shape == (32, max(len(row["input_ids"]) for row in rows[96:]), 2)


def test_a_masked_model_learns_through_a_collator(tokenizer):
    collator = DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.3)
    data = {"text": [row["text"] for row in reviews(256)]}
    model = tiny_masked_model()
    result = fit(model, data, data, tokenizer=tokenizer, collator=collator, **QUICK)
    losses = result.history["validation_loss"]
    assert losses.iloc[-1] < math.log(22) - 0.2  # below a guess among all 22 words
    assert result.history["validation_perplexity"].tolist() == pytest.approx(np.exp(losses))
    first, second = (evaluate(model, data, tokenizer, collator=collator)["loss"] for _ in range(2))
    assert first == second  # the same words are masked each time


def test_no_masked_word_in_a_batch_does_no_harm(tokenizer):
    collator = DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.05)
    data = {"text": ["a good film"] * 32}
    model = tiny_masked_model()
    fit(model, data, tokenizer=tokenizer, collator=collator, **QUICK | {"batch_size": 1})
    assert all(torch.isfinite(tensor).all() for tensor in state(model).values())


def test_a_causal_model_learns(tokenizer):
    data = {"text": [row["text"] for row in reviews(256)]}
    result = fit(tiny_causal_model(), data, data, tokenizer=tokenizer, **QUICK)
    assert result.history["validation_loss"].iloc[-1] < math.log(22) - 0.2


def test_a_seq2seq_model_learns(tokenizer):
    rows = []
    for row in reviews(128):
        ids = tokenizer(row["text"])["input_ids"]
        rows.append({"input_ids": ids, "labels": [14 if row["label"] else 17, 3]})
    result = fit(tiny_seq2seq(), rows, rows, tokenizer=tokenizer, **QUICK | {"epochs": 3})
    losses = result.history["validation_loss"]
    assert losses.iloc[-1] < losses.iloc[0] < math.log(22)


def test_regression_and_several_labels_learn(tokenizer):
    numbers = [{"text": r["text"], "label": float(r["label"])} for r in reviews(64)]
    several = [{"text": r["text"], "labels": [r["label"], 1.0]} for r in reviews(64)]
    for rows, model in (
        (numbers, tiny_classifier(num_labels=1)),
        (several, tiny_classifier(problem_type="multi_label_classification")),
    ):
        losses = fit(model, rows, rows, tokenizer=tokenizer, **QUICK).history["validation_loss"]
        assert losses.iloc[-1] < losses.iloc[0]


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")
def test_an_adapter_trains_and_its_base_stays(tokenizer):
    torch.manual_seed(0)
    base = tiny_classifier()
    model = get_peft_model(
        base,
        LoraConfig(
            task_type="SEQ_CLS", r=2, target_modules=["query"], modules_to_save=["classifier"]
        ),
    )
    frozen = {n: p.clone() for n, p in model.named_parameters() if not p.requires_grad}
    fit(model, reviews(64), reviews(16), tokenizer=tokenizer, **QUICK)
    assert same(frozen, dict(model.named_parameters()))
    assert any(p.abs().sum() > 0 for n, p in model.named_parameters() if "lora_B" in n)


def test_half_precision_weights_are_trained_in_float32(tokenizer):
    model = tiny_classifier().half()
    result = fit(model, reviews(16), tokenizer=tokenizer, **QUICK)
    assert next(model.parameters()).dtype == torch.float32
    assert "float32" in result.reasons["weights"]


def test_bf16_products_train_float32_weights(tokenizer):
    model = tiny_classifier()
    result = fit(model, reviews(64), reviews(16), tokenizer=tokenizer, precision="bf16", **QUICK)
    assert next(model.parameters()).dtype == torch.float32
    assert result.reasons["precision"] == "requested: bf16"
    assert np.isfinite(result.history["validation_loss"]).all()


# ---- strategies inside the loop ------------------------------------------------------------


def test_frozen_layers_stay_and_the_head_learns(tokenizer):
    model = tiny_classifier()
    strategies.freeze(model)
    before = state(model)
    fit(model, reviews(32), tokenizer=tokenizer, **QUICK)
    groups, after = strategies.layer_groups(model), state(model)
    changed = [
        layer for layer, names in groups.items() if not same({n: before[n] for n in names}, after)
    ]
    assert changed == ["head"]


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


def test_patience_stops_and_the_best_weights_come_back(tokenizer):
    model = tiny_classifier()
    wrong = [{**row, "label": 1 - row["label"]} for row in reviews(64, seed=1)]
    result = fit(
        model, reviews(64), wrong, tokenizer=tokenizer, patience=2, **QUICK | {"epochs": 20}
    )
    assert len(result.history) == result.history["validation_loss"].idxmin() + 3
    assert "stopped early" in result.reasons["end"]
    best = result.history["validation_loss"].min()
    assert evaluate(model, wrong, tokenizer)["loss"] == pytest.approx(best)


def test_the_best_metric_can_be_an_accuracy(tokenizer):
    result = fit(
        tiny_classifier(), reviews(64), reviews(64, seed=1), tokenizer=tokenizer,
        best_metric="accuracy", **QUICK | {"epochs": 5},
    )  # fmt: skip
    accuracy = result.history.set_index("epoch")["validation_accuracy"]
    assert accuracy[result.best_epoch] == accuracy.max()


def test_own_metrics_and_own_loss_are_used(tokenizer):
    result = fit(
        tiny_classifier(), reviews(32), reviews(16), tokenizer=tokenizer,
        metrics=lambda logits, labels: {"share_of_ones": (logits.argmax(-1) == 1).mean()},
        loss_function=lambda outputs, batch: outputs.loss * 0 + 7, **QUICK,
    )  # fmt: skip
    assert "validation_share_of_ones" in result.history
    assert result.history["train_loss"].tolist() == pytest.approx([7, 7])
    assert result.history["validation_loss"].tolist() == pytest.approx([7, 7])


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


# ---- when memory runs out -------------------------------------------------------------------


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


# ---- a killed run goes on --------------------------------------------------------------------

SCRIPT = """
    import os, signal, sys
    sys.path.insert(0, {root!r})
    import torch
    from tests.tiny_models import *
    from tlhelpers.training.fit import fit

    folder, die_at, how = sys.argv[1], int(sys.argv[2]), sys.argv[3]

    def kill(event):
        if event.kind == "step" and event.step == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def run(**where):
        tokenizer, options, model = tiny_tokenizer(), {{}}, tiny_classifier()
        data = reviews(60), reviews(20, seed=1)
        if how == "gradual":
            options = dict(unfreeze_every=0.5, gradient_accumulation=2, layer_decay=0.5)
        if how == "masked":
            from transformers import DataCollatorForLanguageModeling
            model = tiny_masked_model()
            data = [{{"text": [row["text"] for row in rows]}} for rows in data]
            options = dict(collator=DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.3))
        result = fit(
            model, *data, tokenizer=tokenizer, learning_rate=1e-2, epochs=4, batch_size=8,
            checkpoint_every=3, callbacks=[kill], progress=False, **options, **where)
        scores = result.history.drop(columns=["seconds", "samples_per_second"])
        return result, scores, model.state_dict()

    result, scores, resumed = run(output_dir=folder)
    print(result.reasons["resume"])
    _, wanted_scores, whole = run()
    assert scores.equals(wanted_scores), (scores, wanted_scores)  # each number to its last bit
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)
    print("the same, bit for bit")
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "deaths"), [("plain", [7, 17]), ("gradual", [6]), ("masked", [20])]
)
def test_a_killed_run_ends_with_the_same_weights_bit_for_bit(tmp_path, how, deaths):
    script = tmp_path / "train.py"
    script.write_text(textwrap.dedent(SCRIPT.format(root=str(Path(__file__).parents[1]))))

    def run(die_at):
        return subprocess.run(
            [sys.executable, script, tmp_path / "run", str(die_at), how],
            capture_output=True, text=True, check=False, env=os.environ | {"OMP_NUM_THREADS": "1"},
        )  # fmt: skip

    for step in deaths:
        killed = run(step)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
    resumed = run(0)
    assert resumed.returncode == 0, resumed.stderr
    assert "went on from step" in resumed.stdout
    assert "the same, bit for bit" in resumed.stdout


def test_a_finished_run_is_not_trained_again(tokenizer, tmp_path):
    def once():
        model = tiny_classifier()
        result = fit(
            model, reviews(32), reviews(16), tokenizer=tokenizer, output_dir=tmp_path, **QUICK
        )
        return state(model), result

    first, result = once()
    again, second = once()
    assert same(first, again)
    assert "not trained again" in second.reasons["resume"]
    assert second.reasons["end"] == result.reasons["end"]
    pd.testing.assert_frame_equal(result.history, second.history)
    assert second.best_epoch == result.best_epoch


def test_another_run_must_not_go_on_from_these_checkpoints(tokenizer, tmp_path):
    def run(rows=32, **how):
        data = reviews(rows)
        how = QUICK | how
        return fit(tiny_classifier(), data, tokenizer=tokenizer, output_dir=tmp_path, **how)

    run()
    with pytest.raises(ValueError, match=r"learning_rate 0.01, this one has 0.02: .* resume=False"):
        run(learning_rate=2e-2)
    with pytest.raises(ValueError, match="train data"):
        run(rows=31)
    assert "resume" not in run(learning_rate=2e-2, resume=False).reasons


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


# ---- mistakes are told apart, with what to do ------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"learning_rate": -1e-3}, "learning_rate=-0.001 must be a number above 0"),
        ({"learning_rate": float("nan")}, "learning_rate=nan"),
        ({"learning_rate": "1e-3"}, "learning_rate='1e-3'"),
        ({"epochs": 0}, "epochs=0"),
        ({"batch_size": 0}, "batch_size=0 must be a whole number of at least 1"),
        ({"batch_size": 2.5}, "batch_size=2.5"),
        ({"max_steps": -1}, "max_steps=-1"),
        ({"weight_decay": -0.1}, "weight_decay=-0.1"),
        ({"warmup": 100}, "warmup=100 is a share"),
        ({"layer_decay": 0}, "layer_decay=0"),
        ({"schedule": "cosine"}, "'linear' or 'constant'"),
        ({"precision": "fp4"}, "precision='fp4'"),
        ({"unfreeze_every": 0}, "unfreeze_every=0"),
        ({"lr": 1e-3}, "unknown setting lr: there are learning_rate"),
        ({"patience": 1}, "patience=1 needs validation data"),
    ],
)
def test_a_bad_setting_is_refused_by_name_and_value(tokenizer, setting, message):
    with pytest.raises(ValueError, match=message):
        fit(tiny_classifier(), reviews(4), tokenizer=tokenizer, **setting)


def test_an_unknown_best_metric_is_refused_with_those_there_are(tokenizer):
    rows, how = reviews(8), QUICK | {"best_metric": "f2"}
    with pytest.raises(ValueError, match=r"'f2' .* use one of loss, accuracy, macro_f1"):
        fit(tiny_classifier(), rows, rows, tokenizer=tokenizer, **how)


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


def test_a_model_without_a_head_or_all_frozen_is_refused(tokenizer):
    model = tiny_classifier()
    with pytest.raises(ValueError, match="no loss"):
        fit(model.bert, reviews(8), tokenizer=tokenizer, **QUICK)
    strategies.freeze(model)
    strategies.freeze(model, ["head"])
    with pytest.raises(ValueError, match="every parameter is frozen"):
        fit(model, reviews(8), tokenizer=tokenizer, **QUICK)


def test_the_model_is_given_back_whole_after_an_error(tokenizer):
    model = tiny_classifier()

    def fail(event):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(model, reviews(8), tokenizer=tokenizer, unfreeze_every=1, callbacks=[fail], **QUICK)
    assert all(p.requires_grad and p.grad is None for p in model.parameters())


# ---- prediction ------------------------------------------------------------------------------


def test_predictions_come_in_the_order_of_the_data(tokenizer):
    model, rows = tiny_classifier().eval(), reviews(50)
    logits = predict(model, rows, tokenizer, batch_size=8)
    assert logits.shape == (50, 2)
    for row, found in zip(rows, logits, strict=True):
        with torch.no_grad():
            alone = model(**tokenizer(row["text"], return_tensors="pt")).logits[0]
        # Padding changes the order of float32 additions, nothing else.
        np.testing.assert_allclose(found, alone, atol=1e-5)


def test_a_list_of_strings_can_be_predicted(tokenizer):
    model = tiny_classifier()
    assert predict(model, ["a good film", "bad"], tokenizer).shape == (2, 2)


def test_evaluation_leaves_the_model_as_it_was(tokenizer):
    model = tiny_classifier().train()
    before = state(model)
    scores = evaluate(model, reviews(16), tokenizer)
    assert set(scores) == {"loss", "accuracy", "macro_f1"}
    assert model.training
    assert same(before, state(model))


def test_evaluated_loss_does_not_depend_on_the_batch_size(tokenizer):
    model, rows = tiny_classifier(), reviews(50)
    losses = [evaluate(model, rows, tokenizer, batch_size=size)["loss"] for size in (1, 7, 50)]
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-5)


def test_settings_can_be_prepared_and_overridden(tokenizer):
    settings = Settings(learning_rate=1e-3, epochs=1, progress=False)
    result = fit(tiny_classifier(), reviews(8), tokenizer=tokenizer, settings=settings, epochs=2)
    assert (result.settings.learning_rate, result.settings.epochs) == (1e-3, 2)


def test_encoding_is_the_same_for_fit_and_predict(tokenizer):
    rows = reviews(8)
    assert (
        encode(rows, tokenizer, tiny_classifier()).fingerprint()
        == encode(rows, tokenizer, tiny_classifier(), name="evaluation").fingerprint()
    )
