"""Answers that are pieces of a text: from characters to tokens for training, and back again.

A text longer than the model is read in windows that overlap; each window is an example of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# As BERT reads SQuAD (Devlin et al. 2019, https://aclanthology.org/N19-1423, and its code): windows
# of 384 tokens share 128, and no answer is longer than 30.
SHARED = 3  # one token in three is in the next window, too
LONGEST_ANSWER = 30
FORM = "{'text': [...], 'answer_start': [...]}, both empty where there is no answer"


@dataclass(frozen=True)
class Passages:
    """The contexts of N questions, and the W windows in which a model reads them.

    Attributes
    ----------
    contexts : list of str
        The N texts that hold the answers.
    gold : list of list of str, optional
        The right answers to each question; none where its context has no answer.
    questions : array of shape (W,)
        To which question each window belongs.
    characters : list of arrays of shape (L, 2)
        For each token of a window, its first character in the context and the one behind its last;
        -1 for what is not of the context.
    nowhere : array of shape (W,)
        Which token stands for "no answer here".
    """

    contexts: list[str]
    gold: list[list[str]] | None
    questions: NDArray[np.int64]
    characters: list[NDArray[np.int64]]
    nowhere: NDArray[np.int64]

    def answers(self, logits: NDArray[np.float32]) -> NDArray[np.str_]:
        """Read the answers off the logits of all windows.

        Parameters
        ----------
        logits : array of shape (W, L, 2)
            Of the answer's first token and of its last one.

        Returns
        -------
        array of shape (N,)
            The piece of the context, of at most 30 tokens, whose two logits have the highest sum in
            any window; an empty text if "no answer" has a higher one in each of them.
        """
        texts = [""] * len(self.contexts)
        best, nothing = np.full(len(texts), -np.inf), np.full(len(texts), np.inf)
        for window, question in enumerate(self.questions):
            characters = self.characters[window]
            of_context = np.flatnonzero(characters[:, 0] >= 0)
            score, first, last = _best_span(logits[window, of_context])
            if score > best[question]:
                begin, end = characters[of_context[first], 0], characters[of_context[last], 1]
                best[question] = score
                texts[question] = self.contexts[question][begin:end].strip()
            none = logits[window, self.nowhere[window]].sum()
            nothing[question] = min(none, nothing[question])
        return np.where(best >= nothing, texts, "")


def cut_into_windows(
    questions: Sequence[str],
    contexts: Sequence[str],
    answers: Sequence[Any] | None,
    tokenizer: PreTrainedTokenizerBase,
    limit: int | None,
    name: str,
) -> tuple[dict[str, Any], Passages]:
    """Tokenise questions with their contexts, a long context in windows that overlap.

    Parameters
    ----------
    questions, contexts : sequence of str
        N texts each.
    answers : sequence of dict, optional
        For each question ``{"text": [...], "answer_start": [...]}``: the right answers, and the
        character of the context where each begins.
    tokenizer : PreTrainedTokenizer
        A fast one.
    limit : int, optional
        Tokens of a window, question included; no limit if not given.
    name : str
        How to call the data in an error message.

    Returns
    -------
    columns : dict
        What the tokenizer gives for each of W windows, and with answers ``start_positions`` and
        ``end_positions``: the first and last token of the first right answer. A window that does
        not hold all of it has none; then both are the token that stands for that.
    passages : Passages
        What is needed to turn logits into texts.

    Raises
    ------
    ValueError
        If a question leaves no room for its context, an answer does not stand where it should or
        in no window as a whole, or the tokenizer is a slow one. The message says which, and what to
        do.
    """
    if not tokenizer.is_fast:
        raise ValueError(
            f"{type(tokenizer).__name__} does not say where in a text a token stands: load a fast "
            "tokenizer, AutoTokenizer.from_pretrained(..., use_fast=True)"
        )
    right = None if answers is None else _right_answers(answers, contexts, name)
    shared = 0 if limit is None else limit // SHARED
    if limit is not None:
        most = limit - tokenizer.num_special_tokens_to_add(pair=True) - shared - 1
        for row, tokens in enumerate(tokenizer(questions, add_special_tokens=False)["input_ids"]):
            if len(tokens) > most:
                raise ValueError(
                    f"the question in row {row} of the {name} data set has {len(tokens)} tokens, a "
                    f"window of {limit} has room for {most} beside its context: shorten "
                    f"{questions[row][:60]!r}, or give a longer max_length"
                )
    windows = tokenizer(
        questions,
        contexts,
        truncation=False if limit is None else "only_second",
        max_length=limit,
        stride=shared,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    columns = dict(windows)
    sequences = [np.array(windows.sequence_ids(number)) for number in range(len(windows.encodings))]
    first = tokenizer.cls_token_id  # a tokenizer may have none: then the first token of all
    passages = Passages(
        contexts=list(contexts),
        gold=None if right is None else [[text for text, _ in each] for each in right],
        questions=np.array(columns.pop("overflow_to_sample_mapping")),
        characters=[
            np.where(sequence[:, None] == 1, offsets, -1)
            for sequence, offsets in zip(sequences, columns.pop("offset_mapping"), strict=True)
        ],
        nowhere=np.array([ids.index(first) if first in ids else 0 for ids in columns["input_ids"]]),
    )
    if right is not None:
        places = _places(passages, right)
        found = set(passages.questions[(places != passages.nowhere).any(axis=0)])
        missed = [row for row, each in enumerate(right) if each and row not in found]
        if missed:
            raise ValueError(
                f"row {missed[0]} of column 'answers' of the {name} data set: no window of {limit} "
                f"tokens, {shared} of them shared with the next, holds all of "
                f"{right[missed[0]][0][0]!r}: give a longer max_length, or drop the row"
            )
        columns["start_positions"], columns["end_positions"] = places.tolist()
    return columns, passages


def _right_answers(
    answers: Sequence[Any], contexts: Sequence[str], name: str
) -> list[list[tuple[str, int]]]:
    """Take the answers to each question, and where they begin, if that is true."""
    found = []
    for row, (answer, context) in enumerate(zip(answers, contexts, strict=True)):
        where = f"row {row} of column 'answers' of the {name} data set"
        try:
            pairs = list(zip(answer["text"], answer["answer_start"], strict=True))
            ends = [start + len(text) for text, start in pairs]
        except (KeyError, TypeError, ValueError):
            raise ValueError(f"{where} holds {answer!r}: give {FORM}") from None
        for (text, start), end in zip(pairs, ends, strict=True):
            if start < 0 or context[start:end] != text:
                raise ValueError(
                    f"{where}: {text!r} does not stand at {start} of the context, where "
                    f"{context[max(start, 0) : end]!r} is: mend answer_start (in characters, from "
                    "0), or drop the row"
                )
        found.append([(text, start) for text, start in pairs if text])
    return found


def _places(passages: Passages, right: Sequence[Sequence[tuple[str, int]]]) -> NDArray[np.int64]:
    """Find the first and the last token of the first right answer in each window, (2, W)."""
    places = np.stack([passages.nowhere, passages.nowhere])
    for window, row in enumerate(passages.questions):
        if not right[row]:
            continue
        text, start = right[row][0]
        begin, end = start + len(text) - len(text.lstrip()), start + len(text.rstrip())
        characters = passages.characters[window]
        tokens = np.flatnonzero((characters[:, 0] < end) & (characters[:, 1] > begin))
        of_context = characters[characters[:, 0] >= 0]
        if len(tokens) and of_context[0, 0] <= begin and end <= of_context[-1, 1]:
            places[:, window] = tokens[[0, -1]]
    return places


def _best_span(logits: NDArray[np.float32]) -> tuple[float, int, int]:
    """Find the first and last of L tokens whose two logits, (L, 2), have the highest sum."""
    starts, ends = logits.T
    size = len(starts)
    if not size:
        return -np.inf, 0, 0
    sums = np.full((LONGEST_ANSWER, size), -np.inf)  # by tokens that follow, and first token
    for more in range(min(LONGEST_ANSWER, size)):
        sums[more, : size - more] = starts[: size - more] + ends[more:]
    more, first = divmod(int(sums.argmax()), size)
    return float(sums[more, first]), first, first + more
