import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from transformers import pipeline

import tlhelpers as tl  # only for the texts, and for where the weights are

seed, sizes = 0, (50, 200, 1_000)
checkpoint, reviews = str(tl.weights_folder("encoder")), tl.data("sentiment")
cut = {"truncation": True, "max_length": 256}
read = pipeline("feature-extraction", checkpoint, tokenize_kwargs=cut)
train = reviews["train"].shuffle(seed=seed)[: sizes[-1]]
test = reviews["test"].shuffle(seed=0)[:1_000]


def embed(texts):  # the mean of each text's token vectors
    found = read(texts, return_tensors=True)
    return np.stack([vectors[0].mean(dim=0).numpy() for vectors in found])


x, x_test = embed(train["text"]), embed(test["text"])  # each text once
C = {"logisticregression__C": [0.01, 0.1, 1, 10, 100]}  # by cross-validation
logistic = LogisticRegression(max_iter=5_000)
for n in sizes:  # the first 50 are among the first 200
    y = train["label"][:n]
    words = GridSearchCV(make_pipeline(TfidfVectorizer(), logistic), C)
    counted = words.fit(train["text"][:n], y).score(test["text"], test["label"])
    head = GridSearchCV(make_pipeline(logistic), C).fit(x[:n], y)
    right = head.predict(x_test) == test["label"]
    print(f"{n} labels: {counted:.1%} by words, {right.mean():.1%} by vectors")

weights = head.best_estimator_[-1]
read.save_pretrained("curve")
np.savez("curve/head", weights=weights.coef_, bias=weights.intercept_)
print(f"{right.mean():.1%} of the test texts right, with all of them")

# On your own data: a CSV file with the columns text and label (0, 1, ...).
# from datasets import load_dataset
# rows = load_dataset("csv", data_files="mine.csv")["train"]
# reviews = rows.train_test_split(test_size=0.2, seed=0)
