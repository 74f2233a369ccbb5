"""The masters of the book, a small one, and what is made of them."""

import sys

import nbformat
import pytest

from tools.project import Project

CONTAINED = pytest.mark.skipif(sys.platform != "linux", reason="bubblewrap is for Linux")
BOOK = Project()
MASTERS = BOOK.masters()

SMALL = """\
# Small

```{code-cell} ipython3
import math
```

+++ {"exercise": "double", "points": 2, "difficulty": "easy", "minutes": 5}

## Doubling

<details><summary>Hint 1</summary>

Add it to itself.

</details>

```{code-cell} ipython3
:tags: [solution]

def double(x):
    # BEGIN SOLUTION
    return 2 * x
    # END SOLUTION
```

```{code-cell} ipython3
:tags: [test]

def test_three(double):
    assert double(3) is not None, "double() returns nothing yet."
    assert double(3) == 6, "Do you square?"
```

```{code-cell} ipython3
:tags: [hidden-test]

def test_minus_one(double):
    assert double(-1) == -2, "Does the sign get lost?"
```

```{code-cell} ipython3
---
tags: [wrong-answer]
message: Do you square?
---
def double(x):
    return x * x
```

```{code-cell} ipython3
---
tags: [wrong-answer]
message: Does the sign get lost?
---
def double(x):
    return abs(2 * x)
```

An afterthought.
"""


def given_away(project, slug, kind):
    solution = project.build / "exercises" / slug / "solution" / f"{slug}.ipynb"
    path = project.student_notebook(slug) if kind == "student" else solution
    return nbformat.read(path, as_version=4)


def sources(notebook):
    return "\n".join(cell.source for cell in notebook.cells)
