"""Teaching a small model by a large one: the loss by hand, and a student of fewer layers.

The loss is that of Hinton et al. 2015, https://arxiv.org/abs/1503.02531, and agrees with
PyTorch's ``kl_div``, as the tests show. Students take layers of a larger model as DistilBERT does,
Sanh et al. 2019, https://arxiv.org/abs/1910.01108.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import BertForSequenceClassification
from transformers.modeling_outputs import SequenceClassifierOutput


def loss(
    student: Tensor,
    teacher: Tensor,
    labels: Tensor | None = None,
    *,
    temperature: float = 2.0,
    soft: float = 0.5,
) -> Tensor:
    """Compare a student with its teacher, and with the labels where there are any.

    Parameters
    ----------
    student, teacher : Tensor of shape (B, C)
        Logits; no gradient goes into the teacher's.
    labels : Tensor of shape (B,), optional
        The right classes. Without them the student learns from its teacher alone.
    temperature : float
        What both logits are divided by before the softmax: above 1, small probabilities weigh
        more.
    soft : float
        Weight of the teacher's part; the labels' part has the rest. Of no consequence without
        labels.

    Returns
    -------
    Tensor of shape ()
        The mean over the texts.

    Raises
    ------
    ValueError
        If shapes differ, the temperature is not above 0, or the weight is no share.

    Notes
    -----
    The teacher's part is the Kullback-Leibler divergence of the student's softened probabilities
    from the teacher's, times the square of the temperature: the gradient of the softened part
    shrinks with that square, and its weight would shrink with it.
    """
    if student.shape != teacher.shape or student.ndim != 2:
        raise ValueError(
            f"student has logits of shape {tuple(student.shape)} and teacher of "
            f"{tuple(teacher.shape)}: give (texts, classes) of both, for the same texts"
        )
    if temperature <= 0 or not 0 <= soft <= 1:
        raise ValueError(
            f"temperature={temperature} and soft={soft}: give a temperature above 0 and a weight "
            "from 0 to 1"
        )
    log_q = (student / temperature).log_softmax(dim=1)  # (B, C)
    log_p = (teacher.detach() / temperature).log_softmax(dim=1)
    divergence = (log_p.exp() * (log_p - log_q)).sum(dim=1).mean()
    from_teacher = temperature**2 * divergence
    if labels is None:
        return from_teacher
    return soft * from_teacher + (1 - soft) * cross_entropy(student, labels)


class StudentForSequenceClassification(nn.Module):
    """A small classifier that learns from labels, from a teacher's logits, or from both.

    `tlhelpers.fit` trains it like any model; beside tokens it takes a column ``teacher`` with the
    teacher's logits of each text. Where there is none, as in validation, labels alone count.

    Parameters
    ----------
    model : BertForSequenceClassification
        The student.
    temperature, soft : float
        As for `loss`.
    """

    def __init__(  # noqa: D107 - the class says it
        self, model: BertForSequenceClassification, temperature: float = 2.0, soft: float = 0.5
    ) -> None:
        super().__init__()
        self.model, self.config = model, model.config
        self.temperature, self.soft = temperature, soft

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        labels: Tensor | None = None,
        teacher: Tensor | None = None,
    ) -> SequenceClassifierOutput:
        """Compute logits, and a loss where there is something to learn from.

        Parameters
        ----------
        input_ids, attention_mask, token_type_ids : Tensor of shape (B, L)
            As for a BERT.
        labels : Tensor of shape (B,), optional
            The right classes.
        teacher : Tensor of shape (B, C), optional
            The teacher's logits.

        Returns
        -------
        transformers.modeling_outputs.SequenceClassifierOutput
            With ``logits`` of shape (B, C).
        """
        logits = self.model(input_ids, attention_mask, token_type_ids).logits
        found = None
        if teacher is not None:
            found = loss(logits, teacher, labels, temperature=self.temperature, soft=self.soft)
        elif labels is not None:
            found = cross_entropy(logits, labels)
        return SequenceClassifierOutput(loss=found, logits=logits)


def student_of(
    model: BertForSequenceClassification, layers: Sequence[int]
) -> BertForSequenceClassification:
    """Make a smaller model of some layers of a larger one.

    Parameters
    ----------
    model : BertForSequenceClassification
        Stays as it is.
    layers : sequence of int
        Which of its layers, from below; embeddings, pooler and head come along.

    Returns
    -------
    BertForSequenceClassification
        With copies of their weights.

    Raises
    ------
    ValueError
        If there is no such layer.
    """
    there = model.config.num_hidden_layers
    if not layers or not all(0 <= layer < there for layer in layers):
        raise ValueError(
            f"layers={list(layers)}: give at least one, from 0 to {there - 1}, as the model has "
            f"{there}"
        )
    config: Any = copy.deepcopy(model.config)
    config.num_hidden_layers = len(layers)
    small = copy.deepcopy(model)
    small.config = small.bert.config = small.bert.encoder.config = config
    small.bert.encoder.layer = nn.ModuleList(small.bert.encoder.layer[layer] for layer in layers)
    return small
