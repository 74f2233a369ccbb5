"""A good page, its ledger, and how to write and run it."""

import jupytext

from tlhelpers.evidence.ledger import load_ledger
from tools.contract.chapter_text import read_chapter
from tools.contract.page import Page
from tools.project import Project

SLUG = "08-lora-maths"

LEDGER = """
- id: 08-update-size
  claim: A rank-8 update of a square matrix 4,096 wide has 65,536 numbers.
  source: {section: 8, figure: "65,536", where: formula, value: 32_768}
  kind: computed
  settled_by: {function: ch08.count, arguments: {rank: 8}, expects: 65536}
  why: Two thin factors.
  instead: Count both factors.
  prose: ["65,536", "93.4 %", "4,096 wide"]
"""

FILLER = " ".join(
    ["A low-rank update is two thin matrices whose product is as wide as the layer."] * 60
)

GOOD = f"""# A small update is enough

**You will be able to** count what an update costs.

**Time:** about a minute on two CPU cores, 2 minutes on a GPU.
**You need:** an idea of what a matrix is.

```{{code-cell}} ipython3
:tags: [parameters]

profile = "auto"
```

```{{code-cell}} ipython3
:tags: [hide-input]

import tlhelpers as tl
```

```{{code-cell}} ipython3
:tags: [hide-input]

run = tl.start(profile, seed=0)
```

## How large is an update?

{FILLER}

```{{code-cell}} ipython3
import torch

torch.zeros(8, 4096)
print(8 * (4096 + 4096))
```

That makes 65,536 numbers, as [Hu et al., 2021](https://arxiv.org/abs/2106.09685) say.

```{{code-cell}} ipython3
update = torch.eye(4)
tl.plots.heatmap(update, "An update", "column", "row")
```

Most of it is nearly empty.

```{{code-cell}} ipython3
tl.explore(lambda rank: f"{{torch.eye(rank)}}", title="Rank", rank=[1, 2])
```

Turn it and see.

```{{code-cell}} ipython3
:tags: [hide-input]

tl.show_claims(chapter=8)
```

One correction.

## Three things to remember

1. An update is thin.
2. It can be merged.
3. Its rank is a choice.

## Exercises

Count the parameters of another rank (10 minutes).

## References

- Hu et al., 2021. [LoRA](https://arxiv.org/abs/2106.09685). 12 pages.
"""


def write_page(project: Project, text: str) -> Page:
    source = project.source(SLUG)
    front = (
        "---\njupytext:\n  text_representation:\n    extension: .md\n    format_name: myst\n---\n\n"
    )
    source.write_text(front + text)
    jupytext.write(jupytext.read(source), project.notebook(SLUG))
    ledger = load_ledger(project.root / "book" / "claims")
    return Page(read_chapter(source, project.executed(SLUG, "tiny")), ledger, project)
