"""Fetching: what arrives is whole and pinned, whatever fails, is killed or runs twice.

A small index on this machine serves a made wheel; processes that are killed are real ones.
"""

import signal
import sys

import pytest

from tests.assets.made import (
    NOISE,
    TEXT,
    changed,
    files_in,
    half_written,
    in_another_process,
    pinned,
    wait_until,
    zipped,
)
from tlhelpers.assets import fetching, package_index
from tlhelpers.assets.fetching import AssetError, fetch, verify

# --- what arrives ---------------------------------------------------------------------------------


def test_fetch_unpacks_the_wanted_files_and_nothing_else(made, cache):
    folder = fetch("made")
    assert files_in(folder) == {"text.txt", "deep/noise.bin", fetching.MANIFEST}
    assert (folder / "text.txt").read_bytes() == TEXT
    assert (folder / "deep" / "noise.bin").read_bytes() == NOISE
    assert not half_written(cache)
    assert not list((cache / "downloads").iterdir()), "the archive is not kept"


def test_no_code_of_an_archive_is_imported(made):
    fetch("made")
    assert "pack" not in sys.modules


def test_a_second_fetch_asks_nobody(made, index):
    first = fetch("made")
    asked = len(index.asked)
    assert fetch("made") == first
    assert len(index.asked) == asked == 1


def test_a_changed_pin_does_not_meet_the_old_files(made, register):
    before = fetching.folder_of("made")
    register(changed(made, members=("pack/data/text.txt",)))
    assert fetching.folder_of("made") != before


def test_an_unknown_name_is_answered_with_the_known_ones(cache):
    with pytest.raises(AssetError, match=r"no asset 'encodre'.*encoder"):
        fetch("encodre")


# --- another source -------------------------------------------------------------------------------


def test_a_beginning_from_the_first_source_goes_when_the_second_succeeds(
    made, index, register, cache
):
    data = zipped({"pack/data/text.txt": TEXT, "pack/data/deep/noise.bin": NOISE})
    twin = pinned(data, "twin-1.0-py3-none-any.whl", package="twin")
    register(made, twin)
    index.serve(twin, data)
    index.cuts = [
        package_index.CHUNK + 1
    ] * package_index.ATTEMPTS  # the first source breaks off each time
    fetch("made")
    assert not list((cache / "downloads").iterdir())


def test_the_second_source_is_taken_when_the_first_fails(made, index, register, capsys):
    inner = zipped({"text.txt": TEXT, "deep/noise.bin": NOISE})
    data = zipped({"twin/model.zip": inner})
    twin = pinned(data, "twin-1.0-py3-none-any.whl", package="twin", members=("twin/model.zip!*",))
    register(made, twin)
    index.serve(twin, data)
    del index.files["pack"]
    assert files_in(fetch("made")) == {"text.txt", "deep/noise.bin", fetching.MANIFEST}
    assert "has no package 'pack'" in capsys.readouterr().err


def test_when_all_sources_fail_each_reason_is_given(made, index, register):
    register(made, pinned(b"twin", "twin-1.0.zip", package="twin"))
    index.files.clear()
    with pytest.raises(AssetError, match=r"(?s)'pack'.*'twin'"):
        fetch("made")


# --- the disk -------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", ["download", "unpack"])
def test_a_disk_that_fills_up_leaves_nothing_half_written(index, cache, register, stage):
    data = zipped({"pack/data/zeros.bin": bytes(2_000_000), "pack/data/noise.bin": NOISE})
    source = pinned(data, unpacked=2_000_000 + len(NOISE))
    index.serve(source, data)
    register(source)
    assert len(data) < 1_000_000, "the archive fits where its content does not"
    limit = 200_000 if stage == "download" else 1_000_000
    process = in_another_process(
        "import resource",
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))",
        "fetch('made', progress=False)",
    )
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "AssetError: The disk is full" in errors
    assert "TL_CACHE" in errors
    assert not fetching.is_fetched("made")
    assert not half_written(cache)

    assert fetch("made").is_dir(), "with room it works"


def test_a_cache_folder_that_cannot_be_used_is_named(made, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("TL_CACHE", str(tmp_path / "file"))
    with pytest.raises(AssetError, match=r"Cannot use the cache folder .*file.*TL_CACHE"):
        fetch("made")


# --- killed, and twice at once --------------------------------------------------------------------


def test_killed_while_unpacking_the_next_run_starts_clean(made, index, cache):
    process = in_another_process(
        "import time",
        "fetching.write_manifest = lambda *_: (print('unpacked', flush=True), time.sleep(600))",
        "fetch('made', progress=False)",
    )
    assert process.stdout.readline() == "unpacked\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert half_written(cache), "the killed process left its files"
    assert not fetching.is_fetched("made")

    fetch("made")
    assert not half_written(cache)
    assert len(index.asked) == 1, "the finished download was used again"


def test_two_processes_at_once_download_once_and_both_get_it(made, index, cache):
    index.stall_after = 100_000
    first = in_another_process("print(fetch('made', progress=False))")
    wait_until(lambda: index.asked)
    second = in_another_process("print(fetch('made', progress=False))")
    assert "waiting for it" in second.stderr.readline()
    assert first.poll() is None
    index.stall_after = None
    index.stop_stalling.set()

    answers = {process.communicate(timeout=60)[0].strip() for process in (first, second)}
    assert first.returncode == second.returncode == 0
    assert answers == {str(fetching.folder_of("made"))}
    begun = [span for _, span in index.asked]
    assert begun == ["", "bytes=65536-"], "one download, taken up once after it broke off"
    assert verify("made")


# --- damage later on ------------------------------------------------------------------------------


def test_verify_returns_the_folder_of_a_whole_asset(made):
    folder = fetch("made")
    assert verify("made") == folder


def test_verify_names_changed_and_missing_files_and_again_repairs_them(made):
    folder = fetch("made")
    (folder / "text.txt").write_bytes(TEXT.upper())
    (folder / "deep" / "noise.bin").unlink()
    with pytest.raises(AssetError) as error:
        verify("made")
    assert f"changed: {folder / 'text.txt'}" in str(error.value)
    assert f"missing: {folder / 'deep' / 'noise.bin'}" in str(error.value)
    assert "tl assets fetch --again made" in str(error.value)

    fetch("made", again=True)
    assert verify("made") == folder
    assert (folder / "text.txt").read_bytes() == TEXT


def test_verify_covers_the_models_made_from_an_asset_and_again_removes_them(made, cache):
    folder = fetch("made")
    model = cache / "models" / f"{folder.name}-1"
    model.mkdir(parents=True)
    (model / "model.safetensors").write_bytes(b"weights")
    fetching.write_manifest(model)
    verify("made")
    (model / "model.safetensors").write_bytes(b"changed")
    with pytest.raises(AssetError, match=r"changed: .*model\.safetensors"):
        verify("made")
    fetch("made", again=True)
    assert not model.exists()
    verify("made")


def test_a_damaged_manifest_is_damage(made):
    (fetch("made") / fetching.MANIFEST).write_bytes(b"\xff\xfe")
    with pytest.raises(AssetError, match="unreadable"):
        verify("made")


def test_verify_says_when_nothing_is_fetched(made):
    with pytest.raises(AssetError, match=r"not fetched\. Run: tl assets fetch made"):
        verify("made")
