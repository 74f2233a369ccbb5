"""What a page needs is read from its code."""

import ast

import pytest

from tools.needs import main, needs, optional_packages, page_code
from tools.project import Project, read_json

BOOK = Project()


def of(code):
    return needs([ast.parse(code)])


def test_a_page_needs_the_optional_packages_that_it_imports():
    assert of("import spacy").packages == {"spacy"}
    assert of("from gensim.models import KeyedVectors").packages == {"gensim"}
    assert of("import torch, pandas").packages == set()


def test_a_module_of_ours_brings_what_it_imports():
    found = of("from tlhelpers.corpora import silver_tags")
    assert (found.packages, found.assets) == ({"spacy"}, {"silver-tags"})


def test_a_verb_brings_what_its_module_imports():
    found = of("import tlhelpers as tl\ntl.probing_tasks.news_words(topics)")
    assert (found.packages, found.assets) == ({"spacy"}, {"silver-tags"})
    found = of("import tlhelpers as tl\ntl.plots.history(tl.fit(model, train).history)")
    assert (found.packages, found.assets) == (set(), set())


def test_a_role_brings_its_asset_and_what_its_reader_imports():
    found = of('import tlhelpers as tl\ntl.data("intents", language="hi")')
    assert (found.packages, found.assets) == ({"hassil"}, {"intents"})
    found = of('import tlhelpers as tl\ntl.data("sentiment")\ntl.load("encoder")')
    assert (found.packages, found.assets) == (set(), {"sentiment", "encoder"})


def test_a_role_of_the_hub_brings_nothing():
    assert of('tl.load("roberta")').assets == set()


def test_the_assets_are_listed_for_the_command_that_fetches_them(capsys):
    assert main(["8"]) == 0
    assert capsys.readouterr().out == "encoder sentiment\n"
    assert main(["77"]) == 2
    assert "No chapter is called '77'" in capsys.readouterr().err


def test_every_optional_package_is_installed_for_the_tests_of_all_chapters():
    import tomllib

    extras = tomllib.loads((BOOK.root / "pyproject.toml").read_text("utf-8"))["project"]
    (all_of_them,) = extras["optional-dependencies"]["chapters"]
    assert set(all_of_them.partition("[")[2].rstrip("]").split(",")) == optional_packages()


@pytest.mark.book
@pytest.mark.parametrize("slug", BOOK.slugs())
def test_a_page_imported_no_optional_package_that_it_does_not_install(slug):
    record = read_json(BOOK.run_record(slug, "tiny"))
    assert record is not None, f"execute it: python -m tools.execution.execute {slug[:2]}"
    imported = optional_packages() & set(record["versions"])
    assert imported <= needs(page_code(BOOK, slug)).packages
