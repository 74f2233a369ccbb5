"""A made wheel, and a package index on this machine that serves it and can misbehave."""

import io
import os
import re
import subprocess
import sys
import tarfile
import textwrap
import threading
import time
import zipfile
from base64 import b64encode
from contextlib import suppress
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tlhelpers.assets import table
from tlhelpers.assets.table import Source

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
    fields = {
        "package": "pack",
        "version": "1.0",
        "filename": filename,
        "sha256": sha256(data).hexdigest(),
        "size": len(data),
        "unpacked": len(TEXT) + len(NOISE),
        "members": ("pack/data/*",),
    }
    return Source(**(fields | changes))


def changed(source: Source, **changes) -> Source:
    """Pin the same archive otherwise."""
    return Source(**(source.model_dump() | changes))


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


def in_another_process(*lines: str) -> subprocess.Popen:
    """Start Python with the same table of assets; it sees the same index and cache."""
    program = f"""
        import sys
        from pathlib import Path
        from tlhelpers.assets import fetching, table
        from tlhelpers.assets.fetching import AssetError, fetch
        table.FOLDER = Path({str(table.FOLDER)!r})
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
