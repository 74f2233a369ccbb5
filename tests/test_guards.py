"""What is promised of every test: no network, no asset that is silently missing, one thread."""

import socket

import pytest
import torch
from threadpoolctl import threadpool_info

from tests.guards import NetworkBlockedError, need_assets


def test_a_test_cannot_connect_beyond_this_machine():
    with socket.socket() as connection:
        connection.settimeout(1)
        with pytest.raises(NetworkBlockedError, match=r"192\.0\.2\.1"):
            connection.connect(("192.0.2.1", 80))


def test_a_test_cannot_look_up_a_name():
    with pytest.raises(NetworkBlockedError, match=r"example\.org"):
        socket.create_connection(("example.org", 80), timeout=1)


def test_a_server_on_this_machine_can_be_reached():
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname(), timeout=1) as connection,
    ):
        assert connection.getpeername() == server.getsockname()


def test_a_missing_asset_skips_the_test_and_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setenv("TL_CACHE", str(tmp_path))
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="run `tl assets fetch encoder`"):
        need_assets(["encoder"])


def test_a_missing_asset_is_a_failure_in_ci(monkeypatch, tmp_path):
    monkeypatch.setenv("TL_CACHE", str(tmp_path))
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="not in the cache: encoder"):
        need_assets(["encoder"])


def test_pytorch_and_numpy_compute_on_one_thread():
    assert torch.get_num_threads() == 1
    assert {pool["num_threads"] for pool in threadpool_info()} == {1}
