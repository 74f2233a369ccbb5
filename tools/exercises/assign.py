"""Make student notebook, solution and autograder from an exercise master; otter-grader helps."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_raw_cell

from tools.exercises import plainly
from tools.exercises.master import Exercise, Master, answer_role, read_master
from tools.pair import KERNEL
from tools.project import Project, write_atomically

# What an autograder in a container installs; here everything is installed already.
REQUIREMENTS = ["numpy", "pandas", "scikit-learn", "torch", "transformers"]
CHECKS_FOLDER = ".checks"


def assign(project: Project, slug: str, seed: int = 0) -> Path:
    """Make everything that is given away from one master.

    Parameters
    ----------
    project
        Whose ``book/exercises`` to read.
    slug
        The master's name without ending.
    seed
        Which variant to draw; 0 for the one that readers see.

    Returns
    -------
    Path
        ``_build/exercises/<slug>`` with ``solution/<slug>.ipynb`` and ``autograder.zip``. The
        student's notebook goes to ``notebooks/exercises``, where readers and Colab find it; that of
        a drawn variant to ``student/<slug>.ipynb``, all in ``_build/exercises/<slug>/seed-<seed>``.

    Raises
    ------
    UserError
        If the master is incomplete.
    """
    master = read_master(project.master(slug), seed)
    with tempfile.TemporaryDirectory() as scratch:
        made = _run_otter_assign(master, Path(scratch))
        student = nbformat.read(made / "student" / f"{slug}.ipynb", as_version=4)
        solved = nbformat.read(made / "autograder" / f"{slug}.ipynb", as_version=4)
        visible = {p.stem: p.read_text("utf-8") for p in (made / "student/tests").glob("*.py")}
        every = {p.stem: p.read_text("utf-8") for p in (made / "autograder/tests").glob("*.py")}
        target = project.build / "exercises" / slug
        given = project.student_notebook(slug)
        if master.seed:
            target /= f"seed-{master.seed}"
            given = target / "student" / given.name
            for notebook in (student, solved):
                notebook.metadata["exercises"] = {"seed": master.seed}
        _write_notebook(given, student, visible)
        _show_wrong_answers(solved, master)
        _write_notebook(target / "solution" / f"{slug}.ipynb", solved, every)
        (archive,) = (made / "autograder").glob("*.zip")
        write_atomically(target / "autograder.zip", archive.read_bytes())
    return target


def otter_master(master: Master) -> nbformat.NotebookNode:
    """Write the master in otter's own format, with raw cells that open and close each part."""
    config = {
        "name": master.slug,
        "init_cell": False,  # ours works on Colab too, see _setup_cell
        "export_cell": False,  # does not work on Colab; the notebook itself is handed in
        "tests": {"files": True, "ok_format": False},
        "requirements": REQUIREMENTS,
    }
    cells = [new_raw_cell(f"# ASSIGNMENT CONFIG\n{json.dumps(config)}")]
    opened: set[str] = set()
    for cell in master.cells:
        exercise = master.exercises.get(cell.metadata.get("exercise", ""))
        if exercise and exercise.name not in opened:
            opened.add(exercise.name)
            # As in our own grading, passing a test by doing nothing earns nothing.
            opening = (
                f"# BEGIN QUESTION\nname: {exercise.name}\npoints: {exercise.points}\n"
                "all_or_nothing: true"
            )
            cells += [new_raw_cell(opening), _with_facts(cell, exercise)]
        elif exercise and answer_role(cell) == "solution":
            cells += _answer_and_tests(exercise)
        elif not answer_role(cell):
            cells.append(_bare(cell))
    return new_notebook(cells=cells, metadata={"kernelspec": dict(KERNEL)})


def _answer_and_tests(exercise: Exercise) -> list[NotebookNode]:
    hidden = [f"# HIDDEN\n{test}" for test in exercise.hidden_tests]
    return [
        new_raw_cell("# BEGIN SOLUTION"),
        new_code_cell(exercise.solution),
        new_raw_cell("# END SOLUTION"),
        new_raw_cell("# BEGIN TESTS"),
        *(new_code_cell(test) for test in [*exercise.tests, *hidden]),
        new_raw_cell("# END TESTS"),
        new_raw_cell("# END QUESTION"),
    ]


