"""Fetching: what arrives is whole and pinned, whatever fails, is killed or runs twice.

A small index on this machine serves a made wheel; processes that are killed are real ones.
"""

import errno
import io
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import textwrap
import threading
import time
import zipfile
from base64 import b64encode
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pypi_simple import PYPI_SIMPLE_ENDPOINT

from tlhelpers.assets import fetching as assets
from tlhelpers.assets.fetching import AssetError, fetch, verify
from tlhelpers.assets.table import ASSETS, Asset, Source

TEXT = b"A text that the book needs.\n"
NOISE = bytes(os.urandom(300_000))  # does not compress: the archive is as long as this, or longer


def made_wheel(**more: bytes) -> bytes:
    """A wheel with two wanted files and a module that must never run."""
    content = {
        "pack/data/text.txt": TEXT,
        "pack/data/deep/noise.bin": NOISE,
        "pack/__init__.py": b"raise SystemExit('the code of an asset was run')\n",
        "pack-1.0.dist-info/METADATA": b"Name: pack\n",
    } | {name.replace("__", "/"): data for name, data in more.items()}
    return zipped(content)


def zipped(content: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return file.getvalue()


def tarred(content: dict[str, bytes], links: dict[str, str] | None = None) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, data in content.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return file.getvalue()


def pinned(data: bytes, filename: str = "pack-1.0-py3-none-any.whl", **changes) -> Source:
    source = Source(
        package="pack",
        version="1.0",
        filename=filename,
        sha256=sha256(data).hexdigest(),
        size=len(data),
        unpacked=len(TEXT) + len(NOISE),
        members=("pack/data/*",),
    )
    return replace(source, **changes)


class Index:
    """A package index on 127.0.0.1 that can be told to misbehave."""

    def __init__(self) -> None:
        self.files: dict[str, dict[str, bytes]] = {}
        self.asked: list[tuple[str, str]] = []  # (filename, Range header) of each file request
        self.cuts: list[int] = []  # lengths after which the next answers break off
        self.stall_after: int | None = None  # bytes after which an answer waits for ever
        self.knows_ranges = True
        self.password: str | None = None
        self.seen_authorization: list[str | None] = []
        self.links_to: Index | None = None  # another host that holds the files
        self.stop_stalling = threading.Event()
        index = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                with suppress(ConnectionError):
                    index.answer(self)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server.server_port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}/simple/"

    def serve(self, source: Source, data: bytes) -> None:
        self.files.setdefault(source.package, {})[source.filename] = data

    def close(self) -> None:
        self.stop_stalling.set()
        self.server.shutdown()
        self.server.server_close()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.seen_authorization.append(request.headers.get("Authorization"))
        if self.password:
            expected = "Basic " + b64encode(f"me:{self.password}".encode()).decode()
            if request.headers.get("Authorization") != expected:
                request.send_error(401)
                return
        kind, name, *rest = request.path.strip("/").split("/")
        if kind == "simple" and name in self.files:
            root = f"http://{self.links_to.host}" if self.links_to else ""
            links = "".join(
                f'<a href="{root}/files/{name}/{filename}">{filename}</a>'
                for filename in self.files[name]
            )
            self.send(request, f"<!DOCTYPE html><html><body>{links}</body></html>".encode())
        elif kind == "files" and name in self.files and rest[0] in self.files[name]:
            self.send_file(request, rest[0], self.files[name][rest[0]])
        else:
            request.send_error(404)

    def send(self, request: BaseHTTPRequestHandler, data: bytes) -> None:
        request.send_response(200)
        request.send_header("Content-Type", "text/html")
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data)

    def send_file(self, request: BaseHTTPRequestHandler, name: str, data: bytes) -> None:
        span = request.headers.get("Range", "")
        self.asked.append((name, span))
        begin = 0
        if span and self.knows_ranges:
            begin = int(re.fullmatch(r"bytes=(\d+)-", span).group(1))
            if begin >= len(data):
                request.send_error(416)
                return
            request.send_response(206)
            request.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        else:
            request.send_response(200)
        request.send_header("Content-Length", str(len(data) - begin))
        request.end_headers()
        body = data[begin:]
        if self.cuts:
            request.wfile.write(body[: self.cuts.pop(0)])
        elif self.stall_after is not None:
            request.wfile.write(body[: self.stall_after])
            request.wfile.flush()
            self.stop_stalling.wait(60)
        else:
            request.wfile.write(body)


