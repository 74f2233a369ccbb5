"""What settles the computed entries of chapter 6.

Models are built from their configuration on PyTorch's meta device: exact shapes, no memory.
"""

from __future__ import annotations

from typing import Any

PUBLISHED = {"base": "google-bert/bert-base-uncased", "large": "google-bert/bert-large-uncased"}
TINY = {
    "hidden_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 512,
}


def _config(size: str, **changes: int) -> Any:  # noqa: ANN401
    from tlhelpers.pretrained.published import configuration

    if size == "tiny":
        return configuration(PUBLISHED["base"], **TINY | changes)
    return configuration(PUBLISHED[size], **changes)


def _model(size: str, kind: str = "BertModel", **changes: int) -> Any:  # noqa: ANN401
    import torch
    import transformers

    with torch.device("meta"):
        model = getattr(transformers, kind)(_config(size, **changes))
    model.tie_weights()
    return model


def parameters(size: str, kind: str = "BertModel") -> int:
    """Count the parameters of a BERT, with whatever head the class has."""
    return sum(p.numel() for p in _model(size, kind).parameters())


def parameters_by_formula(size: str) -> int:
    """Count the parameters of BertModel from six numbers, without building it.

    Embeddings (V + P + S) d + 2d; per layer 4 (d^2 + d) for attention, 2df + f + d for the
    feed-forward network and 4d for two layer norms; pooler d^2 + d.
    """
    config = _config(size)
    width, layers, inner = config.hidden_size, config.num_hidden_layers, config.intermediate_size
    rows = config.vocab_size + config.max_position_embeddings + config.type_vocab_size
    embeddings = rows * width + 2 * width
    layer = 4 * (width * width + width) + 2 * width * inner + inner + width + 4 * width
    return int(embeddings + layers * layer + width * width + width)


def shape(size: str) -> list[int]:
    """Return layers and width of the token vectors, as the published configuration has them."""
    config = _config(size)
    return [config.num_hidden_layers, config.hidden_size]


def share_of_embeddings(size: str) -> float:
    """Return the share of the parameters that sits in the token embeddings, in percent."""
    model = _model(size)
    whole = sum(p.numel() for p in model.parameters())
    return round(100 * model.embeddings.word_embeddings.weight.numel() / whole, 1)


def parts_of_the_embedding() -> list[str]:
    """List the modules of the embedding layer in order of use."""
    embeddings = _model("base").embeddings
    names = ["word", "position", "token_type"]
    lookups = [f"{name}_embeddings" for name in names if hasattr(embeddings, f"{name}_embeddings")]
    return [*lookups, type(embeddings.LayerNorm).__name__, type(embeddings.dropout).__name__]


def summed_embeddings() -> list[str]:
    """List the tables whose rows BERT's embedding layer adds, found by leaving out each in turn.

    The layer is run with random weights; without one that is added, the sum made by hand, then
    normalised, is no longer what the library gives.
    """
    import torch
    from transformers import BertConfig
    from transformers.models.bert.modeling_bert import BertEmbeddings

    sizes = {"hidden_size": 8, "num_attention_heads": 2, "vocab_size": 9}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layer = BertEmbeddings(BertConfig(**sizes)).eval()
    ids, segments = torch.tensor([[3, 5, 7]]), torch.tensor([[0, 0, 1]])
    rows = {
        "word_embeddings": layer.word_embeddings(ids),
        "position_embeddings": layer.position_embeddings(torch.arange(3)[None]),
        "token_type_embeddings": layer.token_type_embeddings(segments),
    }
    whole = layer(ids, token_type_ids=segments)

    def gives_the_layer(names: list[str]) -> bool:
        added = layer.LayerNorm(sum(rows[name] for name in names))
        return bool(torch.allclose(added, whole, atol=1e-6))

    if not gives_the_layer(list(rows)):
        return []
    return [name for name in rows if not gives_the_layer([n for n in rows if n != name])]


def layer_norm_after_the_sum() -> bool:
    """Say whether each half of a layer normalises the sum of its input and its output (post-norm).

    Runs one half of a miniature layer by hand and by the library.
    """
    import torch
    from transformers import BertConfig
    from transformers.models.bert.modeling_bert import BertSelfOutput

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        half = BertSelfOutput(BertConfig(hidden_size=8, num_attention_heads=2)).eval()
        attended, before = torch.randn(1, 3, 8), torch.randn(1, 3, 8)
        by_hand = torch.nn.functional.layer_norm(half.dense(attended) + before, (8,), eps=1e-12)
        return bool(torch.allclose(half(attended, before), by_hand, atol=1e-6))


def head_shape(kind: str, module: str, labels: int) -> list[int]:
    """Return inputs and outputs of the linear layer of a head of BERT-base."""
    layer = getattr(_model("base", kind, num_labels=labels), module)
    return [layer.in_features, layer.out_features]


def _operations_of_a_layer(size: str, length: int) -> tuple[int, int]:
    """Return what attention and the feed-forward network of one layer multiply and add.

    As PyTorch's own counter has them; a multiplication and an addition are two.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    layer = _model(size).encoder.layer[0]
    x = torch.zeros(1, length, _config(size).hidden_size, device="meta")
    counts = []
    for part in (layer.attention, layer.feed_forward_chunk):
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            part(x)
        counts.append(counter.get_total_flops())
    return counts[0], counts[1]


def attention_overtakes(size: str) -> int:
    """Return the shortest text for which attention takes as many operations as the network."""
    low, high = 1, 8192
    while low < high:
        middle = (low + high) // 2
        attention, network = _operations_of_a_layer(size, middle)
        low, high = (low, middle) if attention >= network else (middle + 1, high)
    return low


def share_of_scores(size: str) -> float:
    """Return the share of a layer's operations that grows with the length, in percent.

    At the longest text that the position table takes.
    """
    length = _config(size).max_position_embeddings
    attention, network = _operations_of_a_layer(size, length)
    one, _ = _operations_of_a_layer(size, 1)
    two, _ = _operations_of_a_layer(size, 2)
    a_pair = (two - 2 * one) // 2  # 2 tokens: twice the matrices, four pairs instead of one
    return round(100 * a_pair * length**2 / (attention + network), 1)


def share_of_part(size: str, part: str) -> float:
    """Return the share of the parameters in one part of each layer, in percent."""
    model = _model(size)
    names = {"attention": ("attention.",), "feed-forward": ("intermediate.", "output.dense.")}
    wanted = names[part]
    held = sum(
        parameter.numel()
        for layer in model.encoder.layer
        for name, parameter in layer.named_parameters()
        if name.startswith(wanted) and "LayerNorm" not in name
    )
    return round(100 * held / sum(p.numel() for p in model.parameters()), 1)
