"""A page is held to its limits, and to the minutes that it prints."""

import json
from pathlib import Path

import nbformat
import pytest

from tools.budget.__main__ import main
from tools.budget.page import digest, environment_of_a_new_reader
from tools.project import Project

A_MINUTE = 65e12 / 3 * 60


@pytest.fixture
def project(tmp_path):
    (tmp_path / "book" / "chapters").mkdir(parents=True)
    (tmp_path / "notebooks").mkdir()
    return Project(tmp_path)


def write_page(project, code, prose="Read this.", listing="import torch"):
    text, cell = nbformat.v4.new_markdown_cell(prose), nbformat.v4.new_code_cell(code)
    shown = nbformat.v4.new_code_cell(listing, metadata={"tags": ["skip-execution"]})
    page = nbformat.v4.new_notebook(cells=[text, cell, shown])
    nbformat.write(page, project.notebook("10-page"))


def check(project, operations, memory=1e9, on_cpu=(), printed="about four minutes", single=()):
    project.source("10-page").write_text(
        f"**Time:** about a minute on two CPU cores, {printed} on a Colab GPU.\n"
    )
    write_page(project, "run = tl.start()")
    count = {"operations": operations, "single": dict(single)}
    count["memory"] = dict.fromkeys(operations, memory)
    stored = {"10-page": count | {"on_cpu": list(on_cpu), "code": digest(project, "10-page")}}
    (project.root / "book" / "budget.json").write_text(json.dumps(stored))
    return main(["--check"], project)


def test_a_page_inside_its_limits_holds_and_is_in_the_table(project, capsys):
    assert check(project, {"encoder": 2.5 * A_MINUTE, "decoder": 1.2 * A_MINUTE}) == 0
    assert capsys.readouterr().out.splitlines()[1].split() == [
        "10-page", "encoder", "3.25e+15", "0.00e+00", "2.5", "1.0",
    ]  # fmt: skip


def test_single_precision_takes_longer(project, capsys):
    """On a T4 by 65 / 3 to 8.1 / 2 teraflops: more than five times."""
    operations = {"encoder": 2.0 * A_MINUTE}
    assert check(project, operations, single={"encoder": A_MINUTE / 2}) == 1
    assert "say 'four'. Write 'about five minutes on a Colab GPU'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"operations": {"encoder": 16 * A_MINUTE}}, "16.0 minutes on a T4, the limit is 15"),
        ({"memory": 14.5e9}, "14.5 GB of memory, the limit is 14"),
        ({"on_cpu": ["encoder (BertModel)"]}, "encoder (BertModel) computes on the CPU of a GPU"),
        ({"printed": "about ten"}, "say 'ten'. Write 'about four minutes on a Colab GPU'"),
        ({"operations": {"encoder": 1.0}}, "say 'four'. Write 'about a minute on a Colab GPU'"),
    ],
)
def test_what_a_page_breaks_is_said(project, capsys, broken, message):
    assert check(project, **({"operations": {"encoder": 3.7 * A_MINUTE}} | broken)) == 1
    assert message in capsys.readouterr().err


def test_a_page_that_was_never_counted_is_said(project, capsys):
    project.source("11-new").write_text("")
    assert check(project, {"encoder": 3.7 * A_MINUTE}) == 1
    assert "11-new: never counted" in capsys.readouterr().err


def test_a_page_whose_code_has_changed_must_be_counted_again(project, capsys):
    assert check(project, {"encoder": 3.7 * A_MINUTE}) == 0
    write_page(project, "run = tl.start()", prose="Or read that.", listing="import peft")
    assert main(["--check"], project) == 0
    write_page(project, "run = tl.start('full')")
    assert main(["--check"], project) == 1
    assert capsys.readouterr().err == (
        "10-page: its code has changed since it was counted. Count it: python -m tools.budget 10\n"
    )


def test_a_count_does_not_read_what_an_earlier_one_has_computed(tmp_path, monkeypatch):
    monkeypatch.setenv("TL_CACHE", str(tmp_path / "old"))
    for name in ("assets/encoder", "hidden-states/of-chapter-9"):
        (tmp_path / "old" / name).mkdir(parents=True)
    (tmp_path / "new").mkdir()
    cache = Path(environment_of_a_new_reader({}, tmp_path / "new")["TL_CACHE"])
    assert (cache / "assets" / "encoder").is_dir()
    assert not (cache / "hidden-states").exists()