@pytest.fixture
def index(monkeypatch):
    server = Index()
    monkeypatch.setenv("PIP_INDEX_URL", server.url)
    monkeypatch.setattr(assets, "PAUSE", 0.0)
    yield server
    server.close()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def register(monkeypatch):
    def add(*sources: Source, name: str = "made") -> Asset:
        asset = Asset(name, "Made here.", "MIT", "https://example.org", "None.", sources)
        monkeypatch.setitem(ASSETS, name, asset)
        return asset

    return add


@pytest.fixture
def made(index, cache, register):
    """The asset "made", served whole."""
    data = made_wheel()
    source = pinned(data)
    register(source)
    index.serve(source, data)
    return source


def files_in(folder) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def half_written(cache) -> set[str]:
    """Everything in the cache but finished assets, beginnings of downloads, and locks."""
    found = {path.name for path in cache.glob("assets/.*")} | {
        path.name for path in cache.glob("models/.*")
    }
    return found | {path.name for path in cache.glob("downloads/*") if path.suffix != ".part"}


def part_of(source: Source, cache):
    return cache / "downloads" / f"{source.filename}.{source.sha256[:8]}.part"


# --- what arrives ---------------------------------------------------------------------------------


def test_fetch_unpacks_the_wanted_files_and_nothing_else(made, cache):
    folder = fetch("made")
    assert files_in(folder) == {"text.txt", "deep/noise.bin", assets.MANIFEST}
    assert (folder / "text.txt").read_bytes() == TEXT
    assert (folder / "deep" / "noise.bin").read_bytes() == NOISE
    assert not half_written(cache)
    assert not list((cache / "downloads").iterdir()), "the archive is not kept"


def test_a_beginning_from_the_first_source_goes_when_the_second_succeeds(
    made, index, register, cache
):
    data = zipped({"pack/data/text.txt": TEXT, "pack/data/deep/noise.bin": NOISE})
    twin = pinned(data, "twin-1.0-py3-none-any.whl", package="twin")
    register(made, twin)
    index.serve(twin, data)
    index.cuts = [assets.CHUNK + 1] * assets.ATTEMPTS  # the first source breaks off each time
    fetch("made")
    assert not list((cache / "downloads").iterdir())


def test_no_code_of_an_archive_is_imported(made):
    fetch("made")
    assert "pack" not in sys.modules


def test_a_second_fetch_asks_nobody(made, index):
    first = fetch("made")
    asked = len(index.asked)
    assert fetch("made") == first
    assert len(index.asked) == asked == 1


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
    assert files_in(fetch("made")) == {"LICENSE", "one.txt", "two.txt", assets.MANIFEST}


def test_a_changed_pin_does_not_meet_the_old_files(made, register):
    before = assets.folder_of("made")
    register(replace(made, members=("pack/data/text.txt",)))
    assert assets.folder_of("made") != before


def test_an_unknown_name_is_answered_with_the_known_ones(cache):
    with pytest.raises(AssetError, match=r"no asset 'encodre'.*encoder"):
        fetch("encodre")


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
    index.cuts = [2 * assets.CHUNK + 1, assets.CHUNK + 1]
    assert (fetch("made") / "deep" / "noise.bin").read_bytes() == NOISE
    assert [span for _, span in index.asked] == ["", "bytes=131072-", "bytes=196608-"]


def test_a_truncated_download_says_how_far_it_came_and_the_next_run_goes_on(made, index, cache):
    index.cuts = [assets.CHUNK + 1] * assets.ATTEMPTS
    with pytest.raises(AssetError) as error:
        fetch("made")
    assert f"262,144 of {made.size:,} bytes" in str(error.value)
    assert "goes on from there" in str(error.value)
    assert not assets.is_fetched("made")
    assert not half_written(cache)

    fetch("made")
    assert index.asked[-1] == (made.filename, "bytes=262144-")


# --- the wrong file -------------------------------------------------------------------------------


def test_a_file_that_is_not_the_pinned_one_is_refused_and_deleted(made, index, cache):
    other = bytearray(index.files["pack"][made.filename])
    other[1000] ^= 1
    index.files["pack"][made.filename] = bytes(other)
    with pytest.raises(AssetError) as error:
        fetch("made")
    assert f"sha256 is {sha256(other).hexdigest()}, expected {made.sha256}" in str(error.value)
    assert not list((cache / "downloads").iterdir())
    assert not assets.is_fetched("made")


def test_a_file_that_is_too_long_is_not_read_to_its_end(made, index, cache):
    index.files["pack"][made.filename] += b"x" * 50_000_000
    with pytest.raises(AssetError, match="not the pinned file"):
        fetch("made")
    assert not list((cache / "downloads").iterdir())


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
    assert files_in(fetch("made")) == {"text.txt", assets.MANIFEST}


