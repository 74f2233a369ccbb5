"""The tiny profile's data sets, read from the assets: files in, labelled splits out.

None of these files says which texts belong together, and most hold some of them twice. Each reader
drops the copies before it splits, because a test text that also stands in the training set is
answered from memory.
"""

from __future__ import annotations

import gzip
import hashlib
import html
import re
import tarfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow.parquet
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from tlhelpers.assets.fetching import fetch, folder_of
from tlhelpers.cache import build_once, cache_folder
from tlhelpers.corpora import splitting
from tlhelpers.corpora.splitting import drop_near_duplicates, three_way
from tlhelpers.corpora.voice_commands import command_splits
from tlhelpers.roles import DataSource

Columns: TypeAlias = dict[str, list[Any]]  # of one length

TEXT = Value("string")


def sentiment(entry: DataSource, language: str) -> DatasetDict:
    """Movie-review sentences, by the sign of their mean rating."""
    rows = _parsed(
        entry,
        lambda folder: rated_sentences(_text_of(folder, "movieReviewSnippets_GroundTruth.txt")),
    )
    signs = [int(rating > 0) for rating in rows["rating"]]
    labelled = _labelled(entry, rows["text"], signs, rating=(Value("float32"), rows["rating"]))
    return three_way(labelled, validation=500, test=1_000)


def rated_sentences(text: str) -> Columns:
    """Read lines of id, rating and sentence, separated by tabs.

    Sentences rated between -0.5 and 0.5 are left out: people do not agree on their sign.

    Parameters
    ----------
    text : str
        The file's content.

    Returns
    -------
    dict of str to list
        Columns ``text`` and ``rating``.
    """
    rows = [line.split("\t") for line in text.splitlines() if line.strip()]
    rated = [
        (_one_line(sentence), float(rating))
        for _, rating, sentence in rows
        if abs(float(rating)) >= 0.5
    ]
    return _without_copies(text=[row[0] for row in rated], rating=[row[1] for row in rated])


def sentiment_chinese(entry: DataSource, language: str) -> DatasetDict:
    """Read clauses of Chinese shop reviews, positive and negative."""
    rows = _parsed(entry, _chinese_clauses)
    return three_way(_labelled(entry, rows["text"], rows["label"]), validation=500, test=1_000)


def _chinese_clauses(folder: Path) -> Columns:
    texts, labels = [], []
    for label, name in enumerate(("neg.txt", "pos.txt")):
        lines = (_one_line(line) for line in _text_of(folder, name).splitlines())
        # Half of the lines stand there twice or more often; some in both files.
        for line in dict.fromkeys(lines):
            if line:
                texts.append(line)
                labels.append(label)
    times = Counter(texts)
    rows = [(t, n) for t, n in zip(texts, labels, strict=True) if times[t] == 1]
    return _without_copies(text=[text for text, _ in rows], label=[label for _, label in rows])


def topics(entry: DataSource, language: str) -> DatasetDict:
    """BBC News articles by topic; the headline stands apart from the text."""
    articles = _parsed(entry, _news_articles)
    labels = [entry.label_names.index(topic) for topic in articles["topic"]]
    headlines = (TEXT, articles["headline"])
    labelled = _labelled(entry, articles["text"], labels, headline=headlines)
    return three_way(labelled, validation=200, test=500)


def running_text(entry: DataSource, language: str) -> DatasetDict:
    """Read paragraphs of the BBC News articles; those of one article are in one split."""
    articles = _parsed(entry, _news_articles).select_columns("text")
    splits = three_way(articles, validation=100, test=200, by=None)
    return DatasetDict(
        {
            name: Dataset.from_dict(
                {"text": [line for text in split["text"] for line in text.split("\n") if line]}
            )
            for name, split in splits.items()
        }
    )


def _news_articles(folder: Path) -> Columns:
    topics, headlines, texts = [], [], []
    for path in sorted(folder.glob("**/*.txt")):
        headline, _, rest = path.read_text("utf-8", errors="replace").strip().partition("\n")
        paragraphs = [_one_line(line) for line in rest.split("\n")]
        topics.append(path.parent.name)
        headlines.append(_one_line(headline))
        texts.append("\n".join(filter(None, paragraphs)))
    return _without_copies(topic=topics, headline=headlines, text=texts)


def legal(entry: DataSource, language: str) -> DatasetDict:
    """Licence texts by category; the rare categories are left out."""
    names = entry.label_names
    found = _parsed(entry, _licence_texts)
    rows = [
        (text, names.index(category))
        for text, category in zip(found["text"], found["category"], strict=True)
        if category in names
    ]
    labelled = _labelled(entry, [text for text, _ in rows], [label for _, label in rows])
    splits = three_way(labelled, validation=150, test=300)
    splits["unlabelled"] = splits["train"].select_columns("text")
    return splits


def _licence_texts(folder: Path) -> Columns:
    texts, categories = [], []
    for path in sorted(folder.glob("**/*.LICENSE")):
        content = path.read_text("utf-8")
        front, _, text = content.removeprefix("---").partition("\n---")
        category = re.search(r"^category: (.*)$", front, re.MULTILINE)
        if category and len(text.split()) >= 20:  # shorter ones only point to a text elsewhere
            texts.append(_one_line(text))
            categories.append(category[1].strip())
    return _without_copies(text=texts, category=categories)


