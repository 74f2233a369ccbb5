"""Start a process in which a student's code can do no harm, and stop it at its limits.

On Linux, bubblewrap gives it namespaces of its own: no network, no processes but its own, and a
file system with Python and nothing to write to but a small home in memory. It sees neither the
project (masters, solutions, hidden tests) nor the submissions.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tools.exercises import worker
from tools.project import Project, UserError

INSTALL = (
    "Grading runs what students wrote, and bubblewrap, which keeps that from doing harm, {trouble}."
    "\n- On Linux, install it: apt-get install bubblewrap, or dnf install bubblewrap. In a "
    "container, that container must allow namespaces (docker run --privileged)."
    "\n- Elsewhere, let otter grade in a container: otter grade -a "
    "_build/exercises/NN-slug/autograder.zip folder-of-notebooks. It gives its own, less strict "
    "points."
    "\n- If you have read every notebook: --trust, or make grade TRUST=1, runs them with your "
    "rights."
)
SYSTEM = ("/usr", "/bin", "/lib", "/lib64", "/etc/alternatives", "/etc/ld.so.cache", "/etc/fonts")
WATCH_SECONDS = 0.05
HOME = "/home/student"


@dataclass(frozen=True)
class Limits:
    """What one notebook may use: seconds for its cells, and for the checks of each exercise."""

    seconds: float = 120
    memory: float = 4  # GB, of all its processes together
    processes: int = 64


class Stopped(Exception):
    """The process has ended; says why."""


class Sandbox:
    """A process that answers the requests that `tools.exercises.worker` understands.

    Parameters
    ----------
    limits
        What it may use.
    trusted
        Whether to run it without bubblewrap, with the rights of whoever calls this.

    Raises
    ------
    UserError
        If bubblewrap is not there, or cannot do its work here.
    """

    def __init__(self, limits: Limits, trusted: bool = False) -> None:
        python = [sys.executable, "-I", "-B"]
        own = Path(worker.__file__)
        command = [*python, str(own)] if trusted else _contained(python, own)
        self.limits = limits
        self.stopped = ""
        self._folder = tempfile.TemporaryDirectory()
        said = Path(self._folder.name, "said")
        with said.open("wb") as errors:
            self._process = subprocess.Popen(
                command,
                cwd=self._folder.name,
                env=_environment(self._folder.name if trusted else HOME),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        self.restart_clock()
        self._watch = threading.Thread(target=self._keep_watch, daemon=True)
        self._watch.start()
        try:
            self._receive()
        except Stopped:
            last = said.read_text("utf-8", "replace").strip().splitlines()[-1:]
            self.close()
            trouble = f"does not work here ({' '.join(last) or self.stopped})"
            raise UserError(INSTALL.format(trouble=trouble)) from None

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def restart_clock(self) -> None:
        """Allow the limit of seconds from now on."""
        self._deadline = time.monotonic() + self.limits.seconds

    def ask(self, do: str, **request: Any) -> dict[str, Any]:  # noqa: ANN401
        """Send a request and wait for its reply.

        Raises
        ------
        Stopped
            If the process has ended, before or while it answers.
        """
        if self.stopped:
            raise Stopped(self.stopped)
        try:
            assert self._process.stdin
            worker.send(self._process.stdin, {"do": do, **request})
        except OSError:
            self._end("")
        return self._receive()

    def close(self) -> None:
        """End the process, and whatever it started."""
        self._kill()
        self._process.wait()
        self._watch.join()
        for file in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                file.close()  # type: ignore[union-attr]
        self._folder.cleanup()

    def _receive(self) -> dict[str, Any]:
        if self.stopped:
            raise Stopped(self.stopped)
        try:
            assert self._process.stdout
            return worker.receive(self._process.stdout)
        except EOFError:
            self._end("its process ended by itself: does it call exit(), or crash?")
        except (OSError, ValueError, RecursionError) as error:
            self._end(f"its process sent what cannot be read: {error}")
        raise Stopped(self.stopped)

    def _end(self, reason: str) -> None:
        self._kill()
        self._watch.join()  # it may know better why
        self.stopped = self.stopped or reason or "its process ended by itself"

    def _kill(self) -> None:
        # Killing bubblewrap kills the first process of its namespace, and with it every other.
        for process in self._all_processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        if self._process.poll() is None:
            self._process.kill()

    def _all_processes(self) -> list[psutil.Process]:
        with contextlib.suppress(psutil.NoSuchProcess):
            first = psutil.Process(self._process.pid)
            return [first, *first.children(recursive=True)]
        return []

    def _keep_watch(self) -> None:
        limits = self.limits
        while self._process.poll() is None:
            processes = self._all_processes()
            if time.monotonic() > self._deadline:
                self.stopped = f"stopped after {limits.seconds:g} s: is there an endless loop?"
            elif len(processes) > limits.processes:
                self.stopped = f"stopped: it started more than {limits.processes} processes"
            elif _memory(processes) > limits.memory * 1e9:
                self.stopped = f"stopped: it took more than {limits.memory:g} GB of memory"
            if self.stopped:
                return self._kill()
            time.sleep(WATCH_SECONDS)
        return None


def _memory(processes: list[psutil.Process]) -> float:
    """Bytes of all processes; what they share counts once if the plain sum is large."""
    total = 0.0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            total += process.memory_info().rss
    if total < 1e9 or len(processes) < 2 or not hasattr(psutil.Process(), "memory_maps"):
        return total
    shared_once = 0.0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            shared_once += process.memory_full_info().pss
    return shared_once or total


def _environment(home: str) -> dict[str, str]:
    return {
        "HOME": home,
        "USER": "student",
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "OMP_NUM_THREADS": "1",
        "MPLBACKEND": "Agg",
        "HF_HUB_OFFLINE": "1",
    }


def _contained(python: list[str], own: Path) -> list[str]:
    bubblewrap = shutil.which("bwrap")
    if bubblewrap is None:
        raise UserError(INSTALL.format(trouble="is not installed"))
    options = ["--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent"]
    options += ["--new-session", "--uid", "1000", "--gid", "1000", "--cap-drop", "ALL"]
    for path in SYSTEM:
        options += ["--ro-bind-try", path, path]
    options += ["--ro-bind-try", "/sys/devices/system/cpu", "/sys/devices/system/cpu"]
    options += ["--proc", "/proc", "--dev", "/dev"]
    for path, size in (("/dev/shm", 2**26), ("/tmp", 2**28), (HOME, 2**28)):
        options += ["--size", str(size), "--tmpfs", path]
    # The project may lie in one of these, /tmp for instance, and Python in the project.
    root = str(Project().root)
    options += ["--tmpfs", root]
    for path in dict.fromkeys((sys.base_prefix, sys.prefix)):
        options += ["--ro-bind", path, path]
    options += ["--ro-bind", str(own), "/worker.py"]
    for path in (root, "/dev", "/"):
        options += ["--remount-ro", path]
    return [bubblewrap, *options, "--chdir", HOME, "--", *python, "/worker.py"]
