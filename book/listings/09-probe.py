import torch
from sklearn.linear_model import LogisticRegression as Probe
from transformers import AutoModel, AutoTokenizer

import tlhelpers as tl  # only for the texts, and for where the weights are

tagged, checkpoint = tl.data("ner"), tl.weights_folder("encoder")
names = tagged["train"].features["tags"].feature.names  # O, B-time, I-time, ...
tokenizer = AutoTokenizer.from_pretrained(checkpoint)
device = "cuda" if torch.cuda.is_available() else "cpu"
encoder = AutoModel.from_pretrained(checkpoint).requires_grad_(False).to(device)
cut = {"is_split_into_words": True, "truncation": True, "return_tensors": "pt"}

x, y = {}, {"train": [], "validation": [], "test": []}
for split, labels in y.items():
    vectors = []
    for row in tagged[split].shuffle(seed=0).to_list()[:300]:
        pieces = tokenizer(row["tokens"], **cut).to(device)
        hidden = encoder(**pieces, output_hidden_states=True).hidden_states
        for word, tag in enumerate(row["tags"]):
            if names[tag] != "O" and word in (ids := pieces.word_ids()):
                vectors.append(torch.cat(hidden)[:, ids.index(word)].cpu())
                labels.append(names[tag][2:])  # B-time and I-time: time
    x[split] = torch.stack(vectors, dim=1).numpy()  # (layers, words, width)

probes = [Probe(max_iter=1000).fit(v, y["train"]) for v in x["train"]]
pairs = zip(probes, x["validation"], strict=True)
scores = [probe.score(vectors, y["validation"]) for probe, vectors in pairs]
best = scores.index(max(scores))  # the test words have no say in it
encoder.encoder.layer = encoder.encoder.layer[:best]  # what lies above can go
encoder.config.num_hidden_layers = best
encoder.save_pretrained("up-to-the-best-layer")
right = probes[best].score(x["test"][best], y["test"])
print(f"layer {best}: {right:.1%} of the test words right")

# On your own data: JSON lines, each with "tokens" and "tags", one name a word;
# then names[tag] is tag itself.
# from datasets import load_dataset
# files = {"train": "a.jsonl", "validation": "b.jsonl", "test": "c.jsonl"}
# tagged = load_dataset("json", data_files=files)
