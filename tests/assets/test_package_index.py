"""The package index: a download goes on, the pinned file alone is taken, passwords stay at home."""

import signal
from hashlib import sha256

import pytest
from pypi_simple import PYPI_SIMPLE_ENDPOINT

from tests.assets.made import (
    NOISE,
    TEXT,
    Index,
    half_written,
    in_another_process,
    part_of,
    wait_until,
)
from tlhelpers import cache as cache_module
from tlhelpers.assets import fetching, package_index
from tlhelpers.assets.fetching import AssetError, fetch

# --- interrupted downloads ------------------------------------------------------------------------


def test_a_begun_download_goes_on_where_it_ended(made, index, cache):
    part = part_of(made, cache)
    part.parent.mkdir(parents=True)
    part.write_bytes(index.files["pack"][made.filename][:100_000])
    fetch("made")
    assert index.asked == [(made.filename, "bytes=100000-")]


def test_a_server_without_ranges_sends_all_of_it_again(made, index, cache):
    index.knows_ranges = False
    part = part_of(made, cache)
    part.parent.mkdir(parents=True)
    part.write_bytes(index.files["pack"][made.filename][:100_000])
    assert (fetch("made") / "text.txt").read_bytes() == TEXT


@pytest.mark.parametrize("length", [100_000, 10_000_000], ids=["shorter", "longer"])
def test_a_damaged_beginning_is_thrown_away(made, index, cache, length):
    part = part_of(made, cache)
    part.parent.mkdir(parents=True)
    part.write_bytes(b"x" * length)
    assert (fetch("made") / "text.txt").read_bytes() == TEXT
    assert index.asked[-1] == (made.filename, ""), "the last request began at zero"


def test_a_connection_that_breaks_is_taken_up_again(made, index):
    index.cuts = [2 * package_index.CHUNK + 1, package_index.CHUNK + 1]
    assert (fetch("made") / "deep" / "noise.bin").read_bytes() == NOISE
    assert [span for _, span in index.asked] == ["", "bytes=131072-", "bytes=196608-"]


def test_a_truncated_download_says_how_far_it_came_and_the_next_run_goes_on(made, index, cache):
    index.cuts = [package_index.CHUNK + 1] * package_index.ATTEMPTS
    with pytest.raises(AssetError) as error:
        fetch("made")
    assert f"262,144 of {made.size:,} bytes" in str(error.value)
    assert "goes on from there" in str(error.value)
    assert not fetching.is_fetched("made")
    assert not half_written(cache)

    fetch("made")
    assert index.asked[-1] == (made.filename, "bytes=262144-")


def test_killed_in_the_middle_of_a_download_the_next_run_goes_on(made, index, cache):
    index.stall_after = 100_000
    process = in_another_process("fetch('made', progress=False)")
    part = part_of(made, cache)
    wait_until(lambda: part.exists() and part.stat().st_size > 0)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    held = part.stat().st_size
    assert not fetching.is_fetched("made")

    index.stall_after = None
    assert (fetch("made") / "deep" / "noise.bin").read_bytes() == NOISE
    assert index.asked[-1] == (made.filename, f"bytes={held}-")
    assert not half_written(cache)


# --- the wrong file -------------------------------------------------------------------------------


def test_a_file_that_is_not_the_pinned_one_is_refused_and_deleted(made, index, cache):
    other = bytearray(index.files["pack"][made.filename])
    other[1000] ^= 1
    index.files["pack"][made.filename] = bytes(other)
    with pytest.raises(AssetError) as error:
        fetch("made")
    assert f"sha256 is {sha256(other).hexdigest()}, expected {made.sha256}" in str(error.value)
    assert not list((cache / "downloads").iterdir())
    assert not fetching.is_fetched("made")


def test_a_file_that_is_too_long_is_not_read_to_its_end(made, index, cache):
    index.files["pack"][made.filename] += b"x" * 50_000_000
    with pytest.raises(AssetError, match="not the pinned file"):
        fetch("made")
    assert not list((cache / "downloads").iterdir())


