"""What a worker holds, and that it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from r2po.isolation.box import Box
from r2po.isolation.process import ENVIRONMENT
from tests.isolation.boxes import VECTOR, policy
from tests.isolation.kernels import ROOT

KEY = "marker-key-of-some-length-9c1d"


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def ends(pid: int, seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while is_alive(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def test_no_key_and_no_descriptor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with (tmp_path / "open").open("w") as opened, Box("limits") as box:
        os.set_inheritable(opened.fileno(), True)
        with Box("limits") as second:
            for worker in (box, second):
                environment = Path(f"/proc/{worker.pid}/environ").read_bytes()
                assert KEY.encode() not in environment
                assert dict(line.split("=") for line in environment.decode().strip("\0").split("\0")) == ENVIRONMENT
                descriptors = Path(f"/proc/{worker.pid}/fd")
                targets = sorted(str(link.readlink()).partition(":")[0] for link in descriptors.iterdir())
                assert targets == ["/dev/null"] * 3 + ["pipe"] * 2
                assert Path(f"/proc/{worker.pid}/cwd").readlink() == Path("/")


def test_status_of_a_worker() -> None:
    with Box("limits") as box:
        status = dict(
            line.split(":\t") for line in Path(f"/proc/{box.pid}/status").read_text().splitlines() if ":\t" in line
        )
        assert status["NoNewPrivs"] == "1"
        assert status["Threads"] == "1"
        assert int(status["VmRSS"].split()[0]) < 60_000
        if box.in_force.seccomp:
            assert status["Seccomp"] == "2"


def test_closing_ends_the_worker_in_any_state() -> None:
    with Box() as idle:
        assert is_alive(idle.pid)
    assert not is_alive(idle.pid)
    idle.close()
    busy = Box()
    busy._process.write(b"\1\0\0\0\1", time.monotonic() + 1)  # half a frame
    busy.close()
    assert not is_alive(busy.pid)


def test_a_pipe_that_is_closed_ends_an_idle_worker() -> None:
    box = Box()
    assert box._process._process.stdin is not None
    box._process._process.stdin.close()
    assert ends(box.pid)
    box.close()


SCRIPT = f"""
import sys, time
from r2po.isolation.box import Box
from r2po.isolation.protocol import Signature
box = Box()
box.load({policy("while True: pass")!r}, [0], Signature(4, 2, False))
print(box.pid, flush=True)
if sys.argv[1] == "busy":
    box.act([0], bytes(32))
time.sleep(60)
"""


@pytest.mark.parametrize("state", ["busy", "idle"])
def test_no_worker_outlives_a_parent_that_is_killed(state: str) -> None:
    with subprocess.Popen([sys.executable, "-c", SCRIPT, state], cwd=ROOT, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        time.sleep(0.1)
        assert is_alive(pid)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    assert ends(pid)


def test_boxes_in_several_threads() -> None:
    results: list[list[float]] = []

    def work(number: int) -> None:
        with Box() as box:
            box.load(policy(f"return [{number}, 0]"), [0], VECTOR)
            results.append([box.act([0], bytes(32))[0] for _ in range(20)])

    threads = [threading.Thread(target=work, args=[number]) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [[float(number)] * 20 for number in range(3)]
