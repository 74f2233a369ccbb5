"""Helpers of the executable book "Transfer Learning in NLP".

``import tlhelpers as tl`` costs next to nothing: the names in ``__init__.pyi`` are imported when
first used, so that ``tl --help`` and a page that only draws recorded results never wait for
PyTorch. Editors and type checkers read the same file.
"""

from importlib.metadata import version

import lazy_loader

__version__ = version("tlhelpers")

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
