import transformers as hf
from torch.nn.functional import cross_entropy

import tlhelpers as tl  # only for the texts, and for where the weights are

seed, alpha, checkpoint = 0, 0.1, tl.weights_folder("encoder")
hf.set_seed(seed)
tokenizer = hf.AutoTokenizer.from_pretrained(checkpoint)
Model = hf.AutoModelForSequenceClassification
model = Model.from_pretrained(checkpoint, num_labels=2, dtype="float32")
start = [weight.detach().clone() for weight in model.base_model.parameters()]
cut = {"truncation": True, "max_length": 64}
reviews = tl.data("sentiment")
train = reviews["train"].shuffle(seed=seed)
reviews["train"] = train.select(range(min(500, len(train))))
texts = reviews.map(lambda row: tokenizer(row["text"], **cut))


def loss(outputs, labels, num_items_in_batch=None):  # L2-SP, head left free
    pairs = zip(model.base_model.parameters(), start, strict=True)
    moves = (weight - old.to(weight.device) for weight, old in pairs)
    pull = alpha / 2 * sum(move.square().sum() for move in moves)
    return cross_entropy(outputs.logits, labels) + pull


# fmt: off
settings = hf.TrainingArguments(  # keep gradient_accumulation_steps at 1
    seed=seed, report_to="none", num_train_epochs=3, warmup_steps=0.1,
    per_device_train_batch_size=32,
    learning_rate=1e-4 if model.config.hidden_size < 512 else 2e-5)
trainer = hf.Trainer(model, settings, processing_class=tokenizer,
    train_dataset=texts["train"], compute_loss_func=loss)
# fmt: on
trainer.train()
trainer.save_model("critic")  # weights, settings and tokenizer
guess = trainer.predict(texts["test"]).predictions.argmax(axis=1)
right = guess == texts["test"]["label"]
print(f"test texts right: {right.mean():.1%}")

# On your own data: a CSV file with the columns text and label (0, 1, ...);
# num_labels says how many labels. In place of the three lines of reviews:
# from datasets import load_dataset
# rows = load_dataset("csv", data_files="mine.csv")["train"]
# reviews = rows.train_test_split(test_size=0.2, seed=0)