def _bare(cell: NotebookNode) -> NotebookNode:
    return (
        new_code_cell(cell.source) if cell.cell_type == "code" else new_markdown_cell(cell.source)
    )


def _with_facts(cell: NotebookNode, exercise: Exercise) -> NotebookNode:
    heading, _, rest = cell.source.partition("\n")
    return new_markdown_cell(f"{heading}\n\n{exercise.facts}\n{rest}")


def _run_otter_assign(master: Master, folder: Path) -> Path:
    import otter.assign

    path = folder / f"{master.slug}.ipynb"
    nbformat.write(otter_master(master), path)
    # Our own proof runs the solution against the tests, in-process and in a fraction of the time.
    otter.assign.main(str(path), str(folder / "made"), no_pdfs=True, no_run_tests=True)
    return folder / "made"


def _write_notebook(path: Path, notebook: Any, tests: dict[str, str]) -> None:  # noqa: ANN401
    at = next(i for i, cell in enumerate(notebook.cells) if cell.cell_type == "code")
    notebook.cells.insert(at, _setup_cell(tests))
    notebook.cells.append(
        new_markdown_cell(
            "---\n\nTo hand in: save this notebook and give its file (`.ipynb`) to your instructor."
        )
    )
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number:03}"  # two runs give the same file
        if cell.cell_type == "code":
            cell.source = re.sub(r"^[ \t]*# (BEGIN|END) SOLUTION\n?", "", cell.source, flags=re.M)
    write_atomically(path, nbformat.writes(nbformat.from_dict(notebook), version=4) + "\n")


def _setup_cell(tests: dict[str, str]) -> NotebookNode:
    """Carry the visible tests inside the notebook: on Colab there is no file beside it."""
    watched = {
        name: re.sub(r"^def ", "@plainly\ndef ", test, flags=re.M)
        for name, test in sorted(tests.items())
    }
    listed = "".join(f"    {name!r}: {test!r},\n" for name, test in watched.items())
    wrapper = Path(plainly.__file__).read_text("utf-8")
    source = (
        "# @title Run this first: it sets up the checks\n"
        "from pathlib import Path\n\n"
        "try:\n"
        "    import otter\n"
        "except ModuleNotFoundError:  # on Colab\n"
        "    %pip install -q otter-grader\n"
        "    import otter\n\n"
        f"plainly = {wrapper!r}\n"
        f"checks = {{\n{listed}}}\n"
        f"Path({CHECKS_FOLDER!r}).mkdir(exist_ok=True)\n"
        "for name, check in checks.items():\n"
        f"    Path({CHECKS_FOLDER!r}, name + '.py').write_text(plainly + check, 'utf-8')\n"
        f"grader = otter.Notebook(tests_dir={CHECKS_FOLDER!r})"
    )
    folded = {"cellView": "form", "jupyter": {"source_hidden": True}, "tags": ["hide-input"]}
    return new_code_cell(source, metadata=folded)


def _show_wrong_answers(notebook: Any, master: Master) -> None:  # noqa: ANN401
    """List, after each check of the solution, the wrong answers and what each is told."""
    cells = []
    for cell in notebook.cells:
        cells.append(cell)
        source = cell.source if isinstance(cell.source, str) else "".join(cell.source)
        checked = re.fullmatch(r'grader\.check\("(\w+)"\)', source.strip())
        if checked:
            wrong = "\n\n".join(
                f"*{answer.message}*\n\n```python\n{answer.source}\n```"
                for answer in master.exercises[checked[1]].wrong_answers
            )
            folded = f"<details><summary>Wrong answers</summary>\n\n{wrong}\n\n</details>"
            cells.append(new_markdown_cell(folded))
    notebook.cells = cells
