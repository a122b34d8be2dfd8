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
from tests.isolation.boxes import GRAPH, VECTOR, policy, take
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


def test_no_key_and_no_descriptor_as_a_policy_sees_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    body = f"""
    os = loaded("os")
    found = 0
    for descriptor in range(1000):
        for use in (lambda: os.write(descriptor, b""), lambda: os.read(descriptor, 0)):
            try:
                use()
            except OSError as error:
                assert error.errno == 9
            else:
                found += 1
                break
    assert dict(os.environ) == {ENVIRONMENT!r}
    return [found, 0.0]
    """
    with (tmp_path / "open").open("w") as opened, Box():
        os.set_inheritable(opened.fileno(), True)
        assert take(policy(body, GRAPH)) == [[[5.0, 0.0]]]  # the standard streams, which lead nowhere, and two pipes


def test_no_key_and_no_descriptor_as_root_sees_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with Box() as box:
        try:
            environment = Path(f"/proc/{box.pid}/environ").read_text()
        except PermissionError:
            return  # not even the user who started it may look
        assert dict(line.split("=") for line in environment.strip("\0").split("\0")) == ENVIRONMENT
        targets = sorted(str(link.readlink()).partition(":")[0] for link in Path(f"/proc/{box.pid}/fd").iterdir())
        assert targets == ["/dev/null"] * 3 + ["pipe"] * 2
        assert Path(f"/proc/{box.pid}/cwd").readlink() == Path("/")


def test_status_of_a_worker() -> None:
    with Box("limits") as box:
        status = dict(
            line.split(":\t") for line in Path(f"/proc/{box.pid}/status").read_text().splitlines() if ":\t" in line
        )
        assert status["NoNewPrivs"] == "1"
        assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {"0" * 16}
        assert status["Threads"] == "1"
        assert int(status["VmRSS"].split()[0]) < 60_000
        if box.in_force.seccomp:
            assert status["Seccomp"] == "2"


def test_closing_ends_the_worker_in_any_state() -> None:
    with Box() as idle:
        assert is_alive(idle.pid)
    assert not is_alive(idle.pid)
    idle.close()
    with pytest.raises(ValueError, match="the box is closed"):
        idle.load("", [0], VECTOR)
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
