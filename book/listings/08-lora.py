from datasets import Dataset
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForSequenceClassification as Model
from transformers import AutoTokenizer, Trainer, TrainingArguments, set_seed

import tlhelpers as tl  # only for the texts, and for where the weights are

seed, splits = 0, {}
set_seed(seed)
reviews, checkpoint = tl.data("sentiment"), tl.weights_folder("encoder")
tokenizer = AutoTokenizer.from_pretrained(checkpoint)
model = Model.from_pretrained(checkpoint, num_labels=2, dtype="float32")
model = get_peft_model(model, LoraConfig(
    r=8, lora_alpha=16, target_modules=["query", "value"], task_type="SEQ_CLS",
))  # fmt: skip
model.print_trainable_parameters()
for name, rows in {"train": 500, "test": 1000}.items():
    drawn = reviews[name].shuffle(seed=seed if name == "train" else 0)[:rows]
    ids = tokenizer(drawn["text"], truncation=True, max_length=256)
    splits[name] = Dataset.from_dict({**ids, "label": drawn["label"]})

trainer = Trainer(model, TrainingArguments(
    output_dir="checkpoints", seed=seed, num_train_epochs=2, warmup_steps=6,
    learning_rate=4e-3 if model.config.hidden_size < 512 else 5e-4,
    per_device_train_batch_size=16, report_to="none",
), train_dataset=splits["train"], processing_class=tokenizer)  # fmt: skip
trainer.train()
model.save_pretrained("film-adapter")  # the factors and the classifier, no more
out = trainer.predict(splits["test"])
right = (out.predictions.argmax(axis=1) == out.label_ids).tolist()
print(f"{sum(right) / len(right):.1%} of the test texts right")

# On your own data: a CSV file with the columns text and label (0, 1, ...).
# from datasets import load_dataset
# rows = load_dataset("csv", data_files="mine.csv")["train"]
# reviews = rows.train_test_split(test_size=0.2, seed=0)
# Set num_labels and the numbers of rows to yours. Llama calls the two matrices
# "q_proj" and "v_proj"; for another model, print(model) tells.
