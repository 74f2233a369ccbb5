"""Compare two runs of one page."""

from __future__ import annotations

import re

from nbformat import NotebookNode

from tools.contract.figures import shown_outputs

_NUMBER = re.compile(r"-?\d+(?:[.,]\d+)*(?:e[+-]?\d+)?")
# What a clock or a memory meter says is allowed to vary.
_VARIES = re.compile(
    r"\d+(?:[.,:]\d+)*\s*(?:s|ms|µs|us|min|minutes?|seconds?|it/s|MB|MiB|GB|GiB|kB)\b|0x[0-9a-f]+"
    r"|\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?)?"
)


def differences(one: NotebookNode, other: NotebookNode) -> list[str]:
    """Return the numbers that differ between two executions of one page on one machine.

    Times, memory, dates and addresses are left out, and so is what a cell tagged ``varies`` shows.
    """
    found = []
    cells = [(a, b) for a, b in zip(one.cells, other.cells, strict=True) if a.cell_type == "code"]
    for first, second in cells:
        if "varies" in first.metadata.get("tags", ()):
            continue
        numbers = [_numbers_shown(first), _numbers_shown(second)]
        if numbers[0] != numbers[1]:
            pairs = list(zip(*numbers, strict=False))
            changed = next((f"{a} and {b}" for a, b in pairs if a != b), "how many there are")
            line = (first.source.strip() or "(empty)").splitlines()[0]
            found.append(
                f"two runs differ in {changed}, shown by {line[:60]!r}. Set the seed, or tag "
                "the cell 'varies' if it shows a clock."
            )
    return found


def _numbers_shown(cell: NotebookNode) -> list[str]:
    texts = []
    for output in shown_outputs(cell):
        data = output.get("data", {})
        texts.append(output.get("text") or data.get("text/plain") or "")
    return _NUMBER.findall(_VARIES.sub(" ", " ".join(texts)))
