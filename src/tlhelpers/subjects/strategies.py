"""Ways to adapt a model beside fine-tuning all of it: adapters, prompts, and the SetFit recipe.

Gradual unfreezing and layer-wise rates are settings of :func:`tlhelpers.training.fit.fit`; LoRA and
prefixes come from `peft`. What is here is what no library of the book has.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from datasets import Dataset
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, gelu, mse_loss
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tlhelpers.training.settings import learning_rate_factor
from tlhelpers.vectors import pool

# --------------------------------------------------------------------------------------------
# Bottleneck adapters
# --------------------------------------------------------------------------------------------


class Adapter(nn.Module):
    """A bottleneck with a way around it: down, a bend, up, and the input added.

    Parameters
    ----------
    width : int
        Numbers a vector, d.
    bottleneck : int
        Numbers in the narrow middle, m.

    Notes
    -----
    Houlsby et al. 2019, section 2.1, https://arxiv.org/abs/1902.00751. It starts as the identity:
    the way up is zero, as LoRA's factor B is. The authors draw both ways from a normal distribution
    with a standard deviation of 0.01, cut at two of them, which is nearly the identity.
    """

    def __init__(self, width: int, bottleneck: int) -> None:
        """Draw the way down, and set the way up to zero."""
        super().__init__()
        self.down = nn.Linear(width, bottleneck)
        self.up = nn.Linear(bottleneck, width)
        nn.init.trunc_normal_(self.down.weight, std=0.01, a=-0.02, b=0.02)
        for start in (self.down.bias, self.up.weight, self.up.bias):
            nn.init.zeros_(start)

    def forward(self, x: Tensor) -> Tensor:
        """Add to each vector what the bottleneck makes of it.

        Parameters
        ----------
        x : torch.Tensor
            Shape ``(B, T, d)``.

        Returns
        -------
        torch.Tensor
            Of the same shape.
        """
        narrow = gelu(self.down(x))  # (B, T, m)
        return x + self.up(narrow)  # (B, T, d)


def add_adapters(model: PreTrainedModel, bottleneck: int, seed: int = 0) -> PreTrainedModel:
    """Put an adapter behind both sub-layers of each layer, and freeze all the rest.

    Trained are the adapters, the layer norms inside the layers, and the head, as in the paper.

    Parameters
    ----------
    model : PreTrainedModel
        A BERT, or a model built like it (RoBERTa, ELECTRA). Changed in place.
    bottleneck : int
        Numbers in the narrow middle of an adapter, m.
    seed : int
        Of the matrices that go down, without touching the random state outside.

    Returns
    -------
    PreTrainedModel
        The same model, ready for ``tl.fit``. It still gives what it gave before.

    Raises
    ------
    ValueError
        If the bottleneck is below 1, or the model is built in another way.
    """
    if bottleneck < 1:
        raise ValueError(f"bottleneck={bottleneck} must be at least 1, such as 64")
    layers = getattr(getattr(model.base_model, "encoder", None), "layer", None)
    if layers is None or not hasattr(layers[0], "output"):
        raise ValueError(
            f"{type(model).__name__} has no encoder.layer with sub-layers as BERT's: put Adapter "
            "behind the sub-layers of this model by hand"
        )
    inside = {id(weight) for weight in model.base_model.parameters()}
    for weight in model.parameters():
        weight.requires_grad = id(weight) not in inside  # the head alone
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for layer in layers:
            for sublayer in (layer.attention.output, layer.output):
                adapter = Adapter(model.config.hidden_size, bottleneck).to(
                    model.device, model.dtype
                )
                # The last that is done to what a sub-layer says, before its input is added to it.
                sublayer.dropout = nn.Sequential(sublayer.dropout, adapter)
                sublayer.LayerNorm.requires_grad_(True)
    return model


def adapter_parameters(width: int, bottleneck: int, layers: int) -> int:
    """Count the parameters of two adapters a layer.

    Parameters
    ----------
    width : int
        Numbers a vector, d.
    bottleneck : int
        Numbers in the narrow middle of an adapter, m.
    layers : int
        Of the model.

    Returns
    -------
    int
        ``2 m d + d + m`` for each adapter, biases included (Houlsby et al. 2019, section 2.1);
        layer norms and head, which are trained as well, are not counted.
    """
    return layers * 2 * (2 * bottleneck * width + width + bottleneck)


# --------------------------------------------------------------------------------------------
# What a training step keeps in memory
# --------------------------------------------------------------------------------------------


class Memory(NamedTuple):
    """What lies in memory at the end of a forward pass of training, in bytes.

    Attributes
    ----------
    weights : int
        All parameters, frozen or not.
    gradients : int
        One number for each trained parameter.
    optimiser : int
        AdamW's two averages for each trained parameter.
    activations : int
        What the forward pass keeps for the way back.
    """

    weights: int
    gradients: int
    optimiser: int
    activations: int


def training_memory(model: nn.Module, batch: Mapping[str, Tensor]) -> Memory:
    """Count what a training step keeps in memory, whatever machine it runs on.

    Parameters
    ----------
    model : nn.Module
        Frozen where it will be frozen.
    batch : mapping of str to torch.Tensor
        What the model is called with.

    Returns
    -------
    Memory
        Without what a library needs for a moment, and for itself.
    """
    weights = list(model.parameters())
    own = {weight.untyped_storage().data_ptr() for weight in weights}
    kept: dict[int, torch.UntypedStorage] = {}

    def note(tensor: Tensor) -> None:  # the tensor itself would refer to the graph that keeps it
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage

    was_training = model.training
    model.train()  # dropout keeps its masks
    with torch.random.fork_rng(), torch.enable_grad():
        with torch.autograd.graph.saved_tensors_hooks(note, lambda nothing: nothing):
            outputs = model(**batch)
        del outputs
    model.train(was_training)
    trained = sum(w.numel() * w.element_size() for w in weights if w.requires_grad)
    every = sum(w.numel() * w.element_size() for w in weights)
    activations = sum(storage.nbytes() for storage in kept.values())
    return Memory(every, trained, 2 * trained, activations)


# --------------------------------------------------------------------------------------------
# Prompts
# --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Prompt:
    r"""How a task is put to a language model.

    Attributes
    ----------
    label_words : tuple of str
        What the model is to say for each class, with the space before it.
    question : str
        With ``{text}`` in it, up to where the label word begins. No space at its end: the pieces of
        ``" good"`` begin with one, and after a space the model expects another word.
    instruction : str
        What comes before all examples.
    between : str
        What ends the instruction and each example.
    """

    label_words: tuple[str, ...]
    question: str = "Review: {text}\nSentiment:"
    instruction: str = ""
    between: str = "\n\n"

    def __post_init__(self) -> None:
        """Refuse what no model can answer."""
        if "{text}" not in self.question or self.question != self.question.rstrip():
            raise ValueError(
                f"question={self.question!r} must have {{text}} in it and no space at its end"
            )
        if len(set(self.label_words)) < 2 or not all(self.label_words):
            raise ValueError(f"label_words={self.label_words!r}: give a word for each class")

    def ask(self, text: str) -> str:
        """Put a text into the question."""
        return self.question.replace("{text}", text)

    def prefix(self, texts: Sequence[str] = (), labels: Sequence[int] = ()) -> str:
        """Write what is the same for all questions: the instruction and the solved examples.

        Parameters
        ----------
        texts, labels : sequence of str, sequence of int
            The examples (the field says shots), in their order; none for zero shots.

        Returns
        -------
        str
            Empty if there is neither an instruction nor an example.
        """
        solved = [
            self.ask(text) + self.label_words[label]
            for text, label in zip(texts, labels, strict=True)
        ]
        return "".join(part + self.between for part in (self.instruction, *solved) if part)


@torch.inference_mode()
def label_log_probabilities(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompt: Prompt,
    texts: Sequence[str],
    *,
    prefix: str = "",
    batch_size: int = 16,
    cache: bool = True,
) -> NDArray[np.float32]:
    """Score each label word as what follows a prefix and the question about a text.

    Parameters
    ----------
    model, tokenizer : PreTrainedModel, PreTrainedTokenizerBase
        A causal language model, and its tokenizer.
    prompt : Prompt
        The question and the label words.
    texts : sequence of N str
        The texts.
    prefix : str
        What `Prompt.prefix` gave.
    batch_size : int
        Texts a pass.
    cache : bool
        Whether the prefix is read once, and its keys and values are kept for all texts. Without, it
        is read anew with each text: the same numbers, up to rounding, for more time.

    Returns
    -------
    array of shape (N, C)
        The log-probability of each label word, those of its pieces added up. The model may say any
        word, so that they do not add up to one.

    Raises
    ------
    ValueError
        If there is no text, or prefix and question are longer than the model can read.

    Notes
    -----
    Prefix, question and label word are cut into pieces each by itself, and no special piece is
    added: GPT-2 and SmolLM2 read plain text without.
    """

    def pieces(text: str) -> list[int]:
        return list(tokenizer(text, add_special_tokens=False)["input_ids"]) if text else []

    if isinstance(texts, str) or not len(texts):
        raise ValueError(f"texts={texts!r}: give a list with at least one text")
    model.eval()
    before = pieces(prefix)
    questions = [pieces(prompt.ask(text)) for text in texts]
    words = [pieces(word) for word in prompt.label_words]
    limit = getattr(model.config, "max_position_embeddings", None)
    longest = len(before) + max(map(len, questions)) + max(map(len, words)) - 1
    if limit and longest > limit:
        raise ValueError(
            f"prefix, question and label word have {longest} pieces, and the model reads {limit}: "
            "give fewer examples, or cut the texts"
        )
    past = None
    if cache and before:
        past = model(torch.tensor([before], device=model.device), use_cache=True).past_key_values
    elif before:
        questions = [before + question for question in questions]
    scores = np.zeros((len(texts), len(words)), dtype=np.float32)
    shortest_first = sorted(range(len(texts)), key=lambda row: len(questions[row]))
    # Words that differ in their last piece alone share a pass; mostly that is all of them.
    for begun in dict.fromkeys(tuple(word[:-1]) for word in words):
        which = [number for number, word in enumerate(words) if tuple(word[:-1]) == begun]
        for start in range(0, len(texts), batch_size):
            rows = shortest_first[start : start + batch_size]
            asked = [questions[row] + list(begun) for row in rows]
            # (B, 1 + pieces of begun, V): what is said at the question's end and behind it
            said = _next_pieces(model, asked, past, 1 + len(begun))
            for number in which:
                word = torch.tensor(words[number], device=said.device)
                found = said.gather(2, word.expand(len(rows), -1)[..., None])  # (B, pieces, 1)
                scores[rows, number] = found.sum(dim=(1, 2)).cpu().numpy()
    return scores


def calibrated(scores: NDArray[np.float32], without_content: NDArray[np.float32]) -> NDArray[Any]:
    """Take out what a prompt says of any text: contextual calibration.

    Parameters
    ----------
    scores : array of shape (N, C)
        From :func:`label_log_probabilities`.
    without_content : array of shape (M, C)
        The same for texts that say nothing, such as "N/A".

    Returns
    -------
    array of shape (N, C)
        Scores that are level, between the classes, for a text without content (Zhao et al. 2021,
        https://arxiv.org/abs/2102.09690).
    """

    def probabilities(logs: NDArray[np.float32]) -> NDArray[Any]:
        shares = np.exp(logs - logs.max(axis=1, keepdims=True))
        return np.asarray(shares / shares.sum(axis=1, keepdims=True))

    return probabilities(scores) / probabilities(without_content).mean(axis=0)


def _next_pieces(
    model: PreTrainedModel,
    asked: Sequence[Sequence[int]],
    past: Any,  # noqa: ANN401 - a cache of transformers
    places: int,
) -> Tensor:
    """Give the log-probabilities of what follows the last pieces of each row: (B, places, V)."""
    ids = [torch.tensor(row, device=model.device) for row in asked]
    lengths = torch.tensor([len(row) for row in asked], device=model.device)
    padded = pad_sequence(ids, batch_first=True)  # (B, T), on the right: no position moves
    mask = (torch.arange(padded.shape[1], device=model.device) < lengths[:, None]).long()
    if past is not None:
        past = copy.deepcopy(past)  # a pass adds what it reads
        past.batch_repeat_interleave(len(asked))
        mask = torch.cat([mask.new_ones(len(asked), past.get_seq_length()), mask], dim=1)
    logits = model(padded, attention_mask=mask, past_key_values=past).logits  # (B, T, V)
    last = lengths[:, None] - places + torch.arange(places, device=model.device)  # (B, places)
    rows = torch.arange(len(asked), device=model.device)[:, None]
    return logits[rows, last].float().log_softmax(-1)


# --------------------------------------------------------------------------------------------
# SetFit: pairs from few labels, then a linear classifier
# --------------------------------------------------------------------------------------------


class LabelPairs(NamedTuple):
    """Pairs of texts of one class and of two.

    Attributes
    ----------
    first, second : list of P int
        Rows of the labelled texts.
    same : list of P bool
        Whether both have one label.
    """

    first: list[int]
    second: list[int]
    same: list[bool]


def label_pairs(labels: Sequence[int], each: int, seed: int = 0) -> LabelPairs:
    """Draw pairs from labelled texts: for each text some of its class and as many of another.

    Parameters
    ----------
    labels : sequence of N int
        The label of each text.
    each : int
        How often each text gets a partner of either kind.
    seed : int
        Decides the partners, and the order of the pairs.

    Returns
    -------
    LabelPairs
        ``2 N each`` pairs, half of them of one class. No text is paired with itself; a pair may
        come up again.

    Raises
    ------
    ValueError
        If there is one class only, a class has one text only, or `each` is below 1.

    Notes
    -----
    Tunstall et al. 2022, https://arxiv.org/abs/2209.11055; the library setfit calls `each`
    ``num_iterations``.
    """
    draw = random.Random(seed)
    pairs: list[tuple[int, int, bool]] = []
    if each < 1:
        raise ValueError(f"each={each} must be at least 1, such as 20")
    for row, label in enumerate(labels):
        alike = [other for other, its in enumerate(labels) if its == label and other != row]
        unlike = [other for other, its in enumerate(labels) if its != label]
        if not alike or not unlike:
            raise ValueError(
                f"text {row} has the label {label} and no partner of "
                f"{'another class' if alike else 'its class'}: give two texts or more of each of "
                "two classes or more"
            )
        for _ in range(each):
            pairs += [(row, draw.choice(alike), True), (row, draw.choice(unlike), False)]
    draw.shuffle(pairs)
    first, second, same = (list(column) for column in zip(*pairs, strict=True))
    return LabelPairs(first, second, same)


def pair_loss(first: Tensor, second: Tensor, same: Tensor) -> Tensor:
    """Ask for a cosine of 1 where two texts have one label, and of 0 where they have two.

    Parameters
    ----------
    first, second : torch.Tensor
        Vectors of shape ``(B, C)``.
    same : torch.Tensor
        Shape ``(B,)``, 1 or 0.

    Returns
    -------
    torch.Tensor
        Shape ``()``: the mean squared distance from that; ``CosineSimilarityLoss`` of
        sentence-transformers, with which SetFit trains.
    """
    return mse_loss(cosine_similarity(first, second), same.to(first.dtype))


def train_on_pairs(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    labelled: Dataset,
    *,
    each: int = 20,
    learning_rate: float = 2e-5,
    batch_size: int = 16,
    max_length: int = 64,
    seed: int = 0,
) -> list[float]:
    """Move a sentence encoder so that texts of one class point one way: the first step of SetFit.

    The second is ``tl.fit_frozen`` with this encoder and the same texts.

    Parameters
    ----------
    model, tokenizer : PreTrainedModel, PreTrainedTokenizerBase
        An encoder without a head, and its tokenizer. Changed in place.
    labelled : datasets.Dataset
        Columns ``text`` and ``label``.
    each : int
        As for :func:`label_pairs`; setfit's own default.
    learning_rate : float
        Rises over the first tenth of the updates, then falls to zero; setfit's own default.
    batch_size : int
        Pairs an update.
    max_length : int
        Tokens that are read of a text.
    seed : int
        Of the pairs and of dropout, without touching the random state outside.

    Returns
    -------
    list of float
        The loss of each update; each pair is used once.
    """
    texts = labelled["text"][:]
    pairs = label_pairs(labelled["label"][:], each, seed)
    starts = range(0, len(pairs.same), batch_size)
    optimizer = torch.optim.AdamW(model.parameters(), learning_rate)

    def vectors(rows: Sequence[int]) -> Tensor:
        tokens = tokenizer(
            [texts[row] for row in rows],
            padding=True,
            truncation=True,
            max_length=max_length,
            return_tensors="pt",
        ).to(model.device)
        return pool(model(**tokens).last_hidden_state, tokens["attention_mask"], "mean")  # (B, C)

    losses = []
    model.train()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for step, start in enumerate(starts):
            first, second, same = (column[start : start + batch_size] for column in pairs)
            loss = pair_loss(
                vectors(first), vectors(second), torch.tensor(same, device=model.device)
            )
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            # The first update is not one of rate zero.
            factor = learning_rate_factor(step + 1, len(starts) + 1, round(len(starts) / 10))
            for group in optimizer.param_groups:
                group["lr"] = learning_rate * factor
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
    model.eval()
    return losses
