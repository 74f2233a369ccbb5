"""A variant has other numbers, names and texts; what readers see stays as it is."""

import json

import nbformat
import pytest

from tests.tools.exercises.masters import BOOK, CONTAINED, MASTERS, SMALL, sources
from tests.tools.exercises.submissions import small, without_metadata
from tools.exercises.__main__ import ANOTHER_SEED, main
from tools.exercises.assign import assign
from tools.exercises.grade import Grading, grade
from tools.exercises.master import read_master
from tools.exercises.prove import prove
from tools.exercises.variants import filled, pools
from tools.project import Project, UserError

FRONT = """\
---
variants:
  many: [1000, 2000, 4000]
  word: [{said: two, times: 2}, {said: three, times: 3}, {said: four, times: 4}]
---
"""
TEXT = FRONT + "<<many>> and <<many:,>>, <<word.said>> is <<word.times>>."

VARIED = (
    SMALL.replace("# Small", "---\nvariants: {n: [2, 5, 7], far: [3, 4, 6]}\n---\n\n# Small")
    .replace("Add it to itself.", "Take it <<n>> times.")
    .replace("return 2 * x", "return <<n>> * x")
    .replace("double(3) == 6", "double(<<far>>) == <<n>> * <<far>>")
    .replace("== -2", "== -<<n>>")
    .replace("abs(2 * x)", "abs(<<n>> * x)")
)


def body(seed, text=TEXT):
    return filled(text, seed, "x.md").removeprefix(FRONT)


def test_the_first_variant_takes_the_first_values():
    assert body(0) == "1000 and 1,000, two is 2."


def test_another_seed_draws_among_the_others_and_always_the_same():
    drawn = {body(seed) for seed in range(1, 30)}
    assert drawn == {
        f"{many} and {many:,}, {said} is {times}."
        for many in (2000, 4000)
        for said, times in (("three", 3), ("four", 4))
    }
    assert body(5) == body(5)


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        (("[1000, 2000, 4000]", "1000"), "list 3 values"),
        (("[1000, 2000, 4000]", "[1000, 2000]"), "list 3 values"),
        (("[1000, 2000, 4000]", "[1, 2, 2]"), "a value twice"),
        (("{said: two, times: 2}", "{said: two}"), "different parts"),
        (("<<word.said>> is <<word.times>>", ""), "no place <<word>>"),
        (("<<many>>", "<<mayn>>"), "nothing to write for <<mayn>>: KeyError('mayn')"),
        (("<<word.said>>", "<<word.sad>>"), "nothing to write for <<word.sad>>"),
        (("<<many>>", "<<many.said>>"), "nothing to write for <<many.said>>"),
        (("<<many:,>>", "<<many:q>>"), "nothing to write for <<many:q>>"),
    ],
)
def test_a_wrong_pool_or_place_is_named(changed, complaint):
    assert changed[0] in TEXT
    with pytest.raises(UserError, match=r"x\.md") as caught:
        filled(TEXT.replace(*changed), 1, "x.md")
    assert complaint in str(caught.value)


def test_a_place_in_a_master_without_pools_is_named():
    with pytest.raises(UserError, match="Its pools are none"):
        filled("# Title\n\n<<n>>", 0, "x.md")
    assert filled("1 << n >> 2", 0, "x.md") == "1 << n >> 2"


WITH_POOLS = [slug for slug in MASTERS if pools(BOOK.master(slug).read_text("utf-8"), slug)]


@pytest.mark.slow
@pytest.mark.parametrize("slug", WITH_POOLS)
def test_another_variant_of_each_master_differs_and_is_proven(slug):
    master, other = (read_master(BOOK.master(slug), seed) for seed in (0, ANOTHER_SEED))
    assert master.varied and other.seed == ANOTHER_SEED
    text = BOOK.master(slug).read_text("utf-8")
    assert len(pools(text, slug)) >= 2
    assert [*other.exercises] == [*master.exercises]
    differing = {
        name
        for name, exercise in other.exercises.items()
        if (exercise.solution, exercise.tests, exercise.hidden_tests)
        != (
            master.exercises[name].solution,
            master.exercises[name].tests,
            master.exercises[name].hidden_tests,
        )
    }
    assert len(differing) >= 2
    failed = [outcome for outcome in prove(BOOK, slug, ANOTHER_SEED) if not outcome.proven]
    assert not failed


@pytest.fixture
def varied(tmp_path, monkeypatch):
    """A project whose only master has variants, assigned without a seed and with three."""
    pytest.importorskip("otter", reason="pip install tlhelpers[instructors]")
    project = Project(tmp_path / "book-of-variants")
    path = project.master("99-small")
    path.parent.mkdir(parents=True)
    path.write_text(VARIED, "utf-8")
    monkeypatch.chdir(project.root)
    for seed in (0, 1, 2):
        assign(project, "99-small", seed)
    return project


