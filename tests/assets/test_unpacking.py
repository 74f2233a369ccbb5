"""Unpacking: the wanted members arrive, in their folder, and nothing else does."""

import pytest

from tests.assets.made import TEXT, changed, files_in, half_written, pinned, tarred, zipped
from tlhelpers.assets import fetching
from tlhelpers.assets.fetching import AssetError, fetch


def test_an_archive_inside_the_archive_is_opened(index, cache, register):
    inner = tarred({"in/one.txt": b"1", "in/two.txt": b"2", "in/code.py": b"exit()"})
    data = tarred({"pack-1.0/LICENSE": b"MIT", "pack-1.0/more/inner.tar.gz": inner})
    source = pinned(
        data,
        "pack-1.0.tar.gz",
        members=("pack-1.0/LICENSE", "pack-1.0/more/inner.tar.gz!in/*.txt"),
    )
    register(source)
    index.serve(source, data)
    assert files_in(fetch("made")) == {"LICENSE", "one.txt", "two.txt", fetching.MANIFEST}


@pytest.mark.parametrize("name", ["pack/data/../../../../evil", "/pack/evil", "pack\\..\\evil"])
def test_a_member_outside_the_folder_is_refused(index, cache, register, name):
    data = zipped({name: TEXT})
    source = pinned(data, members=("*evil",))
    register(source)
    index.serve(source, data)
    with pytest.raises(AssetError, match="outside its folder"):
        fetch("made")
    assert not list(cache.parent.rglob("evil"))
    assert not half_written(cache)


def test_links_in_an_archive_are_left_out(index, cache, register):
    data = tarred({"pack/data/text.txt": TEXT}, links={"pack/data/passwords": "/etc/passwd"})
    source = pinned(data, "pack-1.0.tar.gz")
    register(source)
    index.serve(source, data)
    assert files_in(fetch("made")) == {"text.txt", fetching.MANIFEST}


def test_an_archive_that_unpacks_to_more_than_noted_is_stopped(made, register, cache):
    register(changed(made, unpacked=made.unpacked - 1))
    with pytest.raises(AssetError, match="unpacks to more than"):
        fetch("made")
    assert not fetching.is_fetched("made")
    assert not half_written(cache)


def test_a_pattern_without_a_member_is_an_error(made, register):
    register(changed(made, members=("pack/data/text.txt", "pack/data/gone.txt")))
    with pytest.raises(AssetError, match=r"has no member pack/data/gone\.txt"):
        fetch("made")
