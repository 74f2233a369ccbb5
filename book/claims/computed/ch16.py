"""What settles the computed entries of chapter 16."""


def parameters(hub_id: str) -> int:
    """Count an encoder's parameters, without a head, from its published configuration."""
    from tlhelpers.pretrained.models import meta_model

    return sum(p.numel() for p in meta_model(hub_id).parameters())


def beyond_the_token_table(hub_id: str) -> int:
    """Count what is left of an encoder without its table of token embeddings."""
    from tlhelpers.pretrained.models import meta_model

    model = meta_model(hub_id)
    table = model.get_input_embeddings().weight.numel()
    return sum(p.numel() for p in model.parameters()) - table


def share_of_the_token_table(hub_id: str) -> float:
    """Percentage of an encoder's parameters that sits in its table of token embeddings."""
    return round(100 * (1 - beyond_the_token_table(hub_id) / parameters(hub_id)), 1)


def context(hub_id: str) -> int:
    """Longest input in tokens, as the published configuration has it."""
    from tlhelpers.pretrained.published import configuration

    return int(configuration(hub_id).max_position_embeddings)


def layers_by_attention(hub_id: str) -> dict[str, int]:
    """Count an encoder's layers by the kind of attention that they use."""
    from collections import Counter

    from tlhelpers.pretrained.published import configuration

    return dict(Counter(configuration(hub_id).layer_types))


def length_of_equal_cost(width: int) -> int:
    """Length at which comparing all pairs of tokens costs as much as the weight matrices.

    A layer with an inner width of 4 d has 12 d^2 weights, 24 d^2 operations a token; scores and
    weighted sums over n tokens take 4 n d (after Kaplan et al. 2020, Table 1, which counts
    the scores alone, for a mask that leaves half of them out). Equal at n = 6 d.
    """
    return 24 * width * width // (4 * width)


def times_the_operations(hub_id: str, other: str, length: int) -> float:
    """How many times as much an encoder computes for a text of some tokens as another one does."""
    return round(_all_operations(hub_id, length) / _all_operations(other, length), 2)


def position_share(hub_id: str, length: int) -> float:
    """Percentage of an encoder's operations that goes into its table of distances."""
    return _share("positions", hub_id, length)


def growth_a_token(hub_id: str, length: int, over: int) -> dict[str, float]:
    """Operations for each token of a long text over those for each token of a shorter one."""

    def grows(windows: bool) -> float:
        long, short = (_all_operations(hub_id, size, windows) / size for size in (length, over))
        return round(long / short, 2)

    return {"each pair": grows(False), "inside windows": grows(True)}


def share_of_pairs(hub_id: str, length: int) -> dict[str, float]:
    """Percentage of an encoder's operations that compares tokens with each other."""
    return {
        "each pair": _share("pairs", hub_id, length),
        "inside windows": _share("pairs", hub_id, length, windows=True),
    }


def share_inside_windows(hub_id: str, length: int) -> float:
    """Operations with the pairs left out that a window hides, over those with each pair."""
    return round(_all_operations(hub_id, length, True) / _all_operations(hub_id, length), 2)


def _operations(hub_id: str, length: int, windows: bool = False) -> dict[str, int]:
    from tlhelpers.pretrained.published import configuration
    from tlhelpers.subjects.bert_family import operations

    return operations(configuration(hub_id), length, windows=windows)


def _all_operations(hub_id: str, length: int, windows: bool = False) -> int:
    return sum(_operations(hub_id, length, windows).values())


def _share(part: str, hub_id: str, length: int, windows: bool = False) -> float:
    counted = _operations(hub_id, length, windows)
    return round(100 * counted[part] / sum(counted.values()), 1)
