"""Fill the places of a master that differ between variants.

The front matter of a master may hold pools of values, and its text and code places for them::

    variants:
      width: [64, 48, 80]
      spread: [{word: one, scale: ""}, {word: two, scale: "2 * "}, {word: three, scale: "3 * "}]

``<<width>>`` is one of the widths, ``<<width:,>>`` the same as Python formats it, and
``<<spread.word>>`` a part of a value. With seed 0 each place gets the first value of its pool. Any
other seed draws among the rest: what is known of the one that everybody sees fits no other.
"""

from __future__ import annotations

import random
import re
from typing import Any

import yaml

from tools.project import UserError

SMALLEST_POOL = 3  # two variants besides the first
_FRONT = re.compile(r"\A---\n(.*?\n)---\n", re.DOTALL)
_PLACE = re.compile(r"<<(\w+)(?:\.(\w+))?(?::([^<>\n]*))?>>")


def pools(text: str, file: str) -> dict[str, list[Any]]:
    """Read the pools of a master; none if it has no variants.

    Raises
    ------
    UserError
        If a pool is not a list of three or more different values of one kind.
    """
    front = _FRONT.match(text)
    found = (yaml.safe_load(front[1]) or {}).get("variants", {}) if front else {}
    for name, values in found.items():
        where = f"{file}: the pool {name!r} of its variants"
        if not isinstance(values, list) or len(values) < SMALLEST_POOL:
            raise UserError(f"{where} is {values!r:.80}: list {SMALLEST_POOL} values or more")
        if any(value in values[:place] for place, value in enumerate(values)):
            raise UserError(f"{where} has a value twice: {values!r:.80}")
        if len({tuple(v) if isinstance(v, dict) else () for v in values}) > 1:
            raise UserError(f"{where} has values with different parts: {values!r:.80}")
    return dict(found)


def filled(text: str, seed: int, file: str) -> str:
    """Fill every place of a master with the values of one variant.

    Parameters
    ----------
    text
        The master.
    seed
        Which variant; 0 is the one that takes the first value of each pool.
    file
        Its name, for the message.

    Raises
    ------
    UserError
        If a pool is wrong or without a place, or a place without a pool.
    """
    found = pools(text, file)
    drawn = random.Random(seed)
    chosen = {name: drawn.choice(found[name][1:]) if seed else found[name][0] for name in found}
    used = set()

    def value(place: re.Match[str]) -> str:
        name, part, form = place.groups()
        used.add(name)
        try:
            return format(chosen[name][part] if part else chosen[name], form or "")
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"{file}: nothing to write for {place[0]}: {error!r}. Its pools are "
                f"{', '.join(found) or 'none'}."
            ) from None

    result = _PLACE.sub(value, text)
    if unused := sorted(set(found) - used):
        raise UserError(f"{file}: no place <<{unused[0]}>> for the pool {unused[0]!r}")
    return result
