import transformers as hf
from datasets import Dataset

import tlhelpers as tl  # only for the texts, and for where the weights are

seed, splits = 0, {}
reviews, checkpoint = tl.data("sentiment"), tl.weights_folder("encoder")
tokenizer = hf.AutoTokenizer.from_pretrained(checkpoint)
for name, rows in {"train": 200, "test": 1_000}.items():
    drawn = reviews[name].shuffle(seed=seed if name == "train" else 0)[:rows]
    ids = tokenizer(drawn["text"], truncation=True, max_length=256)
    splits[name] = Dataset.from_dict({**ids, "label": drawn["label"]})

Model = hf.AutoModelForSequenceClassification
shape = hf.AutoConfig.from_pretrained(checkpoint, num_labels=2)
settings = hf.TrainingArguments(
    output_dir="checkpoints", seed=seed, num_train_epochs=6,
    learning_rate=1e-4 if shape.hidden_size < 512 else 2e-5,  # pretrained
    per_device_train_batch_size=32, report_to="none", save_strategy="no",
)  # fmt: skip
for begun in ("from random weights", "from pretrained ones"):
    hf.set_seed(seed)
    model = Model.from_config(shape)
    if begun == "from pretrained ones":
        model = Model.from_pretrained(checkpoint, config=shape, dtype="float32")
    trainer = hf.Trainer(model, settings, train_dataset=splits["train"],
                         processing_class=tokenizer)  # fmt: skip
    trainer.train()
    out = trainer.predict(splits["test"])
    right = (out.predictions.argmax(axis=1) == out.label_ids).tolist()
    print(f"{begun}: {sum(right) / len(right):.1%} of the test texts right")
trainer.save_model("film-critic")  # weights, settings and tokenizer

# On your own data: a CSV file with the columns text and label (0, 1, ...);
# num_labels says how many different labels there are.
# from datasets import load_dataset
# rows = load_dataset("csv", data_files="mine.csv")["train"]
# reviews = rows.train_test_split(test_size=0.2, seed=0)
