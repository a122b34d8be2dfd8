"""Tests, and the processes they start, reach no host but this one."""

from __future__ import annotations

import multiprocessing
import socket
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

FAR = ("192.0.2.1", 80)  # reserved for documentation: nobody answers


def connect() -> None:
    socket.create_connection(FAR, timeout=30)


def connect_without_an_exception() -> None:
    with socket.socket() as far:
        far.connect_ex(FAR)


def send_a_datagram() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as far:
        far.sendto(b"hello", FAR)


def look_up() -> None:
    socket.getaddrinfo("example.com", 80)


WAYS = [connect, connect_without_an_exception, send_a_datagram, look_up]


@pytest.mark.parametrize("way", WAYS)
def test_another_host_is_refused_at_once(way: Callable[[], None]) -> None:
    before = time.monotonic()
    with pytest.raises(RuntimeError, match="tests reach no host but this one"):
        way()
    assert time.monotonic() - before < 1


def test_so_it_is_in_other_processes() -> None:
    code = f"import socket; socket.create_connection({FAR}, timeout=30)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=20)
    assert "tests reach no host but this one" in done.stderr


def test_so_it_is_in_workers_of_multiprocessing() -> None:
    with (
        multiprocessing.get_context("spawn").Pool(1) as pool,
        pytest.raises(RuntimeError, match="tests reach no host but this one"),
    ):
        pool.apply(connect)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_loopback_is_there(host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection((host, server.getsockname()[1])):
        pass


def test_reserved_names_have_no_address() -> None:
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo("no-such-host.invalid", 80)
