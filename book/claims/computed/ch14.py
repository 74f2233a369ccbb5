"""What settles the computed entries of chapter 14."""

# Accuracy on XNLI after fine-tuning on English only (Conneau et al. 2020, Table 1).
LANGUAGES = (
    "en",
    "fr",
    "es",
    "de",
    "el",
    "bg",
    "ru",
    "tr",
    "ar",
    "vi",
    "th",
    "zh",
    "hi",
    "sw",
    "ur",
)
XNLI = {
    "mBERT": "82.1 73.8 74.3 71.1 66.4 68.9 69.0 61.6 64.9 69.5 55.8 69.3 60.0 50.4 58.0",
    "XLM-R base": "85.8 79.7 80.7 78.7 77.5 79.6 78.1 74.2 73.8 76.5 74.6 76.7 72.4 66.5 68.3",
    "XLM-R large": "89.1 84.1 85.1 83.9 82.9 84.0 81.2 79.6 79.8 80.8 78.1 80.2 76.9 73.9 73.8",
}


def xnli(model: str) -> dict[str, float]:
    """Return the accuracy of a model in each of the fifteen languages."""
    return dict(zip(LANGUAGES, map(float, XNLI[model].split()), strict=True))


def xnli_average(model: str) -> float:
    """Average over the fifteen languages, English among them."""
    return sum(xnli(model).values()) / len(LANGUAGES)


def xnli_lost_from_english(model: str, language: str) -> float:
    """Points between English and another language."""
    accuracy = xnli(model)
    return round(accuracy["en"] - accuracy[language], 10)


def language_codes(tokenizer: str) -> dict[str, int]:
    """Count the language codes of a translation model's tokenizer, and the languages in them."""
    import importlib

    module = importlib.import_module(f"transformers.models.{tokenizer}.tokenization_{tokenizer}")
    codes = module.FAIRSEQ_LANGUAGE_CODES
    return {"codes": len(set(codes)), "languages": len({code.split("_")[0] for code in codes})}


def embedding_share(hub_id: str) -> float:
    """Percentage of an encoder's parameters that lie in its table of word pieces."""
    from tlhelpers.pretrained.models import meta_model

    model = meta_model(hub_id)
    table = model.get_input_embeddings().weight.numel()
    return 100 * table / sum(p.numel() for p in model.parameters())