# --- no index, another index ----------------------------------------------------------------------


def test_offline_names_the_package_and_how_to_place_it_by_hand(made, index, cache):
    index.close()
    with pytest.raises(AssetError) as error:
        fetch("made")
    for word in ("Cannot reach", index.url, "pack 1.0", made.filename, str(cache / "downloads")):
        assert word in str(error.value)


def test_a_file_placed_by_hand_needs_no_network_and_stays(made, index, cache):
    data = index.files["pack"][made.filename]
    index.close()
    placed = cache / "downloads" / made.filename
    placed.parent.mkdir(parents=True)
    placed.write_bytes(data)
    assert (fetch("made") / "text.txt").read_bytes() == TEXT
    assert placed.exists()


def test_a_wrong_file_placed_by_hand_is_refused_and_stays(made, cache):
    placed = cache / "downloads" / made.filename
    placed.parent.mkdir(parents=True)
    placed.write_bytes(b"something else")
    with pytest.raises(AssetError, match="placed by hand, is not the pinned"):
        fetch("made")
    assert placed.read_bytes() == b"something else"


def test_an_index_without_the_package_or_without_the_file_is_named(made, index):
    index.files["pack"] = {"pack-2.0-py3-none-any.whl": b""}
    with pytest.raises(AssetError, match=r"has no file pack-1\.0"):
        fetch("made")
    del index.files["pack"]
    with pytest.raises(AssetError, match="has no package 'pack'"):
        fetch("made")


def test_a_password_in_the_index_address_goes_to_that_host_only(made, index, monkeypatch):
    other = Index()
    other.files, index.links_to = index.files, other
    index.password = "secret"
    monkeypatch.setenv("PIP_INDEX_URL", f"http://me:secret@{index.host}/simple/")
    fetch("made")
    other.close()
    assert other.seen_authorization == [None]


def test_a_password_is_sent_for_files_too_and_never_shown(made, index, monkeypatch):
    index.password = "secret"
    monkeypatch.setenv("PIP_INDEX_URL", f"http://me:secret@{index.host}/simple/")
    fetch("made")
    index.password = "changed"
    with pytest.raises(AssetError, match="HTTP 401") as error:
        fetch("made", again=True)
    assert "secret" not in str(error.value)


def test_the_index_is_that_of_pip_else_of_uv_else_pypi(monkeypatch, tmp_path):
    for variable in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"):
        monkeypatch.delenv(variable, raising=False)
    settings = tmp_path / "pip.conf"
    settings.write_text("")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(settings))
    monkeypatch.setattr(
        package_index, "_pip_settings", package_index._pip_settings.__wrapped__
    )  # no memory
    assert package_index.index_url() == PYPI_SIMPLE_ENDPOINT
    settings.write_text("[global]\nindex-url = https://of-pip.example/simple\n")
    assert package_index.index_url() == "https://of-pip.example/simple"
    monkeypatch.setenv("UV_INDEX_URL", "https://of-uv.example/simple")
    assert package_index.index_url() == "https://of-uv.example/simple"
    monkeypatch.setenv("PIP_INDEX_URL", "https://of-the-environment.example/simple")
    assert package_index.index_url() == "https://of-the-environment.example/simple"


def test_missing_certificates_are_named(made, monkeypatch, tmp_path):
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PIP_INDEX_URL", "https://127.0.0.1:9/simple/")
    monkeypatch.setenv("PIP_CERT", str(tmp_path / "none.pem"))
    with pytest.raises(AssetError, match=r"none\.pem"):
        fetch("made")


# --- the disk -------------------------------------------------------------------------------------


def test_too_little_space_is_found_before_the_download(made, index, cache, monkeypatch):
    usage = type("Usage", (), {"free": made.size + made.unpacked - 1})
    monkeypatch.setattr(cache_module.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(AssetError, match=r"Not enough room.*TL_CACHE"):
        fetch("made")
    assert index.asked == []
