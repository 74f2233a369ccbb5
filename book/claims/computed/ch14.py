"""What settles the computed entries of chapter 14."""


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
