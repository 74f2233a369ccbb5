"""Short runs of the tiny models, and how to compare the weights that they end with."""

import torch

NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
QUICK = {"learning_rate": 1e-2, "epochs": 2, "batch_size": 16, "progress": False}


def state(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def close(one, other, tolerance):
    return max(float((one[name] - other[name]).abs().max()) for name in one) <= tolerance
