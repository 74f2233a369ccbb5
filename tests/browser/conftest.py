"""The rendered book, served on this machine and opened in Chromium."""

from __future__ import annotations

import os
import shutil
import threading

import pytest

from tools.project import Project
from tools.site.serve import server

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def _absent(reason):
    """Skip on somebody's laptop; fail where a green run has to mean that pages were opened."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def chromium():
    executable = next(filter(None, map(shutil.which, NAMES)), None)
    if executable is None:
        _absent("no chromium on the PATH: install it (Debian: apt-get install chromium)")
    return executable


@pytest.fixture(scope="session")
def address():
    html = Project().html
    if not (html / "index.html").exists():
        _absent("the book is not rendered: run `make book`")
    with server(html, quiet=True) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


@pytest.fixture(scope="session")
def browser(chromium):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield running
        running.close()