def test_an_archive_that_unpacks_to_more_than_noted_is_stopped(made, register, cache):
    register(replace(made, unpacked=made.unpacked - 1))
    with pytest.raises(AssetError, match="unpacks to more than"):
        fetch("made")
    assert not assets.is_fetched("made")
    assert not half_written(cache)


def test_a_pattern_without_a_member_is_an_error(made, register):
    register(replace(made, members=("pack/data/text.txt", "pack/data/gone.txt")))
    with pytest.raises(AssetError, match=r"has no member pack/data/gone\.txt"):
        fetch("made")


# --- no index, another index, another source ------------------------------------------------------


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


def test_the_second_source_is_taken_when_the_first_fails(made, index, register, capsys):
    inner = zipped({"text.txt": TEXT, "deep/noise.bin": NOISE})
    data = zipped({"twin/model.zip": inner})
    twin = pinned(data, "twin-1.0-py3-none-any.whl", package="twin", members=("twin/model.zip!*",))
    register(made, twin)
    index.serve(twin, data)
    del index.files["pack"]
    assert files_in(fetch("made")) == {"text.txt", "deep/noise.bin", assets.MANIFEST}
    assert "has no package 'pack'" in capsys.readouterr().err


def test_when_all_sources_fail_each_reason_is_given(made, index, register):
    register(made, pinned(b"", "twin-1.0.zip", package="twin"))
    index.files.clear()
    with pytest.raises(AssetError, match=r"(?s)'pack'.*'twin'"):
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
    monkeypatch.setattr(assets, "_pip_settings", assets._pip_settings.__wrapped__)  # no memory
    assert assets.index_url() == PYPI_SIMPLE_ENDPOINT
    settings.write_text("[global]\nindex-url = https://of-pip.example/simple\n")
    assert assets.index_url() == "https://of-pip.example/simple"
    monkeypatch.setenv("UV_INDEX_URL", "https://of-uv.example/simple")
    assert assets.index_url() == "https://of-uv.example/simple"
    monkeypatch.setenv("PIP_INDEX_URL", "https://of-the-environment.example/simple")
    assert assets.index_url() == "https://of-the-environment.example/simple"


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
    monkeypatch.setattr(assets.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(AssetError, match=r"Not enough room.*TL_CACHE"):
        fetch("made")
    assert index.asked == []


@pytest.mark.parametrize("stage", ["download", "unpack"])
def test_a_disk_that_fills_up_leaves_nothing_half_written(index, cache, register, stage):
    data = zipped({"pack/data/zeros.bin": bytes(2_000_000), "pack/data/noise.bin": NOISE})
    source = pinned(data, unpacked=2_000_000 + len(NOISE))
    index.serve(source, data)
    register(source)
    assert len(data) < 1_000_000, "the archive fits where its content does not"
    limit = 200_000 if stage == "download" else 1_000_000
    process = in_another_process(
        source,
        "import resource",
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))",
        "fetch('made', progress=False)",
    )
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "AssetError: The disk is full" in errors
    assert "TL_CACHE" in errors
    assert not assets.is_fetched("made")
    assert not half_written(cache)

    assert fetch("made").is_dir(), "with room it works"


def test_no_space_left_is_explained(cache):
    with pytest.raises(AssetError, match=r"disk is full.*TL_CACHE"), assets.disk_errors():
        raise OSError(errno.ENOSPC, "No space left on device", "some/file")


