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
