import torch
from transformers import AutoModelForSequenceClassification as Model
from transformers import AutoTokenizer, get_scheduler, pipeline

import tlhelpers as tl  # only for the texts, and for where the weights are

seed, epochs, cut = 0, 2, {"truncation": True, "max_length": 256}
torch.manual_seed(seed)
reviews, checkpoint = tl.data("sentiment"), tl.weights_folder("encoder")
train = reviews["train"].shuffle(seed=seed).to_list()[:1000]
batches = torch.utils.data.DataLoader(train, batch_size=32, shuffle=True)
tokenizer = AutoTokenizer.from_pretrained(checkpoint)
model = Model.from_pretrained(checkpoint, num_labels=2, dtype=torch.float32)
model.to("cuda" if torch.cuda.is_available() else "cpu").train()  # dropout on
rate = 1e-4 if model.config.hidden_size < 512 else 2e-5  # large: small steps
optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01)
schedule = get_scheduler("linear", optimizer, 6, epochs * len(batches))

for _ in range(epochs):
    for batch in batches:
        ids = tokenizer(batch["text"], padding=True, return_tensors="pt", **cut)
        ids["labels"] = batch["label"]
        model(**ids.to(model.device)).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()

critic = pipeline("text-classification", model.eval(), tokenizer=tokenizer)
critic.save_pretrained("film-critic")  # weights, settings and tokenizer
test = reviews["test"].shuffle(seed=0)[:1000]
answers = [int(a["label"][-1]) for a in critic(test["text"], **cut)]
right = [a == b for a, b in zip(answers, test["label"], strict=True)]
print(f"{sum(right) / len(right):.1%} of the test texts right")

# On your own data: a CSV file with the columns text and label (0, 1, ...);
# num_labels says how many different labels there are.
# from datasets import load_dataset
# rows = load_dataset("csv", data_files="mine.csv")["train"]
# reviews = rows.train_test_split(test_size=0.2, seed=0)