def test_a_cache_folder_that_cannot_be_used_is_named(made, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("TL_CACHE", str(tmp_path / "file"))
    with pytest.raises(AssetError, match=r"Cannot use the cache folder .*file.*TL_CACHE"):
        fetch("made")


# --- killed, and twice at once --------------------------------------------------------------------


def in_another_process(source: Source, *lines: str) -> subprocess.Popen:
    """Start Python with the asset "made" registered; it sees the same index and cache."""
    program = f"""
        import json, sys
        from tlhelpers.assets import fetching as assets
        from tlhelpers.assets.fetching import Asset, AssetError, Source, fetch
        fields = json.loads({json.dumps(source.__dict__)!r})
        fields["members"] = tuple(fields["members"])
        assets.ASSETS["made"] = Asset("made", "", "", "", "", (Source(**fields),))
    """
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program) + "\n".join(lines)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until(condition, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def test_killed_in_the_middle_of_a_download_the_next_run_goes_on(made, index, cache):
    index.stall_after = 100_000
    process = in_another_process(made, "fetch('made', progress=False)")
    part = part_of(made, cache)
    wait_until(lambda: part.exists() and part.stat().st_size > 0)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    held = part.stat().st_size
    assert not assets.is_fetched("made")

    index.stall_after = None
    assert (fetch("made") / "deep" / "noise.bin").read_bytes() == NOISE
    assert index.asked[-1] == (made.filename, f"bytes={held}-")
    assert not half_written(cache)


def test_killed_while_unpacking_the_next_run_starts_clean(made, index, cache):
    process = in_another_process(
        made,
        "import time",
        "assets.write_manifest = lambda *_: (print('unpacked', flush=True), time.sleep(600))",
        "fetch('made', progress=False)",
    )
    assert process.stdout.readline() == "unpacked\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert half_written(cache), "the killed process left its files"
    assert not assets.is_fetched("made")

    fetch("made")
    assert not half_written(cache)
    assert len(index.asked) == 1, "the finished download was used again"


def test_two_processes_at_once_download_once_and_both_get_it(made, index, cache):
    index.stall_after = 100_000
    first = in_another_process(made, "print(fetch('made', progress=False))")
    wait_until(lambda: index.asked)
    second = in_another_process(made, "print(fetch('made', progress=False))")
    assert "waiting for it" in second.stderr.readline()
    assert first.poll() is None
    index.stall_after = None
    index.stop_stalling.set()

    answers = {process.communicate(timeout=60)[0].strip() for process in (first, second)}
    assert first.returncode == second.returncode == 0
    assert answers == {str(assets.folder_of("made"))}
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
    assets.write_manifest(model)
    verify("made")
    (model / "model.safetensors").write_bytes(b"changed")
    with pytest.raises(AssetError, match=r"changed: .*model\.safetensors"):
        verify("made")
    fetch("made", again=True)
    assert not model.exists()
    verify("made")


def test_a_damaged_manifest_is_damage(made):
    (fetch("made") / assets.MANIFEST).write_bytes(b"\xff\xfe")
    with pytest.raises(AssetError, match="unreadable"):
        verify("made")


def test_verify_says_when_nothing_is_fetched(made):
    with pytest.raises(AssetError, match=r"not fetched\. Run: tl assets fetch made"):
        verify("made")


# --- the table ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ASSETS)
def test_every_entry_is_pinned_and_says_where_it_comes_from(name):
    asset = ASSETS[name]
    assert asset.name == name and re.fullmatch(r"[a-z0-9-]+", name)
    assert asset.contents.endswith(".") and asset.citation.endswith(".") and asset.licence
    assert re.match("https?://", asset.origin)
    for source in asset.sources:
        assert re.fullmatch("[0-9a-f]{64}", source.sha256)
        assert source.version in source.filename
        assert source.kind == ("wheel" if source.filename.endswith(".whl") else "sdist")
        assert source.size > 0 and source.unpacked > 0 and source.members
        unwanted = (".py", ".marshal", ".pkl", ".so", "*.c")
        assert not any(pattern.endswith(unwanted) for pattern in source.members)


def real(name: str, *rest):
    """A case that needs the real asset in the cache."""
    return pytest.param(name, *rest, marks=pytest.mark.real_assets(name))


@pytest.mark.parametrize(
    ("name", "file", "encoding", "lines"),
    [
        real("sentiment", "movieReviewSnippets_GroundTruth.txt", "latin-1", 10_605),
        real("sentiment", "amazonReviewSnippets_GroundTruth.txt", "latin-1", 3_708),
        real("sentiment", "nytEditorialSnippets_GroundTruth.txt", "latin-1", 5_190),
        real("sentiment", "tweets_GroundTruth.txt", "latin-1", 4_200),
        real("analogies", "questions-words.txt", "utf-8", 19_544 + 14),  # with section titles
        real("analogies", "simlex999.txt", "utf-8", 999 + 2),  # with two lines of comment
        real("analogies", "wordsim353.tsv", "utf-8", 353 + 2),
    ],
)
def test_a_real_text_has_the_lines_that_its_entry_promises(name, file, encoding, lines):
    text = (fetch(name) / file).read_text(encoding)
    assert len(text.rstrip("\n").split("\n")) == lines


@pytest.mark.parametrize(
    ("name", "pattern", "files"),
    [
        real("encoder", "model.safetensors", 1),
        real("multilingual", "*.bin", 1),
        real("decoder", "*.gguf", 1),
        real("static-vectors", "*.npy", 1),
        real("topics", "*/*.txt", 2_225),
        real("intents", "*.json", 65 + 1),
        real("sentiment-zh", "*.txt", 2),
        real("biomedical", "*.xml.gz", 1),
        real("legal", "*.LICENSE", 2_310),
        real("silver-tags", "config.cfg", 1),
        real("g2p", "*.npz", 1),
    ],
)
def test_a_real_asset_is_whole_and_has_its_files(name, pattern, files):
    assert len(list(verify(name).glob(pattern))) == files