def biomedical(entry: DataSource, language: str) -> DatasetDict:
    """Read English MEDLINE abstracts; those with exactly one of the chosen fields have a label.

    The field of an abstract is the qualifier of its major MeSH headings. The split
    ``unlabelled`` holds the other abstracts and the text of the training split.

    Parameters
    ----------
    entry : DataSource
        The role's source.
    language : str
        Not looked at: there is English only.

    Returns
    -------
    DatasetDict
        ``train``, ``validation``, ``test`` and ``unlabelled``.
    """
    names = entry.label_names
    texts, labels, unlabelled = [], [], []
    for row in _parsed(entry, _medline_abstracts):
        fields = [names.index(name) for name in names if name in row["major"].split("|")]
        if len(fields) == 1:
            texts.append(row["text"])
            labels.append(fields[0])
        else:
            unlabelled.append(row["text"])
    splits = three_way(_labelled(entry, texts, labels), validation=300, test=600)
    unlabelled += splits["train"]["text"]
    splits["unlabelled"] = Dataset.from_dict({"text": unlabelled})
    return splits


def _medline_abstracts(folder: Path) -> Columns:
    """Read text and major qualifiers of each English abstract.

    With regular expressions: the file is pinned to the byte, and 174 MB of XML parsed as such
    take ten times as long for the same rows.
    """
    (path,) = folder.glob("**/*.xml.gz")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        articles = file.read().split("</PubmedArticle>")
    texts, majors = [], []
    for article in articles:
        parts = _ABSTRACT.findall(article)
        if parts and "<Language>eng</Language>" in article:
            texts.append(_one_line(html.unescape(re.sub(r"<[^>]+>", "", " ".join(parts)))))
            qualifiers = {html.unescape(name) for name in _MAJOR_QUALIFIER.findall(article)}
            majors.append("|".join(sorted(qualifiers)))
    return _without_copies(text=texts, major=majors)


_ABSTRACT = re.compile(r"<AbstractText[^>]*>(.*?)</AbstractText>", re.DOTALL)
_MAJOR_QUALIFIER = re.compile(r'<QualifierName[^>]*MajorTopicYN="Y"[^>]*>([^<]*)<')


def intents(entry: DataSource, language: str) -> DatasetDict:
    """Voice commands by intent."""
    return command_splits(fetch(_asset(entry)), language).select_columns(["text", "label"])


def slots(entry: DataSource, language: str) -> DatasetDict:
    """Voice commands in words, with the tag of each word's slot."""
    return command_splits(fetch(_asset(entry)), language).select_columns(["tokens", "tags"])


def _asset(entry: DataSource) -> str:
    assert entry.asset is not None  # by_role calls a reader for those with an asset only
    return entry.asset


def _labelled(
    entry: DataSource, texts: list[str], labels: list[int], **more: tuple[Value, list[Any]]
) -> Dataset:
    """Make a data set of texts with a `ClassLabel`, and of further columns with their types."""
    features = Features(text=TEXT, label=ClassLabel(names=list(entry.label_names)))
    columns = {"text": texts, "label": labels}
    for name, (kind, values) in more.items():
        features[name], columns[name] = kind, values
    return Dataset.from_dict(columns, features=features)


def _without_copies(**columns: list[Any]) -> Columns:
    """Drop the rows whose ``text`` is nearly that of an earlier row."""
    kept = drop_near_duplicates(columns["text"])
    return {name: [values[i] for i in kept] for name, values in columns.items()}


def _parsed(entry: DataSource, parse: Callable[[Path], Columns]) -> Dataset:
    """Parse an asset once and keep its rows in the cache: reading and comparing take long."""
    name = _asset(entry)
    code = b"".join(Path(file).read_bytes() for file in (__file__, splitting.__file__))
    digest = hashlib.sha256(code).hexdigest()[:8]
    folder = cache_folder() / "corpora" / f"{folder_of(name).name}-{digest}"

    def fill(fresh: Path) -> None:
        table = Dataset.from_dict(parse(fetch(name))).data.table
        pyarrow.parquet.write_table(table, fresh / "rows.parquet")

    build_once(folder, fill, lock=f"{name}-corpus")
    return Dataset(pyarrow.parquet.read_table(folder / "rows.parquet"))


def _text_of(folder: Path, name: str) -> str:
    """Read a file of an unpacked asset, also if it sits inside a tar archive there."""
    for path in sorted(folder.rglob(name)):
        return path.read_text(encoding="utf-8")
    for archive in sorted(folder.rglob("*.tar.gz")):
        with tarfile.open(archive) as tar:
            for member in tar:
                if member.isfile() and Path(member.name).name == name:
                    extracted = tar.extractfile(member)
                    assert extracted is not None
                    return extracted.read().decode("utf-8")
    raise FileNotFoundError(
        f"no {name} under {folder}; delete the folder and fetch it anew with `tl assets fetch`"
    )


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


# What the files of the roles call them; each takes the source and a language's code.
READERS: dict[str, Callable[[DataSource, str], DatasetDict]] = {
    "biomedical": biomedical,
    "intents": intents,
    "legal": legal,
    "running-text": running_text,
    "sentiment": sentiment,
    "sentiment-chinese": sentiment_chinese,
    "slots": slots,
    "topics": topics,
}
