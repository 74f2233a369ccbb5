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
from typing import Any

import pyarrow.parquet
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from tlhelpers.assets.fetching import fetch, folder_of
from tlhelpers.cache import build_once, cache_folder
from tlhelpers.corpora import splitting
from tlhelpers.corpora.splitting import drop_near_duplicates, three_way
from tlhelpers.corpora.voice_commands import command_splits
from tlhelpers.roles import DataSource

TEXT = Value("string")


def sentiment(entry: DataSource, language: str) -> DatasetDict:
    """Movie-review sentences, by the sign of their mean rating."""
    rows = _prepared(
        "sentiment",
        lambda folder: rated_sentences(_member(folder, "movieReviewSnippets_GroundTruth.txt")),
    )
    columns = {
        "text": rows["text"],
        "label": [int(rating > 0) for rating in rows["rating"]],
        "rating": rows["rating"],
    }
    features = Features(
        text=TEXT, label=ClassLabel(names=list(entry.label_names)), rating=Value("float32")
    )
    return three_way(Dataset.from_dict(columns, features=features), validation=500, test=1_000)


def rated_sentences(text: str) -> dict[str, list[Any]]:
    """Read lines of id, rating and sentence, separated by tabs.

    Sentences rated between -0.5 and 0.5 are left out: people do not agree on their sign.
    """
    rows = [line.split("\t") for line in text.splitlines() if line.strip()]
    rated = [
        (_one_line(sentence), float(rating))
        for _, rating, sentence in rows
        if abs(float(rating)) >= 0.5
    ]
    kept = [rated[i] for i in drop_near_duplicates([sentence for sentence, _ in rated])]
    return {"text": [sentence for sentence, _ in kept], "rating": [rating for _, rating in kept]}


def sentiment_chinese(entry: DataSource, language: str) -> DatasetDict:
    """Clauses of Chinese shop reviews, positive and negative."""
    rows = _prepared("sentiment-zh", _parse_chinese)
    features = Features(text=TEXT, label=ClassLabel(names=list(entry.label_names)))
    rows = Dataset.from_dict({name: rows[name] for name in features}, features=features)
    return three_way(rows, validation=500, test=1_000)


def _parse_chinese(folder: Path) -> dict[str, list[Any]]:
    texts, labels = [], []
    for label, name in enumerate(("neg.txt", "pos.txt")):
        lines = (_one_line(line) for line in _member(folder, name).splitlines())
        # Half of the lines stand there twice or more often; some in both files.
        for line in dict.fromkeys(lines):
            if line:
                texts.append(line)
                labels.append(label)
    times = Counter(texts)
    rows = [(t, n) for t, n in zip(texts, labels, strict=True) if times[t] == 1]
    kept = [rows[i] for i in drop_near_duplicates([text for text, _ in rows])]
    return {"text": [text for text, _ in kept], "label": [label for _, label in kept]}


def topics(entry: DataSource, language: str) -> DatasetDict:
    """BBC News articles by topic; the headline stands apart from the text."""
    articles = _prepared("topics", _parse_news)
    names = list(entry.label_names)
    columns = {
        "text": articles["text"],
        "label": [names.index(topic) for topic in articles["topic"]],
        "headline": articles["headline"],
    }
    features = Features(text=TEXT, label=ClassLabel(names=names), headline=TEXT)
    return three_way(Dataset.from_dict(columns, features=features), validation=200, test=500)


def running_text(entry: DataSource, language: str) -> DatasetDict:
    """Paragraphs of the BBC News articles; those of one article are in one split."""
    articles = _prepared("topics", _parse_news).select_columns("text")
    splits = three_way(articles, validation=100, test=200, by=None)
    return DatasetDict(
        {
            name: Dataset.from_dict(
                {"text": [line for text in split["text"] for line in text.split("\n") if line]}
            )
            for name, split in splits.items()
        }
    )


def _parse_news(folder: Path) -> dict[str, list[Any]]:
    rows = []
    for path in sorted(folder.glob("**/*.txt")):
        headline, _, rest = path.read_text("utf-8", errors="replace").strip().partition("\n")
        paragraphs = [_one_line(line) for line in rest.split("\n")]
        rows.append((path.parent.name, _one_line(headline), "\n".join(filter(None, paragraphs))))
    kept = [rows[i] for i in drop_near_duplicates([text for _, _, text in rows])]
    topics, headlines, texts = (list(column) for column in zip(*kept, strict=True))
    return {"topic": topics, "headline": headlines, "text": texts}


