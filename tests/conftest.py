"""What all tests share: no network, assets that are there or a reason, the miniature hub."""

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

# Before any test imports them: the libraries read these when they are imported, and processes
# that a test starts inherit them.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
# So that each test means the same on every machine: the last bits of a sum depend on the number of
# threads, and the threads of tests that run side by side would wait for each other.
os.environ["OMP_NUM_THREADS"] = "1"
# tests/on_gpu alone is for a GPU.
if "TL_TEST_GPU" not in os.environ:
    os.environ["CUDA_VISIBLE_DEVICES"] = ""

import pytest

from tests.guards import DEFAULT_ASSETS, Network, close_network, need_assets
from tests.miniature.build import build

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.scheduler.loadfile import LoadFileScheduling

ROOT = Path(__file__).parents[1]
# Long tests that share nothing: any process may take one.
PARTED = ("test_sampled_points.py", "test_mutants.py")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "network: may open connections; nothing in CI has it")
    config.add_cleanup(close_network())


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Say what `-n auto` means: as many processes as chapters run side by side."""
    from tools.execution.execute import default_jobs

    return default_jobs()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: "Producer") -> "LoadFileScheduling":
    """Let one process run a file's tests, which share what its fixtures made; but for PARTED."""
    from xdist.scheduler.loadfile import LoadFileScheduling

    class ByFile(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return nodeid if file.endswith(PARTED) else file

    return ByFile(config, log)


# A hook and not a fixture: it comes before the fixtures of modules and of the session.
@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    Network.open = item.get_closest_marker("network") is not None
    marker = item.get_closest_marker("real_assets")
    if marker is not None:
        need_assets(marker.args or DEFAULT_ASSETS)


@pytest.fixture(autouse=True)
def _profile_of_no_other_test() -> Iterator[None]:
    """Forget the profile and the device that a test started with."""
    yield
    profiles = sys.modules.get("tlhelpers.profiles")
    if profiles is not None:
        profiles._active = profiles._device = None


@pytest.fixture(scope="session")
def miniature(request: pytest.FixtureRequest) -> dict[str, str]:
    """Environment variables under which the full profile runs against the miniature hub."""
    folder = request.config.cache.mkdir("miniature")
    return build(Path(folder) / "hub")


@pytest.fixture(scope="session")
def run_in_miniature(miniature: dict[str, str]) -> Callable[..., str]:
    """Return a function that runs Python with given arguments in the miniature: its output."""

    def run(*arguments: str, timeout: float = 300) -> str:
        command = [sys.executable, "-W", "error::DeprecationWarning", *arguments]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=os.environ | miniature,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    return run
