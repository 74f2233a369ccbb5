"""Serve the rendered book on this machine, compressed as the public site is."""

from __future__ import annotations

import argparse
import gzip
import io
import sys
from collections.abc import Sequence
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tools.project import Project

COMPRESSED = {".html", ".css", ".js", ".json", ".svg", ".ipynb", ".txt", ".md"}


class BookHandler(SimpleHTTPRequestHandler):
    """Hands out files; text is compressed where the browser takes it."""

    def __init__(self, *arguments: Any, quiet: bool = False, **options: Any) -> None:  # noqa: ANN401
        self.quiet = quiet
        super().__init__(*arguments, **options)

    def send_head(self) -> Any:  # noqa: ANN401 -- what the base class declares
        """Send the headers; return the body."""
        path = Path(self.translate_path(self.path))
        if path.is_dir() and self.path.endswith("/"):
            path = path / "index.html"
        takes_gzip = "gzip" in self.headers.get("Accept-Encoding", "")
        if not (takes_gzip and path.is_file() and path.suffix in COMPRESSED):
            return super().send_head()
        body = gzip.compress(path.read_bytes(), compresslevel=6, mtime=0)
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-cache")
        self.end_headers()
        return io.BytesIO(body)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: ANN401
        """Write the log of requests, unless the tests ask for silence."""
        if not self.quiet:
            super().log_message(format, *arguments)


def server(folder: Path, port: int = 0, *, quiet: bool = False) -> ThreadingHTTPServer:
    """Make a server of a folder on this machine's own address; port 0 takes any free one."""
    return ThreadingHTTPServer(
        ("127.0.0.1", port), partial(BookHandler, directory=str(folder), quiet=quiet)
    )


def main(arguments: Sequence[str] | None = None, project: Project | None = None) -> int:
    """Serve the book until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m tools.site.serve", description=__doc__)
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args(arguments)
    project = project or Project()
    if not (project.html / "index.html").exists():
        print("There is no rendered book yet: run `make book` first.", file=sys.stderr)
        return 2
    with server(project.html, options.port) as running:
        print(f"http://127.0.0.1:{running.server_port}  (Ctrl-C ends it)", flush=True)
        try:
            running.serve_forever()
        except KeyboardInterrupt:
            print()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
