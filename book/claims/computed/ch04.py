"""What settles the computed entries of chapter 4."""

from __future__ import annotations


def shares_of_chosen_tokens(chosen: float) -> dict[str, float]:
    """Return the shares of all tokens that BERT's collator masks, replaces, and leaves to predict.

    Counted over 200,000 tokens, rounded to a thousandth.
    """
    import torch
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformers import DataCollatorForLanguageModeling, PreTrainedTokenizerFast

    # So many words that a random one is hardly ever the word that it replaces.
    words = {"[PAD]": 0, "[MASK]": 1} | {f"w{number}": number for number in range(2, 5000)}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(WordLevel(words, unk_token="w2")),
        pad_token="[PAD]",
        mask_token="[MASK]",
    )
    collator = DataCollatorForLanguageModeling(tokenizer, mlm_probability=chosen, seed=0)
    generator = torch.Generator().manual_seed(0)
    before = torch.randint(2, 5000, (400, 500), generator=generator)
    batch = collator([{"input_ids": row} for row in before])
    after, predicted = batch["input_ids"], batch["labels"] != -100
    masked = after == tokenizer.mask_token_id
    kinds = {
        "mask": masked,
        "random": predicted & ~masked & (after != before),
        "unchanged": predicted & (after == before),
    }
    return {name: round(float(where.float().mean()), 3) for name, where in kinds.items()}


def tokens_without_a_task(chosen: float) -> float:
    """Return the share of tokens of which BERT's collator asks nothing, in percent."""
    return 100 * (1 - sum(shares_of_chosen_tokens(chosen).values()))
