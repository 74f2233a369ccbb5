"""What fine-tuning has to beat: a linear classifier on a bag of words or a frozen encoder."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tlhelpers.vectors import embed

INVERSE_PENALTIES = (0.1, 1.0, 10.0, 100.0)


@dataclass
class LinearTextClassifier:
    """Features of a text, then logistic regression.

    Attributes
    ----------
    featurize : callable
        Maps a list of ``n`` texts to an ``(n, d)`` array or sparse matrix.
    head : LogisticRegression
        The trained classifier.
    label_names : list of str
        Class names in the order of the label ids.
    inverse_penalty : float
        scikit-learn's ``C``, chosen on the validation texts.
    """

    featurize: Callable[[Sequence[str]], Any]
    head: LogisticRegression
    label_names: list[str]
    inverse_penalty: float

    def predict_proba(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Give each text a probability for each class.

        Parameters
        ----------
        texts : sequence of n str
            The texts.

        Returns
        -------
        array of shape (n, classes)
            A class that the training texts lack gets zero.
        """
        probabilities = np.zeros((len(texts), len(self.label_names)))
        probabilities[:, self.head.classes_] = self.head.predict_proba(self.featurize(texts))
        return probabilities

    def accuracy(self, data: Dataset) -> float:
        """Share of `data` (columns ``text`` and ``label``) that is classified correctly."""
        predicted = self.predict_proba(data["text"][:]).argmax(axis=1)
        return float(np.mean(predicted == np.asarray(data["label"])))


def fit_tfidf(
    train: Dataset,
    validation: Dataset,
    *,
    inverse_penalties: Sequence[float] = INVERSE_PENALTIES,
) -> LinearTextClassifier:
    """Fit logistic regression on TF-IDF weights of words and word pairs.

    Parameters
    ----------
    train, validation : Dataset
        Columns ``text`` and ``label``.
    inverse_penalties : sequence of float
        Candidates for scikit-learn's ``C``; the one with the best validation accuracy is kept.

    Returns
    -------
    LinearTextClassifier
        The bag-of-words baseline.
    """
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True).fit(train["text"][:])
    return _fit_head(vectorizer.transform, train, validation, inverse_penalties)


def fit_frozen(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    train: Dataset,
    validation: Dataset,
    *,
    inverse_penalties: Sequence[float] = INVERSE_PENALTIES,
    max_length: int = 256,
    vectors: MutableMapping[str, NDArray[np.float32]] | None = None,
) -> LinearTextClassifier:
    """Fit logistic regression on the mean token vector of a frozen encoder.

    Parameters
    ----------
    model, tokenizer : PreTrainedModel, PreTrainedTokenizerBase
        An encoder without a head, and its tokenizer. No weight of the encoder changes.
    train, validation : Dataset
        Columns ``text`` and ``label``.
    inverse_penalties : sequence of float
        Candidates for scikit-learn's ``C``; the one with the best validation accuracy is kept.
    max_length : int
        Longer texts are cut to this many tokens.
    vectors : mapping of str to array of shape (d,), optional
        Texts that this encoder has embedded already, with this ``max_length``; new ones are added.
        Give the same mapping to several fits, and no text is embedded twice.

    Returns
    -------
    LinearTextClassifier
        The feature-extraction baseline.
    """
    known = {} if vectors is None else vectors

    def featurize(texts: Sequence[str]) -> NDArray[np.float32]:
        new = [text for text in dict.fromkeys(texts) if text not in known]
        if new or not len(texts):  # without any text, embed says what is wrong
            vectors = embed(model, tokenizer, new, max_length=max_length)
            known.update(zip(new, vectors, strict=True))
        return np.stack([known[text] for text in texts])

    return _fit_head(featurize, train, validation, inverse_penalties)


def _fit_head(
    featurize: Callable[[Sequence[str]], Any],
    train: Dataset,
    validation: Dataset,
    inverse_penalties: Sequence[float],
) -> LinearTextClassifier:
    features, labels = featurize(train["text"][:]), np.asarray(train["label"])
    held_out, truth = featurize(validation["text"][:]), np.asarray(validation["label"])
    heads = [
        LogisticRegression(C=c, max_iter=2000).fit(features, labels) for c in inverse_penalties
    ]
    scores = [head.score(held_out, truth) for head in heads]
    best = int(np.argmax(scores))
    names = list(train.features["label"].names)
    return LinearTextClassifier(featurize, heads[best], names, inverse_penalties[best])
