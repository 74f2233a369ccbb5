"""What the tests of the assets share: an index, an empty cache, a table with the asset "made"."""

import json

import pytest

from tests.assets.made import Index, made_wheel, pinned
from tlhelpers.assets import package_index, table
from tlhelpers.assets.table import Asset, Source


@pytest.fixture
def index(monkeypatch):
    server = Index()
    monkeypatch.setenv("PIP_INDEX_URL", server.url)
    monkeypatch.setattr(package_index, "PAUSE", 0.0)
    yield server
    server.close()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def register(tmp_path, monkeypatch):
    """A table of assets of its own; what is called writes an entry into it."""
    folder = tmp_path / "table"
    folder.mkdir()
    monkeypatch.setattr(table, "FOLDER", folder)

    def add(*sources: Source, name: str = "made") -> Asset:
        entry = Asset(
            contents="Made here.",
            licence="MIT",
            origin="https://example.org",
            citation="None.",
            sources=sources,
        )
        # Every JSON file is a YAML file.
        (folder / f"{name}.yaml").write_text(json.dumps(entry.model_dump()), "utf-8")
        return entry

    return add


@pytest.fixture
def made(index, cache, register):
    """The asset "made", served whole."""
    data = made_wheel()
    source = pinned(data)
    register(source)
    index.serve(source, data)
    return source
