"""Data by role: what comes along, what is printed, what is refused."""

from typing import get_args

import pytest

from tlhelpers.corpora import by_role
from tlhelpers.corpora.by_role import COLUMNS, data
from tlhelpers.roles import DATASETS, Kind

movie_sentences = pytest.mark.real_assets("sentiment")


@pytest.fixture(scope="module")
def sentiment():
    return data("sentiment", profile="tiny", quiet=True)


@movie_sentences
def test_source_and_licence_come_along(sentiment):
    info = sentiment["test"].info
    assert "Hutto" in info.citation
    assert info.license == "MIT"
    assert "movie-review sentences" in info.description


@movie_sentences
def test_the_page_is_told_what_it_got(capsys):
    data("sentiment", profile="tiny")
    assert capsys.readouterr().out == (
        "movie-review sentences with human ratings: 8,569 train, 500 validation, 1,000 test "
        "· 2 classes: negative, positive\n"
    )


def test_a_language_that_the_set_does_not_have_is_refused():
    with pytest.raises(ValueError, match="'nli' has no language 'tlh' here; it has ar, bg"):
        data("nli", profile="full", language="tlh")


def test_a_hub_out_of_reach_says_what_to_do():
    with pytest.raises(ConnectionError, match="cannot get stanfordnlp/imdb") as error:
        data("sentiment", profile="full")
    assert "profile='tiny'" in str(error.value)


def test_a_reader_that_there_is_not_is_named(monkeypatch):
    lost = DATASETS["sentiment"]["tiny"].model_copy(update={"reader": "sentimant"})
    monkeypatch.setattr(by_role, "DATASETS", {"sentiment": {"tiny": lost}})
    with pytest.raises(
        LookupError, match="'sentiment' names the reader 'sentimant'; there are bio"
    ):
        data("sentiment", profile="tiny")


def test_each_kind_of_data_set_has_its_columns():
    assert set(COLUMNS) == set(get_args(Kind))
