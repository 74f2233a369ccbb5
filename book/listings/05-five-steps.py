import transformers as hf
from datasets import Dataset

import tlhelpers as tl  # only for the texts, and for where the weights are

seed, Model = 0, hf.AutoModelForSequenceClassification
reviews, splits, runs = tl.data("sentiment"), {}, {}
checkpoint = tl.weights_folder("encoder")
C = reviews["train"].features["label"].num_classes  # counted, not guessed
tokenizer = hf.AutoTokenizer.from_pretrained(checkpoint)  # the model's own
for name in ("train", "validation", "test"):
    rows = reviews[name].shuffle(seed=seed)[:500]
    ids = tokenizer(rows["text"], truncation=True, max_length=64)
    splits[name] = Dataset.from_dict({**ids, "label": rows["label"]})
print(tokenizer.decode(splits["train"][0]["input_ids"]))  # is it your text?

for rate in (2e-5, 1e-4, 3e-4):  # the best at an end? Then try one beyond it
    hf.set_seed(seed)
    model = Model.from_pretrained(checkpoint, num_labels=C, dtype="float32")
    # fmt: off
    settings = hf.TrainingArguments(
        "checkpoints", seed=seed, learning_rate=rate, num_train_epochs=3,
        warmup_steps=0.1, weight_decay=0.01, per_device_train_batch_size=32,
        eval_strategy="epoch", save_strategy="epoch", report_to="none",
        load_best_model_at_end=True, metric_for_best_model="accuracy")
    trainer = hf.Trainer(
        model, settings, None, splits["train"], splits["validation"], tokenizer,
        compute_metrics=lambda o: {"accuracy": (o[0].argmax(1) == o[1]).mean()})
    # fmt: on
    print("first loss, about ln C:", trainer.evaluate()["eval_loss"])
    trainer.train()
    runs[trainer.evaluate()["eval_accuracy"]] = trainer

best = runs[max(runs)]  # by validation texts; the test comes once, now
best.save_model("film-critic")  # weights, settings and tokenizer
print(f"{best.evaluate(splits['test'])['eval_accuracy']:.1%} of the test right")

# On your own data: a CSV file with the columns text and label (0, 1, ...).
# from datasets import load_dataset
# rows = load_dataset("csv", data_files="mine.csv")["train"]
# rows = rows.class_encode_column("label")  # numbers the labels from 0
# rest = rows.train_test_split(test_size=0.4, seed=0)
# held_out = rest["test"].train_test_split(test_size=0.5, seed=0)
# reviews = {"train": rest["train"], "validation": held_out["train"]}
# reviews["test"] = held_out["test"]
# Above, write [:] in place of [:500], and raise max_length for long texts.
