import math
import os

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
)
from tests.training.runs import NO_DROPOUT, QUICK, close, same, state
from tlhelpers.device import Choice
from tlhelpers.training import fit as fitting
from tlhelpers.training import layers as strategies
from tlhelpers.training.fit import fit
from tlhelpers.training.prediction import evaluate, predict
from tlhelpers.training.settings import Settings


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


def test_own_metrics_and_own_loss_are_used(tokenizer):
    result = fit(
        tiny_classifier(), reviews(32), reviews(16), tokenizer=tokenizer,
        metrics=lambda logits, labels: {"share_of_ones": (logits.argmax(-1) == 1).mean()},
        loss_function=lambda outputs, batch: outputs.loss * 0 + 7, **QUICK,
    )  # fmt: skip
    assert "validation_share_of_ones" in result.history
    assert result.history["train_loss"].tolist() == pytest.approx([7, 7])
    assert result.history["validation_loss"].tolist() == pytest.approx([7, 7])


def test_a_model_without_a_head_or_all_frozen_is_refused(tokenizer):
    model = tiny_classifier()
    with pytest.raises(ValueError, match="no loss"):
        fit(model.bert, reviews(8), tokenizer=tokenizer, **QUICK)
    strategies.freeze(model)
    strategies.freeze(model, ["head"])
    with pytest.raises(ValueError, match="every parameter is frozen"):
        fit(model, reviews(8), tokenizer=tokenizer, **QUICK)


def test_accelerate_takes_the_gpu_that_is_asked_for(monkeypatch):
    """Left alone it takes the first one."""
    monkeypatch.setattr(fitting, "device_for", lambda *_: Choice(torch.device("meta", 1), "asked"))
    accelerator, _, reasons = fitting._accelerator(tiny_classifier(), Settings(device="meta:1"))
    assert accelerator.device == torch.device("meta", 1)
    assert reasons["device"] == "asked"
    assert "ACCELERATE_TORCH_DEVICE" not in os.environ
