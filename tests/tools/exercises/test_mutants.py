"""The tests of each master notice every mechanical change of a solution."""

import pytest

from tests.tools.exercises.masters import BOOK, MASTERS, SMALL
from tools.exercises.master import Exercise
from tools.exercises.mutants import DRAWN_INPUTS, fates, mutants, mutants_table
from tools.project import Project


@pytest.mark.slow
@pytest.mark.parametrize("slug", MASTERS)
def test_every_mutant_fails_a_test_or_is_listed_as_equivalent(slug):
    found = fates(BOOK, slug)
    alive = [fate for fate in found if fate.fate == "alive"]
    assert not alive, mutants_table(slug, found)
    assert len({fate.exercise for fate in found}) >= 2
    equivalent = sum(fate.fate == "equivalent" for fate in found)
    assert equivalent <= 0.05 * len(found), mutants_table(slug, found)


def changes(body, head="x"):
    solution = f"def f({head}):\n    # BEGIN SOLUTION\n    {body}\n    # END SOLUTION\n    g(1, 2)"
    made = mutants(Exercise("f", 1, "easy", 5, solution=solution))
    return {mutant.change.partition(" -> ")[2] for mutant in made}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return x - 3", {"return x + 3", "return x", "return 3", "return 3 - x", "return x - 4"}),
        (
            "return x.sum(axis=0)",
            {"return x.sum(axis=1)", "return x.sum()", "return x.mean(axis=0)"},
        ),
        ("return x[1:n]", {"return x[1:n + 1]", "return x[:n]", "return x[1:]", "return x[2:n]"}),
        ("return x < 2 and y", {"return x <= 2 and y", "return x < 2 or y", "return y"}),
        ("return max(x, y)", {"return min(x, y)", "return max(y, x)"}),
        ("return x['a'], x['b']", {"return (x['b'], x['b'])", "return (x['b'], x['a'])"}),
        ("return [i for i in x if i]", {"return [i for i in x]"}),
        ("if x: y = 1", {"if not x:"}),
        ("x[0] += 2", {"x[0] -= 2", "pass"}),
        ("return range(x)", {"return range(x + 1)", "return range(x + -1)"}),
    ],
)
def test_mutations(body, expected):
    assert expected <= changes(body), changes(body)


def test_only_what_the_student_writes_is_changed():
    assert not {change for change in changes("return x") if "g(" in change}


def small(tmp_path, *replaced):
    text = SMALL
    for old, new in replaced:
        assert old in text
        text = text.replace(old, new)
    folder = tmp_path / "book" / "exercises"
    folder.mkdir(parents=True)
    (folder / "99-small.md").write_text(text, "utf-8")
    return {fate.mutant.change: fate for fate in fates(Project(tmp_path), "99-small")}


LISTED = """\
---
tags: [solution]
equivalent:
  - return 2 * x -> return x
---
"""
DRAW = """\
```{code-cell} ipython3
:tags: [inputs]

def draw_double(rng):
    return (DRAWN,)
```

+++"""
BLIND = [("assert double(3) == 6", "assert double(3)"), ("== -2", "!= 0")]


def test_change_that_no_test_notices_is_alive(tmp_path):
    found = small(tmp_path, *BLIND)
    assert {found[f"return 2 * x -> return {n} * x"].fate for n in (3, 1)} == {"alive"}


def test_all_changes_of_the_small_solution_are_noticed(tmp_path):
    assert {fate.fate for fate in small(tmp_path).values()} == {"killed"}


@pytest.mark.parametrize(
    ("drawn", "fate", "why"),
    [("int(rng.integers(9))", "alive", "differs on drawn input"), ("0", "equivalent", "")],
)
def test_listed_change_agrees_on_drawn_inputs_or_is_alive(tmp_path, drawn, fate, why):
    draw = DRAW.replace("DRAWN", drawn)
    listed = (":tags: [solution]\n\n", LISTED), ("\nAn afterthought.", draw)
    one = small(tmp_path, *BLIND, *listed)["return 2 * x -> return x"]
    assert one.fate == fate and why in one.why


def test_listed_change_without_drawn_inputs_is_alive(tmp_path):
    found = small(tmp_path, *BLIND, (":tags: [solution]\n\n", LISTED))
    assert found["return 2 * x -> return x"].why == "there is no draw_double(rng)"


def test_listed_change_that_a_test_notices_is_alive(tmp_path):
    found = small(tmp_path, (":tags: [solution]\n\n", LISTED))
    assert "a test fails" in found["return 2 * x -> return x"].why


def test_a_thousand_inputs_are_drawn():
    assert DRAWN_INPUTS >= 1000
