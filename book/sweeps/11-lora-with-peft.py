"""Chapter 11: a decoder tuned on its answers, and what training takes of memory.

"tuned": LoRA of rank 8 on query and value of the decoder, 128 labelled film sentences of at most 30
words, each behind one prompt with its label word and the end of the text as the answer. By "answer
only" the loss is that of the answer; by "whole text" that of every piece. "untuned" is the decoder
as it is. All choose the likelier of the two label words for the same test sentences; "answered"
says for how many of the first the decoder itself writes a label word, and then ends. "encoder" is
LoRA on the small encoder, with the settings of chapter 8 and the same 128 labels. What a prompt
with examples is worth, and the encoder with other numbers of labels, is in chapter 7's sweep.

A seed draws the sentences, their order, the factors and dropout; the test sentences stay the same.
The decoder's rate is chosen on as many validation sentences (stage "tune"), for the loss on the
answer, by the mean of two seeds: it is in CHOSEN, and a test compares. The loss on the whole text
takes the same rate, as only the loss is to differ. The encoder's rate is chapter 8's.

"memory": the largest resident memory of processes of their own that take a few steps with AdamW, on
random tokens, from weights that are random too: memory does not hang on them. "libraries" loads
the libraries alone. "counted" is what `strategies.training_memory` counts for the same step. All
in megabytes. A seed stands for one more run.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from datasets import Dataset, DatasetDict
from peft import LoraConfig, PeftModel
from transformers import (
    AutoModelForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

import tlhelpers as tl
from tlhelpers.evidence.recorded import Right
from tlhelpers.pretrained.published import configuration
from tlhelpers.subjects import lora, strategies
from tlhelpers.subjects.strategies import Prompt
from tlhelpers.training.settings import FitResult
from tools.sweep.alone import peak_megabytes

PROMPT = Prompt((" negative", " positive"))
LABELS, WORDS = 128, 30
ASKED, WRITTEN = 200, 40
DECODER = {"epochs": 2, "batch_size": 8}
RATES = (3e-4, 1e-3, 3e-3)
CHOSEN = {"answer only": 1e-3}
ENCODER_RATE = 4e-3
ENCODER = {"epochs": 8, "batch_size": 16}
RANK, ALPHA = 8, 16
MAX_LENGTH = 64
SEEDS, FEW_SEEDS = range(5), range(3)
# The model, its targets, texts of a batch, tokens of a text, and how many steps.
WEIGHED = {
    "encoder": ("sentence-transformers/all-MiniLM-L6-v2", ["query", "value"], 16, 128, 5),
    "GPT-2": ("openai-community/gpt2", ["c_attn", "c_proj"], 8, 128, 2),
}
WAYS = ("full", "LoRA", "LoRA, checkpointing")
# Megabytes, and shares: how far a process of the same kind may be from the recorded one. Repeats
# on one machine are up to 60 MB and 0.09 apart.
TOLERANCE = (
    dict.fromkeys(("libraries", *(f"{p}_{w}" for p in ("peak", "above") for w in WAYS)), 200)
    | dict.fromkeys(("saved_peak", "saved_above", "of_checkpointing"), 0.15)
    | dict.fromkeys(("times_full", "times_LoRA"), 0.4)
)

Scores = dict[str, float | Right]


def points() -> list[dict]:
    """List the points: those of the decoder, which take longest, first."""
    tune = [
        {"stage": "tune", "method": "answer only", "learning_rate": rate, "seed": seed}
        for rate in RATES
        for seed in range(2)
    ]
    tuned = [
        {"stage": "tuned", "method": method, "seed": seed, "learning_rate": rate}
        for seed in SEEDS
        for method, rate in (
            ("answer only", CHOSEN["answer only"]),
            ("whole text", CHOSEN["answer only"]),
            ("encoder", ENCODER_RATE),
        )
    ]
    weighed = [
        {"stage": "memory", "model": model, "seed": seed}
        for model, seeds in (("encoder", SEEDS), ("GPT-2", FEW_SEEDS))
        for seed in seeds
    ]
    return [{"stage": "untuned", "method": "untuned", "seed": 0}, *tune, *tuned, *weighed]


def run(point: dict) -> Scores:
    """Tune and ask a model, or weigh the processes that train one."""
    if point["stage"] == "memory":
        return _weighed(point["model"])
    if point["method"] == "encoder":
        return _encoder(point["learning_rate"], point["seed"])
    if point["method"] == "untuned":
        return _untuned()
    how = point["learning_rate"], point["seed"]
    return _rated(*how) if point["stage"] == "tune" else _tuned(point["method"], *how)


@lru_cache(maxsize=1)
def _reviews() -> DatasetDict:
    return tl.data("sentiment", profile="tiny", quiet=True)


def _train(seed: int) -> Dataset:
    """Draw short sentences: no row has to be cut, which could cost it its answer."""
    shuffled = _reviews()["train"].shuffle(seed=seed)
    short = [row for row, text in enumerate(shuffled["text"]) if len(text.split()) <= WORDS]
    return shuffled.select(short[:LABELS])


# --------------------------------------------------------------------------------------------
# The decoder, and the encoder beside it
# --------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _decoder() -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    return tl.load("decoder", task="causal", profile="tiny", quiet=True)


@lru_cache(maxsize=1)
def _untuned() -> Scores:
    return _answers(*_decoder())


def _rated(learning_rate: float, seed: int) -> Scores:
    model, result = _trained("answer only", learning_rate, seed)
    validation = _reviews()["validation"].select(range(ASKED))
    right = _right(model, _decoder()[1], validation)
    model.unload()
    return {"validation_accuracy": right, "seconds": result.seconds}


def _tuned(method: str, learning_rate: float, seed: int) -> Scores:
    untuned = _untuned()["accuracy"]  # before the factors are put into the one model
    model, result = _trained(method, learning_rate, seed)
    scores = _answers(model, _decoder()[1])
    scores["trained"] = float(tl.count_parameters(model, trainable=True))
    model.unload()  # takes the factors out again
    return scores | {"accuracy_untuned": untuned, "seconds": result.seconds}


def _trained(method: str, learning_rate: float, seed: int) -> tuple[PeftModel, FitResult]:
    decoder, tokenizer = _decoder()
    config = LoraConfig(
        r=RANK, lora_alpha=ALPHA, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"
    )
    model = lora.adapt(decoder, config, seed)
    result = tl.fit(
        model,
        _rows(_train(seed), tokenizer, answer_only=method == "answer only"),
        tokenizer=tokenizer,
        learning_rate=learning_rate,
        seed=seed,
        progress=False,
        **DECODER,
    )
    return model, result


def _rows(
    reviews: Dataset, tokenizer: PreTrainedTokenizerBase, answer_only: bool
) -> dict[str, list[list[int]]]:
    """Put question and answer into one row; -100 is left out of the loss."""
    rows: dict[str, list[list[int]]] = {"input_ids": [], "attention_mask": [], "labels": []}
    for text, label in zip(reviews["text"], reviews["label"], strict=True):
        question = tokenizer(PROMPT.ask(text))["input_ids"]
        answer = [*tokenizer(PROMPT.label_words[label])["input_ids"], tokenizer.eos_token_id]
        rows["input_ids"].append(question + answer)
        rows["attention_mask"].append([1] * len(question + answer))
        rows["labels"].append(([-100] * len(question) if answer_only else question) + answer)
    return rows


def _answers(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Scores:
    asked = _reviews()["test"].select(range(ASKED))
    written = [_written(model, tokenizer, text) for text in asked["text"][:WRITTEN]]
    return {
        "accuracy": _right(model, tokenizer, asked),
        "answered": sum(answer in PROMPT.label_words for answer in written) / WRITTEN,
    }


def _right(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, asked: Dataset) -> Right:
    texts, labels = asked["text"][:], torch.tensor(asked["label"])
    scores = strategies.label_log_probabilities(model, tokenizer, PROMPT, texts)
    return Right.of((torch.from_numpy(scores).argmax(dim=1) == labels).numpy(), texts)


@torch.inference_mode()
def _written(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, text: str) -> str:
    """Let the decoder write up to three pieces; what it wrote, empty if it did not end."""
    ids = tokenizer(PROMPT.ask(text), return_tensors="pt")
    out = model.generate(**ids, max_new_tokens=3, do_sample=False)[0, ids["input_ids"].shape[1] :]
    ended = tokenizer.eos_token_id in out.tolist()
    return tokenizer.decode(out, skip_special_tokens=True) if ended else ""


def _encoder(learning_rate: float, seed: int) -> Scores:
    train = _train(seed)
    encoder, tokenizer = tl.load(
        "encoder", task="classification", labels=train, profile="tiny", seed=seed, quiet=True
    )
    config = LoraConfig(
        r=RANK, lora_alpha=ALPHA, target_modules=["query", "value"], task_type="SEQ_CLS"
    )
    model = lora.adapt(encoder, config, seed)
    result = tl.fit(
        model,
        train,
        tokenizer=tokenizer,
        max_length=MAX_LENGTH,
        learning_rate=learning_rate,
        seed=seed,
        progress=False,
        **ENCODER,
    )
    asked = _reviews()["test"].select(range(ASKED))
    guess = tl.predict(model, asked, tokenizer, max_length=MAX_LENGTH).argmax(axis=1)
    return {
        "accuracy": Right.of(guess == asked["label"], asked["text"][:]),
        "trained": float(tl.count_parameters(model, trainable=True)),
        "seconds": result.seconds,
    }


# --------------------------------------------------------------------------------------------
# Memory
# --------------------------------------------------------------------------------------------


def _weighed(name: str) -> Scores:
    """Weigh each way to train a model, and count what it should take."""
    libraries = peak_megabytes(ALONE, "none", "none")
    scores: Scores = {"libraries": libraries}
    for way in WAYS:
        peak = peak_megabytes(ALONE, name, way)
        scores |= {f"peak_{way}": peak, f"above_{way}": peak - libraries}
        if way in ("full", "LoRA"):  # what is computed twice is not kept, so not counted
            counted = _counted(name, way)
            scores |= {f"counted_{way}": counted, f"times_{way}": (peak - libraries) / counted}
    for part in ("peak", "above", "counted"):
        scores[f"saved_{part}"] = 1 - float(scores[f"{part}_LoRA"]) / float(scores[f"{part}_full"])
    checkpointing = float(scores["above_LoRA, checkpointing"])
    scores["of_checkpointing"] = checkpointing / float(scores["above_LoRA"])
    return scores


@lru_cache(maxsize=4)
def _counted(name: str, way: str) -> float:
    """Count once for all repeats what a step should take, in megabytes."""
    return sum(strategies.training_memory(*to_be_weighed(name, way))) / 1e6


def to_be_weighed(name: str, way: str) -> tuple[PreTrainedModel, dict[str, torch.Tensor]]:
    """Build a classifier with random weights, and a batch of random tokens."""
    hub_id, targets, texts, tokens, _ = WEIGHED[name]
    config = configuration(hub_id, num_labels=2, pad_token_id=0)
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_config(config)
    if way != "full":
        lora_config = LoraConfig(
            r=RANK,
            lora_alpha=ALPHA,
            target_modules=targets,
            task_type="SEQ_CLS",
            fan_in_fan_out=name == "GPT-2",
        )
        model = lora.adapt(model, lora_config, seed=0)
    if "checkpointing" in way:
        model.activation_checkpointing_enable({"use_reentrant": False})
    ids = torch.randint(1, config.vocab_size, (texts, tokens))
    mask = torch.ones_like(ids)
    return model, {"input_ids": ids, "attention_mask": mask, "labels": torch.arange(texts) % 2}


def train_a_little(name: str, way: str) -> None:
    """Take a few steps, as ``tl.fit`` takes them."""
    model, batch = to_be_weighed(name, way)
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-4, fused=True)
    model.train()
    for _ in range(WEIGHED[name][-1]):
        model(**batch).loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()


# Named by the function, so that the sweep's digest notices a change of it.
ALONE = f"""
import sys
import torch
from tools.sweep.plan import SWEEPS, load_sweep
torch.set_num_threads(1)
sweep = load_sweep(SWEEPS / "11-lora-with-peft.py")
if sys.argv[1] != "none":
    sweep.{train_a_little.__name__}(*sys.argv[1:])
"""