def submission(project, seed, answer):
    """The notebook of a variant with an answer in it."""
    folder = project.build / "exercises" / "99-small" / f"seed-{seed}" / "student"
    path = folder / "99-small.ipynb" if seed else project.student_notebook("99-small")
    notebook = json.loads(path.read_text("utf-8"))
    for cell in notebook["cells"]:
        if "def double" in "".join(cell["source"]) and "checks" not in "".join(cell["source"]):
            cell["source"] = answer
    return notebook


def right(project, seed):
    return read_master(project.master("99-small"), seed).exercises["double"].solution


def test_a_variant_is_made_beside_what_readers_see(varied):
    plain = nbformat.read(varied.student_notebook("99-small"), as_version=4)
    assert "exercises" not in plain.metadata and "Take it 2 times" in sources(plain)
    for seed in (1, 2):
        folder = varied.build / "exercises" / "99-small" / f"seed-{seed}"
        for kind in ("student", "solution"):
            made = nbformat.read(folder / kind / "99-small.ipynb", as_version=4)
            assert made.metadata["exercises"] == {"seed": seed}
            assert "Take it 2 times" not in sources(made) and "<<" not in sources(made)
        assert (folder / "autograder.zip").exists()
    assert right(varied, 0) != right(varied, 1)


def graded(project, folder, notebooks, seed=None):
    folder.mkdir()
    for name, notebook in notebooks.items():
        (folder / f"{name}.ipynb").write_text(json.dumps(notebook), "utf-8")
    grades = grade(Grading(project, trusted=True, seed=seed), folder)
    return {one.file.removesuffix(".ipynb"): one for one in grades}


def test_each_notebook_is_graded_with_the_tests_of_its_variant(varied, tmp_path):
    found = graded(
        varied,
        tmp_path / "submissions",
        {
            "plain": submission(varied, 0, right(varied, 0)),
            "own": submission(varied, 1, right(varied, 1)),
            "of the others": submission(varied, 1, right(varied, 0)),
        },
    )
    points = {name: (one.seed, sum(one.points.values()), one.error) for name, one in found.items()}
    assert points == {"plain": (0, 2, ""), "own": (1, 2, ""), "of the others": (1, 0, "")}
    assert "(seed 1)" in found["own"].title and found["plain"].title == "99-small"


def test_a_notebook_without_metadata_is_asked_for_its_seed(varied, tmp_path):
    gone = without_metadata(submission(varied, 1, right(varied, 1)))
    asked = graded(varied, tmp_path / "asked", {"gone": gone})["gone"]
    assert "SEED=" in asked.error and not asked.points
    told = graded(varied, tmp_path / "told", {"gone": gone}, seed=1)["gone"]
    assert (told.error, sum(told.points.values())) == ("", 2)


def test_a_notebook_of_another_seed_is_refused_where_one_is_asked_for(varied, tmp_path):
    notebooks = {"two": submission(varied, 2, right(varied, 2))}
    two = graded(varied, tmp_path / "submissions", notebooks, seed=1)["two"]
    assert two.error == "made with the seed 2, and those with 1 are graded"


@pytest.mark.parametrize("seed", ["7", -1, 2**80, [1]])
def test_a_seed_that_is_none_is_named(varied, tmp_path, seed):
    notebook = submission(varied, 1, right(varied, 1))
    notebook["metadata"]["exercises"]["seed"] = seed
    one = graded(varied, tmp_path / "submissions", {"x": notebook})["x"]
    assert "its metadata give the seed" in one.error


@CONTAINED
def test_a_master_without_variants_asks_nobody(built, tmp_path):
    notebook = without_metadata(small(built))
    (tmp_path / "one.ipynb").write_text(json.dumps(notebook), "utf-8")
    (one,) = grade(Grading(built, seed=3), tmp_path)
    assert (one.error, one.seed) == ("", 0)


def test_the_command_line_proves_two_variants_and_draws_the_one_asked_for(
    varied, monkeypatch, capsys
):
    monkeypatch.setattr("tools.exercises.__main__.Project", lambda: varied)
    assert main(["prove"]) == 0
    said = capsys.readouterr().out
    assert "99-small: 4 of 4" in said and "99-small (seed 1): 4 of 4" in said
    assert main(["assign", "99", "--seed", "3"]) == 0
    said = capsys.readouterr().out
    assert "seed-3" in said and "99-small (seed 3): 4 of 4" in said and "99-small: 4" not in said
    with pytest.raises(SystemExit):
        main(["assign", "--seed", "-1"])


def test_the_command_line_says_where_a_master_has_no_variants(built, monkeypatch, capsys):
    monkeypatch.setattr("tools.exercises.__main__.Project", lambda: built)
    assert main(["prove", "99", "--seed", "3"]) == 0
    assert "99-small has no variants" in capsys.readouterr().out