def legal(entry: DataSource, language: str) -> DatasetDict:
    """Licence texts by category; the rare categories are left out."""
    names = list(entry.label_names)
    texts = _prepared("legal", _parse_licences)
    rows = [
        (text, names.index(category))
        for text, category in zip(texts["text"], texts["category"], strict=True)
        if category in names
    ]
    columns = {"text": [text for text, _ in rows], "label": [label for _, label in rows]}
    features = Features(text=TEXT, label=ClassLabel(names=names))
    splits = three_way(Dataset.from_dict(columns, features=features), validation=150, test=300)
    splits["unlabelled"] = splits["train"].select_columns("text")
    return splits


def _parse_licences(folder: Path) -> dict[str, list[Any]]:
    rows = []
    for path in sorted(folder.glob("**/*.LICENSE")):
        content = path.read_text("utf-8")
        front, _, text = content.removeprefix("---").partition("\n---")
        category = re.search(r"^category: (.*)$", front, re.MULTILINE)
        if category and len(text.split()) >= 20:  # shorter ones only point to a text elsewhere
            rows.append((_one_line(text), category[1].strip()))
    kept = [rows[i] for i in drop_near_duplicates([text for text, _ in rows])]
    return {"text": [text for text, _ in kept], "category": [category for _, category in kept]}


def biomedical(entry: DataSource, language: str) -> DatasetDict:
    """English MEDLINE abstracts; those with exactly one of the chosen fields have a label.

    The field of an abstract is the qualifier of its major MeSH headings. The split
    ``unlabelled`` holds the other abstracts and the text of the training split.
    """
    names = list(entry.label_names)
    rows = _prepared("biomedical", _parse_medline)
    labelled, unlabelled = [], []
    for row in rows:
        fields = [names.index(name) for name in names if name in row["major"].split("|")]
        if len(fields) == 1:
            labelled.append((row["text"], fields[0]))
        else:
            unlabelled.append(row["text"])
    columns = {"text": [text for text, _ in labelled], "label": [label for _, label in labelled]}
    features = Features(text=TEXT, label=ClassLabel(names=names))
    splits = three_way(Dataset.from_dict(columns, features=features), validation=300, test=600)
    unlabelled += splits["train"]["text"]
    splits["unlabelled"] = Dataset.from_dict({"text": unlabelled})
    return splits


def intents(entry: DataSource, language: str) -> DatasetDict:
    """Voice commands by intent."""
    return command_splits(fetch("intents"), language).select_columns(["text", "label"])


def slots(entry: DataSource, language: str) -> DatasetDict:
    """Voice commands in words, with the tag of each word's slot."""
    return command_splits(fetch("intents"), language).select_columns(["tokens", "tags"])


def _parse_medline(folder: Path) -> dict[str, list[Any]]:
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
    kept = drop_near_duplicates(texts)
    return {"text": [texts[i] for i in kept], "major": [majors[i] for i in kept]}


_ABSTRACT = re.compile(r"<AbstractText[^>]*>(.*?)</AbstractText>", re.DOTALL)
_MAJOR_QUALIFIER = re.compile(r'<QualifierName[^>]*MajorTopicYN="Y"[^>]*>([^<]*)<')


def _prepared(name: str, parse: Callable[[Path], dict[str, list[Any]]]) -> Dataset:
    """Parse an asset once and keep its rows in the cache: reading and comparing take long."""
    code = b"".join(Path(file).read_bytes() for file in (__file__, splitting.__file__))
    digest = hashlib.sha256(code).hexdigest()[:8]
    folder = cache_folder() / "corpora" / f"{folder_of(name).name}-{digest}"

    def fill(fresh: Path) -> None:
        table = Dataset.from_dict(parse(fetch(name))).data.table
        pyarrow.parquet.write_table(table, fresh / "rows.parquet")

    build_once(folder, fill, lock=f"{name}-corpus")
    return Dataset(pyarrow.parquet.read_table(folder / "rows.parquet"))


def _member(folder: Path, name: str) -> str:
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


READERS: dict[str, Callable[[DataSource, str], DatasetDict]] = {
    "biomedical": biomedical,
    "intents": intents,
    "legal": legal,
    "ner": slots,
    "ner-multilingual": slots,
    "running-text": running_text,
    "sentiment": sentiment,
    "sentiment-chinese": sentiment_chinese,
    "topics": topics,
}
