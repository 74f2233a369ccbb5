"""Guards around every test: the network is closed, a missing asset is never passed over."""

import ipaddress
import os
import socket
from collections.abc import Callable, Iterable

import pytest

DEFAULT_ASSETS = ("encoder", "sentiment")  # what a bare `real_assets` marker stands for


class Network:
    """Closed from the first test's fixtures on, but for tests marked ``network``."""

    open = False


class NetworkBlockedError(AssertionError):
    """A test tried to leave this machine."""


def _is_local(host: object) -> bool:
    name = host.decode() if isinstance(host, bytes) else str(host)
    if name in ("", "None", "localhost"):
        return True
    try:
        return ipaddress.ip_address(name.split("%")[0]).is_loopback
    except ValueError:
        return False


def _guarded(function: Callable, host_of: Callable[[tuple], object]) -> Callable:
    """Wrap a function of the socket module so that it refuses hosts beyond this machine."""

    def guard(*arguments: object, **keywords: object) -> object:
        host = host_of(arguments)
        if not (Network.open or _is_local(host)):
            raise NetworkBlockedError(
                f"this test reached for {host}; give it what it needs, or a fake on localhost"
            )
        return function(*arguments, **keywords)

    return guard


def _host_of_address(arguments: tuple) -> object:
    _, address = arguments
    return address[0] if isinstance(address, tuple) else "localhost"  # else a Unix socket


def close_network() -> Callable[[], None]:
    """Close the network for this process; return what opens it again."""
    patch = pytest.MonkeyPatch()
    for name in ("connect", "connect_ex"):
        guard = _guarded(getattr(socket.socket, name), _host_of_address)
        patch.setattr(socket.socket, name, guard)
    patch.setattr(
        socket, "getaddrinfo", _guarded(socket.getaddrinfo, lambda arguments: arguments[0])
    )
    return patch.undo


def need_assets(names: Iterable[str]) -> None:
    """Skip where assets are not in the cache; fail in CI, which fetches all before the tests."""
    from tlhelpers.assets.fetching import is_fetched

    missing = [name for name in names if not is_fetched(name)]
    if not missing:
        return
    message = f"not in the cache: {', '.join(missing)}; run `tl assets fetch {' '.join(missing)}`"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)
