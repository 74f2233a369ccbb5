import transformers as hf
from seqeval.metrics import f1_score

import tlhelpers as tl  # only for the texts, and for where the weights are

seed, checkpoint, tagged = 0, tl.weights_folder("encoder"), tl.data("ner")
hf.set_seed(seed)
names = dict(enumerate(tagged["train"].features["tags"].feature.names))
# A RoBERTa's tokenizer needs add_prefix_space=True, or it glues the words.
tokenizer = hf.AutoTokenizer.from_pretrained(checkpoint)
Model = hf.AutoModelForTokenClassification
model = Model.from_pretrained(checkpoint, id2label=names, dtype="float32")


def align(row):
    ids = tokenizer(row["tokens"], truncation=True, is_split_into_words=True)
    words = ids.word_ids()  # of each piece its word; None for special ones
    first = {words.index(w): t for w, t in enumerate(row["tags"]) if w in words}
    return {**ids, "labels": [first.get(i, -100) for i in range(len(words))]}


def score(out):  # what has no label is made negative in both, and left out
    both = out[1], out[0].argmax(-1) - 1000 * (out[1] < 0)
    tags = [[[names[t] for t in row if t >= 0] for row in x] for x in both]
    return {"f1": f1_score(*tags)}  # counts as the scorer of CoNLL does


splits = tagged.shuffle(seed=seed).map(align)
# fmt: off
settings = hf.TrainingArguments(
    seed=seed, report_to="none", weight_decay=0.01, metric_for_best_model="f1",
    learning_rate=8e-4 if model.config.hidden_size < 512 else 3e-5,
    num_train_epochs=4, per_device_train_batch_size=32, eval_strategy="epoch",
    save_strategy="epoch", load_best_model_at_end=True)
trainer = hf.Trainer(
    model, settings, hf.DataCollatorForTokenClassification(tokenizer),
    splits["train"], splits["validation"], tokenizer, compute_metrics=score)
# fmt: on
trainer.train()
trainer.save_model("tagger")  # weights, settings and tokenizer
print(f"F1 on the test: {trainer.evaluate(splits['test'])['eval_f1']:.1%}")

# On your own data: JSON lines, each with "tokens" and "tags", one number a
# word; names says what each number means, such as {0: "O", 1: "B-DRUG", ...}.
# from datasets import load_dataset
# files = {"train": "a.jsonl", "validation": "b.jsonl", "test": "c.jsonl"}
# tagged = load_dataset("json", data_files=files)
