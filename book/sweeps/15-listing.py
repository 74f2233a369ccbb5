"""Chapter 15: does the plain listing tag as well as the page's helper, over five seeds?

Both train four epochs on all training commands, in batches of 32, with the listing's learning rate,
and keep the epoch with the best F1 on the validation commands. A seed draws their order, the fresh
head and dropout. F1 is counted as the CoNLL scorer counts, on all test commands.
"""

from __future__ import annotations

import tlhelpers as tl
from tlhelpers.subjects import entities
from tools.sweep.listing import listing_and_helper, run_listing

LEARNING_RATE = 8e-4

points = listing_and_helper


def run(point: dict) -> dict[str, float]:
    """Train once; the F1 on the test commands."""
    seed = point["seed"]
    tl.start("tiny", seed=seed)  # what a listing asks for by role comes from there
    if point["method"] == "listing":
        beginning = "seed, checkpoint, tagged = "
        left = run_listing("15-tagger", {f"{beginning}0,": f"{beginning}{seed},"})
        return {"f1": float(left["trainer"].state.log_history[-1]["eval_f1"])}
    commands = tl.data("ner", quiet=True)
    names = tl.label_names(commands, "tags")
    model, tokenizer = tl.load("encoder", task="tokens", labels=names, seed=seed, quiet=True)
    result = tl.fit(
        model,
        entities.encode(commands["train"], tokenizer),
        entities.encode(commands["validation"], tokenizer),
        tokenizer=tokenizer,
        learning_rate=LEARNING_RATE,
        epochs=4,
        batch_size=32,
        best_metric="f1",
        seed=seed,
        progress=False,
    )
    test = commands["test"]
    said = entities.word_log_probabilities(result.model, tokenizer, test["tokens"][:])
    truth = [[names[number] for number in tags] for tags in test["tags"]]
    guess = [entities.likeliest(sentence, names) for sentence in said]
    return {"f1": entities.score(truth, guess, strict=False).f1}
