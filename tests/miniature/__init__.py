"""A miniature of the model hub: right architectures, right features, a few thousand parameters.

It exists so that the tests can run every line that a reader with a GPU runs, without a network.
Its weights are random: no figure that comes out of it means anything.
"""

from tests.miniature.build import build

__all__ = ["build"]
