from datasets import Dataset
from transformers import AutoModelForSequenceClassification as Model
from transformers import AutoTokenizer, Trainer, TrainingArguments, set_seed

import tlhelpers as tl  # only for the texts, and for where the weights are

seed, splits = 0, {}
set_seed(seed)
reviews, checkpoint = tl.data("sentiment"), tl.weights_folder("encoder")
tokenizer = AutoTokenizer.from_pretrained(checkpoint)
model = Model.from_pretrained(checkpoint, num_labels=2, dtype="float32")
for name in ("train", "validation", "test"):
    rows = reviews[name].shuffle(seed=seed if name == "train" else 0)[:1000]
    ids = tokenizer(rows["text"], truncation=True, max_length=256)
    splits[name] = Dataset.from_dict({**ids, "label": rows["label"]})

settings = TrainingArguments(
    output_dir="checkpoints", seed=seed, num_train_epochs=2, warmup_steps=6,
    learning_rate=1e-4 if model.config.hidden_size < 512 else 2e-5,
    per_device_train_batch_size=32, weight_decay=0.01, report_to="none",
    eval_strategy="epoch", save_strategy="epoch",
    load_best_model_at_end=True, metric_for_best_model="accuracy",
)  # fmt: skip
trainer = Trainer(
    model, settings, processing_class=tokenizer,
    train_dataset=splits["train"], eval_dataset=splits["validation"],
    compute_metrics=lambda o: {"accuracy": (o[0].argmax(1) == o[1]).mean()},
)  # fmt: skip
trainer.train()
trainer.save_model("film-critic")  # weights, settings and tokenizer
out = trainer.predict(splits["test"])
right = (out.predictions.argmax(axis=1) == out.label_ids).tolist()
print(f"{sum(right) / len(right):.1%} of the test texts right")

# On your own data: a CSV file with the columns text and label (0, 1, ...);
# num_labels says how many different labels there are.
# from datasets import load_dataset
# rows = load_dataset("csv", data_files="mine.csv")["train"]
# rest = rows.train_test_split(test_size=0.4, seed=0)
# held_out = rest["test"].train_test_split(test_size=0.5, seed=0)
# reviews = {"train": rest["train"], "validation": held_out["train"]}
# reviews["test"] = held_out["test"]
