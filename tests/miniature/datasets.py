"""Miniature data sets, as `load_dataset` finds them in its cache when the hub is out of reach.

Columns and classes are those of the sets on the hub, a few rows each: what a page does to the raw
set, it does here too.
"""

import json
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from datasets import ClassLabel, DatasetInfo, Features, List, Translation, Value
from datasets.arrow_writer import ArrowWriter
from datasets.naming import camelcase_to_snakecase
from datasets.splits import SplitDict, SplitInfo

from tests.miniature import text
from tlhelpers.roles import DATASETS

ROWS = {"train": 48, "validation": 12, "test": 12}
HASH = "miniature"
CONLL = ["O"] + [f"{bio}-{kind}" for kind in ("PER", "ORG", "LOC", "MISC") for bio in "BI"]

String, Int = Value("string"), Value("int64")
Rows = list[dict[str, Any]]


def _labelled(sentences: dict[str, Any], number: bool = True) -> Rows:
    """Give each class's sentences their number (or name), class after class."""
    rows = []
    for i, (name, of_class) in enumerate(sentences.items()):
        for sentence in [of_class] if isinstance(of_class, str) else of_class:
            rows.append({"text": sentence, "label": i if number else name})
    return rows


def _imdb() -> tuple[Features, Rows]:
    return Features(text=String, label=ClassLabel(names=["neg", "pos"])), _labelled(text.REVIEWS)


def _sst2() -> tuple[Features, Rows]:
    rows = [
        {"sentence": row["text"], "label": row["label"], "idx": i}
        for i, row in enumerate(_labelled(text.REVIEWS))
    ]
    names = ["negative", "positive"]
    return Features(sentence=String, label=ClassLabel(names=names), idx=Value("int32")), rows


def _ag_news() -> tuple[Features, Rows]:
    names = ["World", "Sports", "Business", "Sci/Tech"]
    rows = [{"text": sentence, "label": i} for i, sentence in enumerate(text.NEWS)]
    return Features(text=String, label=ClassLabel(names=names)), rows


def _massive(language: str) -> tuple[Features, Rows]:
    requests = text.REQUESTS[language.split("-")[0]]
    rows = [
        {"id": str(i), "label": intent, "label_text": intent, "text": request, "lang": language}
        for i, (intent, request) in enumerate(zip(text.INTENTS, requests, strict=True))
    ]
    return Features({name: String for name in rows[0]}), rows


def _xnli(language: str) -> tuple[Features, Rows]:
    a, b, c, d = text.REQUESTS[language]
    rows = [
        {"premise": a, "hypothesis": a, "label": 0},
        {"premise": a, "hypothesis": b, "label": 1},
        {"premise": c, "hypothesis": d, "label": 2},
    ]
    names = ["entailment", "neutral", "contradiction"]
    return Features(premise=String, hypothesis=String, label=ClassLabel(names=names)), rows


def _conll() -> tuple[Features, Rows]:
    rows = [
        {
            "id": str(i),
            "tokens": sentence.split(),
            "pos_tags": [0] * len(sentence.split()),
            "chunk_tags": [0] * len(sentence.split()),
            "ner_tags": [CONLL.index(tag) for tag in tags.split()],
        }
        for i, (sentence, tags) in enumerate(text.TAGGED)
    ]
    features = Features(
        id=String,
        tokens=List(String),
        pos_tags=List(ClassLabel(names=["NN", "VB"])),
        chunk_tags=List(ClassLabel(names=["O", "B-NP"])),
        ner_tags=List(ClassLabel(names=CONLL)),
    )
    return features, rows


def _wikiann(language: str) -> tuple[Features, Rows]:
    names = CONLL[:7]
    rows = []
    for sentence, tags in text.TAGGED:
        tokens = sentence.split()
        numbers = [names.index(tag) if tag in names else 0 for tag in tags.split()]
        rows.append(
            {"tokens": tokens, "ner_tags": numbers, "langs": [language] * len(tokens), "spans": []}
        )
    features = Features(
        tokens=List(String),
        ner_tags=List(ClassLabel(names=names)),
        langs=List(String),
        spans=List(String),
    )
    return features, rows


def _squad() -> tuple[Features, Rows]:
    rows = [
        {
            "id": str(i),
            "title": "River",
            "context": text.PASSAGE,
            "question": question,
            "answers": {"text": [answer], "answer_start": [text.PASSAGE.index(answer)]},
        }
        for i, (question, answer) in enumerate(text.QUESTIONS)
    ]
    answers = {"text": List(String), "answer_start": List(Value("int32"))}
    features = {"id": String, "title": String, "context": String, "question": String}
    return Features(features | {"answers": answers}), rows


