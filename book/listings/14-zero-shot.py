import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from transformers import AutoModel, AutoTokenizer

import tlhelpers as tl  # only for the texts, and for where the weights are

seed, prefix = 0, "query: "  # as E5 was trained; for most others ""
how = {"padding": True, "truncation": True, "return_tensors": "pt"}
checkpoint = tl.weights_folder("multilingual")
tokenizer = AutoTokenizer.from_pretrained(checkpoint)
encoder = AutoModel.from_pretrained(checkpoint, dtype=torch.float32)
encoder.to("cuda" if torch.cuda.is_available() else "cpu")


@torch.inference_mode()
def embed(texts):
    texts, vectors = [prefix + text for text in texts], []
    for i in range(0, len(texts), 32):
        ids = tokenizer(texts[i : i + 32], **how)
        hidden = encoder(**ids.to(encoder.device)).last_hidden_state
        mask = ids["attention_mask"].unsqueeze(-1)  # 0 for padding
        vectors.append((hidden * mask).sum(1) / mask.sum(1))  # mean pooling
    return torch.cat(vectors).cpu().numpy()


english, hindi = (tl.data("intents", language=code) for code in ("en", "hi"))
train = english["train"].shuffle(seed=seed)[:500]
head = LogisticRegression(C=100, max_iter=2000)  # C: choose it in English
head.fit(embed(train["text"]), train["label"])
encoder.save_pretrained("zero-shot")
tokenizer.save_pretrained("zero-shot")
np.savez("zero-shot/head", weights=head.coef_, bias=head.intercept_)

test = hindi["test"].filter(lambda row: row["label"] in head.classes_)
right = head.predict(embed(test["text"])) == test["label"]
print(f"{right.mean():.1%} of the Hindi commands right")

# On your own data: CSV files with the columns text and label, one in the
# language that has labels, one in the other, to test on.
# from datasets import load_dataset
# files = {"train": "english.csv", "test": "hindi.csv"}
# english = hindi = load_dataset("csv", data_files=files)
