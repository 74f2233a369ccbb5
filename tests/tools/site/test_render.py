"""The book renders with this project's settings, and a warning stops it."""

import shutil
import tomllib

import nbformat
import pytest
import yaml

from tools import lock
from tools.project import Project
from tools.site import render
from tools.site.serve import server

TOC = """
format: jb-book
root: book/index
chapters:
  - file: notebooks/10-demo
"""


def notebook(text):
    return nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_markdown_cell(text), nbformat.v4.new_code_cell("1 + 1")],
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}
        },
    )


@pytest.fixture
def project(tmp_path):
    project = Project(tmp_path)
    (project.stage / "notebooks").mkdir(parents=True)
    shutil.copytree(Project().root / "book" / "_static", project.stage / "book" / "_static")
    shutil.copy(Project().root / "_config.yml", project.stage)
    (project.stage / "_toc.yml").write_text(TOC)
    (project.stage / "book" / "index.md").write_text(
        "# Demo\n\n[Ten](../notebooks/10-demo.ipynb)\n"
    )
    nbformat.write(notebook("# Ten\n\n$x^2$"), project.stage / "notebooks" / "10-demo.ipynb")
    return project


@pytest.mark.slow
def test_the_book_renders_once_and_again_only_after_a_change(project, capsys):
    assert render.main([], project) == 0
    page = project.html / "notebooks" / "10-demo.html"
    assert '<html lang="en"' in page.read_text()
    assert "colab.research.google.com/github/transfer-learning-in-nlp/book" in page.read_text()
    assert str(project.html / "index.html") in capsys.readouterr().out

    assert render.main([], project) == 0
    assert "unchanged" in capsys.readouterr().out

    nbformat.write(notebook("# Ten anew"), project.stage / "notebooks" / "10-demo.ipynb")
    project.notebook("10-demo").parent.mkdir()
    project.notebook("10-demo").touch()
    assert render.main(["--chapter", "10"], project) == 0
    assert str(page) in capsys.readouterr().out
    assert "Ten anew" in page.read_text()


@pytest.mark.slow
def test_a_warning_stops_the_book_every_time(project, capsys):
    nbformat.write(
        notebook("# Ten\n\n[Gone](99-gone.ipynb)"), project.stage / "notebooks" / "10-demo.ipynb"
    )
    assert render.main([], project) != 0
    assert "99-gone" in capsys.readouterr().out
    assert render.main([], project) != 0, "the second time the page would not be read again"


def test_the_address_of_the_repository_stands_in_one_place():
    root = Project().root
    settings = tomllib.loads((root / "pyproject.toml").read_text())
    config = yaml.safe_load((root / "_config.yml").read_text())
    assert config["repository"]["url"] == settings["project"]["urls"]["Repository"]


def test_the_lock_holds_only_versions_that_any_machine_can_install():
    frozen = "torch==2.13.0+cpu\nnumpy==2.4.6\nnvidia-cublas==13.0\ntlhelpers==0.1.0\n# a comment\n"
    assert lock.portable(frozen) == "numpy==2.4.6\ntorch==2.13.0\n"
    with pytest.raises(ValueError, match="not a version"):
        lock.portable("thing @ file:///tmp/thing.whl\n")
    text = (Project().root / "requirements.txt").read_text()
    assert text == lock.HEADER + lock.portable(text)


def test_the_server_compresses_text_for_browsers_that_take_it(tmp_path):
    import gzip
    import threading
    from urllib.request import Request, urlopen

    (tmp_path / "index.html").write_text("<p>word</p>" * 1000)
    with server(tmp_path, quiet=True) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{running.server_port}/"
        with urlopen(Request(address, headers={"Accept-Encoding": "gzip"})) as answer:
            body = answer.read()
            assert answer.headers["Content-Encoding"] == "gzip"
        with urlopen(address) as answer:
            assert gzip.decompress(body) == answer.read()
            assert len(body) < 1000
        running.shutdown()
