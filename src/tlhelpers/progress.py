"""Progress bars, where somebody watches."""

from __future__ import annotations

import os
from typing import Any

from tqdm.auto import tqdm


def progress_bar(*args: Any, show: bool = True, **kwargs: Any) -> tqdm:  # noqa: ANN401 -- tqdm's
    """Make a tqdm bar that vanishes when done, and none at all on a printed page.

    Parameters
    ----------
    *args : object
        As for ``tqdm.auto.tqdm``.
    show : bool
        Whether there is a bar. Under ``TL_STATIC=1`` (the book's executor) there never is.
    **kwargs : object
        As for ``tqdm.auto.tqdm``.

    Returns
    -------
    tqdm
        The bar.
    """
    hidden = not show or os.environ.get("TL_STATIC") == "1"
    return tqdm(*args, disable=hidden, leave=False, **kwargs)