def _cnn_dailymail() -> tuple[Features, Rows]:
    rows = [
        {"article": " ".join(text.NEWS[i:] + text.NEWS[:i]), "highlights": headline, "id": str(i)}
        for i, headline in enumerate(text.NEWS)
    ]
    return Features(article=String, highlights=String, id=String), rows


def _opus_books() -> tuple[Features, Rows]:
    rows = [
        {"id": str(i), "translation": {"en": english, "fr": french}}
        for i, (english, french) in enumerate(text.TRANSLATIONS)
    ]
    return Features(id=String, translation=Translation(["en", "fr"])), rows


def _stsb() -> tuple[Features, Rows]:
    first, second, third, _ = text.NEWS
    rows = [
        {"sentence1": first, "sentence2": first, "score": 1.0},
        {"sentence1": first, "sentence2": second, "score": 0.0},
        {"sentence1": second, "sentence2": third, "score": 0.2},
    ]
    return Features(sentence1=String, sentence2=String, score=Value("float64")), rows


def _wikitext() -> tuple[Features, Rows]:
    lines = ["", " = River = \n", text.PASSAGE + "\n", *(line + "\n" for line in text.NEWS)]
    return Features(text=String), [{"text": line} for line in lines]


def _pubmed_rct() -> tuple[Features, Rows]:
    rows = [
        {"abstract_id": "1", "label": part, "text": sentence, "sentence_id": i}
        for i, (part, sentence) in enumerate(text.ABSTRACT.items())
    ]
    return Features(abstract_id=String, label=String, text=String, sentence_id=Int), rows


def _ledgar() -> tuple[Features, Rows]:
    names = list(text.CLAUSES)
    return Features(text=String, label=ClassLabel(names=names)), _labelled(text.CLAUSES)


def _financial() -> tuple[Features, Rows]:
    return Features(text=String, label=Int), _labelled(text.MARKETS)


def _chinese() -> tuple[Features, Rows]:
    return Features(text=String, label=Int), _labelled(text.CHINESE)


# Which splits there are on the hub, and what makes the rows.
ALL = ("train", "validation", "test")
MAKERS: dict[str, tuple[tuple[str, ...], Any]] = {
    "stanfordnlp/imdb": (("train", "test", "unsupervised"), _imdb),
    "nyu-mll/glue": (ALL, _sst2),
    "fancyzhx/ag_news": (("train", "test"), _ag_news),
    "mteb/amazon_massive_intent": (ALL, _massive),
    "facebook/xnli": (ALL, _xnli),
    "lhoestq/conll2003": (ALL, _conll),
    "unimelb-nlp/wikiann": (ALL, _wikiann),
    "rajpurkar/squad": (("train", "validation"), _squad),
    "abisee/cnn_dailymail": (ALL, _cnn_dailymail),
    "Helsinki-NLP/opus_books": (("train",), _opus_books),
    "sentence-transformers/stsb": (ALL, _stsb),
    "Salesforce/wikitext": (ALL, _wikitext),
    "armanc/pubmed-rct20k": (ALL, _pubmed_rct),
    "coastalcph/lex_glue": (ALL, _ledgar),
    "zeroshot/twitter-financial-news-sentiment": (("train", "validation"), _financial),
    "lansinuote/ChnSentiCorp": (ALL, _chinese),
}


def build_datasets(folder: Path) -> None:
    """Write every data set of the full profile into a cache folder of the datasets library."""
    for profiles in DATASETS.values():
        if "full" not in profiles:
            continue
        entry = profiles["full"]
        splits, make = MAKERS[entry.hub]
        for language in entry.languages or (None,):
            config = entry.config.format(language=language)
            features, rows = make(language) if language else make()
            _write(folder, entry.hub, config, features, {name: rows for name in splits})


def _write(folder: Path, hub_id: str, config: str, features: Features, splits: dict) -> None:
    organisation, name = hub_id.split("/")
    cached = camelcase_to_snakecase(name)
    path = folder / f"{organisation}___{cached}" / config / "0.0.0" / HASH
    path.mkdir(parents=True)
    infos = SplitDict(dataset_name=cached)
    for split, rows in splits.items():
        n = ROWS.get(split, 12)
        # Sorted as the sets on the hub are: class after class, so that a page that takes the
        # first rows is caught here.
        order = sorted(islice(cycle(range(len(rows))), n))
        with ArrowWriter(features=features, path=str(path / f"{cached}-{split}.arrow")) as writer:
            for i in order:
                writer.write(rows[i])
            writer.finalize()
        infos[split] = SplitInfo(split, num_examples=n, dataset_name=cached)
    info = DatasetInfo(
        features=features,
        splits=infos,
        builder_name="parquet",
        dataset_name=cached,
        config_name=config,
        version="0.0.0",
    )
    info.write_to_directory(str(path))
    assert json.loads((path / "dataset_info.json").read_text())["config_name"] == config
