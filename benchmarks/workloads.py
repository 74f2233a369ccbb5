"""What there is to do, and who does it."""

from dataclasses import dataclass

BASELINES = ("Trainer, defaults", "Trainer, best")


@dataclass(frozen=True)
class Training:
    """Examples to fine-tune the encoder on, and others to evaluate it on.

    A single epoch of these few examples ends where accuracy still rises steeply and says little, so
    it is compared only where there are more.
    """

    about: str
    role: str
    examples: int
    held_out: int
    max_length: int
    batch_size: int
    baselines: tuple[str, ...] = BASELINES
    ours: str = "fit"
    tokens: bool = False  # one label a word
    epochs: int = 1


@dataclass(frozen=True)
class Embedding:
    """Texts to embed."""

    about: str
    role: str
    examples: int
    max_length: int
    baselines: tuple[str, ...] = ("encode",)
    ours: str = "embed"


WORKLOADS: dict[str, Training | Embedding] = {
    "sentences": Training(
        "fine-tune on film critics' sentences, 27 tokens long",
        "sentiment",
        examples=512,
        held_out=500,
        max_length=64,
        batch_size=32,
        baselines=(*BASELINES, "plain loop"),
    ),
    "texts": Training(
        "fine-tune on news articles, cut to 256 tokens",
        "topics",
        examples=48,
        held_out=32,
        max_length=256,
        batch_size=16,
    ),
    "tokens": Training(
        "fine-tune a tagger on voice commands, 8 words long",
        "ner",
        examples=512,
        held_out=300,
        max_length=64,
        batch_size=32,
        tokens=True,
    ),
    "accuracy": Training(
        "fine-tune on film critics' sentences for two epochs",
        "sentiment",
        examples=1_000,
        held_out=1_000,
        max_length=64,
        batch_size=32,
        baselines=("plain loop",),
        epochs=2,
    ),
    "embed-sentences": Embedding("embed film critics' sentences", "sentiment", 768, 256),
    "embed-texts": Embedding("embed news articles, cut to 256 tokens", "topics", 64, 256),
}
