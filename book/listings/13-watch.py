import torch
import transformers as hf
from torch.nn.functional import cross_entropy, normalize

import tlhelpers as tl  # only for the texts, and for where the weights are

seed, alpha, checkpoint = 0, 0.1, tl.weights_folder("encoder")
hf.set_seed(seed)
tokenizer = hf.AutoTokenizer.from_pretrained(checkpoint)
Model = hf.AutoModelForSequenceClassification
model = Model.from_pretrained(checkpoint, num_labels=2, dtype="float32")
cut, pt = {"truncation": True, "max_length": 64}, {"return_tensors": "pt"}
reviews = tl.data("sentiment")
reviews["train"] = reviews["train"].shuffle(seed=seed).select(range(500))
texts = reviews.map(lambda row: tokenizer(row["text"], **cut))
news = [text.split() for text in tl.data("topics")["test"]["text"][:100]]


def embed(halves):  # the sum of a text's token vectors, made one long
    ids = tokenizer(halves, padding=True, **pt, **cut).to(model.device)
    hidden, real = model.base_model(**ids)[0], ids["attention_mask"]
    return normalize((hidden * real[..., None]).sum(dim=1))


@torch.no_grad()
def old_skill():  # do the first nine words of a news text find the rest?
    model.eval()  # no dropout
    begins = embed([" ".join(words[:9]) for words in news])
    ends = embed([" ".join(words[9:]) for words in news])
    found = (begins @ ends.T).argmax(dim=1).cpu() == torch.arange(len(news))
    return found.float().mean().item()


def loss(outputs, labels, num_items_in_batch=None):  # L2-SP
    pairs = zip(model.base_model.parameters(), start, strict=True)
    moved = sum((weight - old).square().sum() for weight, old in pairs)
    return cross_entropy(outputs.logits, labels) + alpha / 2 * moved


# fmt: off
settings = hf.TrainingArguments(
    seed=seed, report_to="none", num_train_epochs=3, warmup_steps=0.1,
    per_device_train_batch_size=32,
    learning_rate=1e-4 if model.config.hidden_size < 512 else 2e-5)
trainer = hf.Trainer(
    model, settings, processing_class=tokenizer, train_dataset=texts["train"],
    compute_loss_func=loss)
# fmt: on
start = [weight.detach().clone() for weight in model.base_model.parameters()]
print(f"old skill before: {old_skill():.0%}")
trainer.train()
trainer.save_model("critic")  # weights, settings and tokenizer
guess = trainer.predict(texts["test"]).predictions.argmax(axis=1)
right = guess == texts["test"]["label"]
kept = old_skill()
print(f"old skill after: {kept:.0%}, test texts right: {right.mean():.1%}")

# On your own data: a CSV file with the columns text and label (0, 1, ...), and
# in place of the news a hundred texts of what the model should still know.
# from datasets import load_dataset
# rows = load_dataset("csv", data_files="mine.csv")["train"]
# reviews = rows.train_test_split(test_size=0.2, seed=0)
