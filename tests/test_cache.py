"""The cache: a folder is there whole or not at all, whatever is killed or runs twice."""

import errno
import signal
import subprocess
import sys
import textwrap

import pytest

from tlhelpers import cache
from tlhelpers.cache import AssetError, build_once


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where something is to be built, in an empty cache."""
    monkeypatch.setenv("TL_CACHE", str(tmp_path))
    return tmp_path / "made" / "thing"


def write(text):
    return lambda fresh: (fresh / "text.txt").write_text(text)


def test_a_folder_is_built_once(folder):
    assert build_once(folder, write("first"), lock="thing") == folder
    build_once(folder, lambda fresh: pytest.fail("built again"), lock="thing")
    assert (folder / "text.txt").read_text() == "first"
    assert [path.name for path in folder.parent.iterdir()] == ["thing"]


def test_again_replaces_what_is_there(folder):
    build_once(folder, write("first"), lock="thing")
    build_once(folder, write("second"), lock="thing", again=True)
    assert (folder / "text.txt").read_text() == "second"
    assert [path.name for path in folder.parent.iterdir()] == ["thing"]


def test_a_failed_replacement_keeps_what_was_there(folder):
    def fail(fresh):
        raise RuntimeError("no")

    build_once(folder, write("first"), lock="thing")
    with pytest.raises(RuntimeError, match="no"):
        build_once(folder, fail, lock="thing", again=True)
    assert (folder / "text.txt").read_text() == "first"


def test_a_folder_without_its_proof_counts_as_missing(folder):
    build_once(folder, write("first"), lock="thing")
    build_once(folder, write("second"), lock="thing", proof="text.txt")
    assert (folder / "text.txt").read_text() == "first"
    (folder / "text.txt").unlink()
    build_once(folder, write("third"), lock="thing", proof="text.txt")
    assert (folder / "text.txt").read_text() == "third"


def test_a_build_that_fails_leaves_nothing(folder):
    def fail(fresh):
        (fresh / "half.txt").write_text("half")
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        build_once(folder, fail, lock="thing")
    assert not list(folder.parent.iterdir())


def in_another_process(folder, build: str) -> subprocess.Popen:
    """Build the folder there; `build` is the body of the function."""
    program = f"""
        import sys, time
        from pathlib import Path
        from tlhelpers.cache import build_once
        def build(fresh):
            {build}
        print(build_once(Path({str(folder)!r}), build, lock="thing"))
    """
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


BEGIN_AND_WAIT = "(fresh / 'half.txt').write_text('half'); print('begun', flush=True); "


def test_what_a_killed_process_began_is_removed_by_the_next(folder):
    process = in_another_process(folder, BEGIN_AND_WAIT + "time.sleep(600)")
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not folder.exists() and list(folder.parent.iterdir())
    build_once(folder, write("whole"), lock="thing")
    assert [path.name for path in folder.parent.rglob("*")] == ["thing", "text.txt"]


def test_a_second_process_waits_and_does_not_build(folder):
    go_on = folder.parents[1] / "go on"
    wait = f"while not Path({str(go_on)!r}).exists(): time.sleep(0.02)"
    first = in_another_process(folder, BEGIN_AND_WAIT.rstrip("; ") + "\n            " + wait)
    assert first.stdout.readline() == "begun\n"
    second = in_another_process(folder, "sys.exit('built twice')")
    assert second.stderr.readline() == "Another process is preparing 'thing'; waiting for it.\n"
    go_on.touch()
    for process in (first, second):
        assert process.communicate(timeout=60)[0] == f"{folder}\n"
        assert process.returncode == 0


def test_a_folder_is_forgotten_whole(folder):
    build_once(folder, write("first"), lock="thing")
    cache.forget(folder)
    assert not list(folder.parent.iterdir())


def test_no_space_left_is_explained(folder):
    def fill(fresh):
        raise OSError(errno.ENOSPC, "No space left on device", "some/file")

    with pytest.raises(AssetError, match=r"disk is full.*TL_CACHE"):
        build_once(folder, fill, lock="thing")


def test_an_error_that_is_not_the_disks_stays_what_it_is(folder):
    def ask_the_network(fresh):
        raise ConnectionError("no network")

    with pytest.raises(ConnectionError, match="no network"):
        build_once(folder, ask_the_network, lock="thing")
