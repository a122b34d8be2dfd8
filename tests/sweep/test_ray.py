"""A sweep on a cluster of two nodes: how many runs are under way, and what becomes of it if a node or the head is lost.

What Ray does to the process that talks to it is also played by a stand-in for Ray.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from r2po.runlog import RunDirectory
from tests.llm.fake_ollama import FakeOllama
from tests.process.processes import (
    REPOSITORY,
    environ,
    finish,
    player,
    run_r2po,
    start,
    trials,
    wait_until,
    write_config,
)
from tests.sweep.sweeping import SMALL, results, run_sweep, start_sweep

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed: pip install 'r2po[ray]'"
)
VALUES: Mapping[str, Any] = {**SMALL, "method": "props", "num_iterations": 20}
LAB: Mapping[str, Any] = {
    "gym_env_name": "Lab-v0",
    "method": "twice",
    "llm_model_name": "dice/1",
    "logdir": "logs/lab",
    "plugins": ["lab"],
    "prompts": "code/lab/prompts",
    "num_iterations": 3,
    "num_evaluation_episodes": 3,
    "heldout_episodes": 2,
    "rollout_engine": "reference",
}
RUNS = 6
LOCKS = Path("/proc/locks")
# Nodes talk over the machine's own address, which tests/conftest.py does not count as loopback: not guarded here.
CLUSTERED = {
    "PYTHONPATH": str(REPOSITORY),
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DISABLE_IMPORT_WARNING": "1",
    "RAY_agent_register_timeout_ms": "300000",  # a node gives up on its own agents where the machine is busy
}
CLUSTER = """
import sys
from ray.cluster_utils import Cluster
memory = {"object_store_memory": 100 * 2**20}
head = {"num_cpus": 1, "include_dashboard": False, "gcs_server_port": int(sys.argv[1]), **memory}
def start():
    cluster = Cluster(initialize_head=True, head_node_args=head)
    return cluster, cluster.add_node(num_cpus=2, **memory)
cluster, node = start()
print(cluster.address, flush=True)
for line in sys.stdin:
    if line == "lose the node\\n":
        cluster.remove_node(node, allow_graceful=False)
    elif line == "lose the head\\n":
        cluster.remove_node(cluster.head_node, allow_graceful=False)
    elif line == "lose the control store\\n":
        cluster.head_node.kill_gcs_server()
    else:
        cluster.shutdown()
        cluster, node = start()
    print("done", flush=True)
cluster.shutdown()
"""


class TwoNodes:
    """A cluster of nodes with one core and with two, which is told what to lose."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._stdin, self._stdout = process.stdin, process.stdout
        self.address = next((line.strip() for line in self._stdout if ":" in line), "")
        assert self.address, "the cluster did not start"

    def do(self, what: str) -> None:
        self._stdin.write(f"{what}\n")
        self._stdin.flush()
        assert self._stdout.readline() == "done\n"


@contextmanager
def two_nodes(env: Mapping[str, str]) -> Iterator[TwoNodes]:
    """Start a cluster, and end it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([sys.executable, "-c", CLUSTER, port], env=dict(env), text=True, **pipes) as process:
        assert process.stdin is not None
        try:
            yield TwoNodes(process)
        finally:
            process.stdin.close()
            process.wait(60)


def under_way(folder: Path) -> int:
    """Return how many runs are locked by a process, as Linux tells in one piece."""
    locks = {str(path.stat().st_ino) for path in folder.glob("logs/*/run_*/.lock")}
    held = (line.split()[5].rpartition(":")[2] for line in LOCKS.read_text().splitlines() if " FLOCK " in line)
    return len(locks.intersection(held))


def slow_player(seconds: float, at_once: int) -> Callable[[str], str]:
    """Answer slowly, and few at once."""
    places = threading.Semaphore(at_once)

    def answer(prompt: str) -> str:
        with places:
            time.sleep(seconds)
        return player(prompt)

    return answer


def iterations(folder: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in folder.glob("logs/*/run_*/iterations.jsonl"))


@pytest.mark.slow
@needs_ray
@pytest.mark.filterwarnings("default")
def test_the_runs_of_a_lost_node_are_finished_on_another(tmp_path: Path) -> None:
    command = ["config.yaml", "--runs", str(RUNS)]
    write_config(tmp_path / "calm", VALUES)
    write_config(tmp_path / "lost", VALUES)
    with FakeOllama(player) as server:
        assert run_sweep(tmp_path / "calm", *command, server=server).returncode == 0
        calls = len(server.chats)
    with FakeOllama(player) as server, two_nodes(environ(server, **CLUSTERED)) as cluster:
        options = ["--ray", cluster.address, "--cpus-per-run", "0.5"]
        sweep = start_sweep(tmp_path / "lost", *command, *options, server=server, **CLUSTERED)
        wait_until(lambda: iterations(tmp_path / "lost") >= 2 * RUNS, sweep)
        cluster.do("lose the node")
        done = finish(sweep)
        assert done.returncode == 0, done.stdout + done.stderr
        assert calls <= len(server.chats) <= calls + RUNS
    assert results(tmp_path / "lost") == results(tmp_path / "calm")
    assert f"{RUNS}/{RUNS} runs done" in run_r2po(tmp_path / "lost", "status", "logs").stdout


@pytest.mark.slow
@needs_ray
@pytest.mark.filterwarnings("default")
@pytest.mark.skipif(not LOCKS.exists(), reason="this system does not tell which locks are held")
def test_no_more_runs_are_under_way_than_the_cores_allow(tmp_path: Path) -> None:
    write_config(tmp_path, {**VALUES, "num_iterations": 4})
    with FakeOllama(slow_player(0.5, 2)) as server, two_nodes(environ(server, **CLUSTERED)) as cluster:
        command = ["config.yaml", "--runs", "10", "--ray", cluster.address, "--cpus-per-run", "0.75"]
        sweep = start_sweep(tmp_path, *command, server=server, **CLUSTERED)
        seen = []
        while sweep.poll() is None:
            seen.append(under_way(tmp_path))
            time.sleep(0.1)
        done = finish(sweep)
    assert done.returncode == 0, done.stdout + done.stderr
    assert max(seen) == 3  # one for the core of one node, two for those of the other


@pytest.mark.slow
@needs_ray
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("what", ["lose the head", "lose the control store"])
def test_the_same_command_continues_on_a_cluster_started_again(what: str, tmp_path: Path) -> None:
    command = ["config.yaml", "--runs", str(RUNS)]
    write_config(tmp_path / "calm", VALUES)
    write_config(tmp_path / "lost", VALUES)
    with FakeOllama(player) as server:
        assert run_sweep(tmp_path / "calm", *command, server=server).returncode == 0
        calls = len(server.chats)
    with FakeOllama(slow_player(0.2, 2)) as server, two_nodes(environ(server, **CLUSTERED)) as cluster:
        options = ["--ray", cluster.address, "--cpus-per-run", "0.5"]
        sweep = start_sweep(tmp_path / "lost", *command, *options, server=server, **CLUSTERED)
        wait_until(lambda: iterations(tmp_path / "lost") >= 2 * RUNS, sweep)
        began = time.monotonic()
        cluster.do(what)
        done = finish(sweep)
        assert time.monotonic() - began < 40
        assert done.returncode == 1, done.stdout + done.stderr
        error, how = done.stderr.splitlines()
        assert error.startswith(f"error: the Ray cluster {cluster.address} is lost: ")
        cluster.do("start again")
        env = environ(server, **CLUSTERED)
        again = finish(start(tmp_path / "lost", ["bash", "-c", how.removeprefix("to continue: ")], env))
        assert again.returncode == 0, again.stdout + again.stderr
        assert calls <= len(server.chats) <= calls + RUNS
    assert results(tmp_path / "lost") == results(tmp_path / "calm")


@pytest.mark.slow
@needs_ray
@pytest.mark.filterwarnings("default")
def test_a_killed_command_continues_on_the_same_cluster(tmp_path: Path) -> None:
    write_config(tmp_path, VALUES)
    with FakeOllama(slow_player(0.2, 2)) as server, two_nodes(environ(server, **CLUSTERED)) as cluster:
        command = ["config.yaml", "--runs", str(RUNS), "--ray", cluster.address, "--cpus-per-run", "0.5"]
        sweep = start_sweep(tmp_path, *command, server=server, **CLUSTERED)
        wait_until(lambda: iterations(tmp_path) >= 2 * RUNS, sweep)
        sweep.kill()
        assert finish(sweep).returncode == -signal.SIGKILL
        again = run_sweep(tmp_path, *command, server=server, **CLUSTERED)
        assert again.returncode == 0, again.stdout + again.stderr
        recorded = [len(content["replies"]) for content in results(tmp_path).values()]
        assert sum(recorded) <= len(server.chats) <= sum(recorded) + RUNS


@pytest.mark.slow
@needs_ray
@pytest.mark.filterwarnings("default")
def test_plugins_are_loaded_on_each_node(tmp_path: Path) -> None:
    shutil.copytree(REPOSITORY / "tests/outside/lab", tmp_path / "code/lab", ignore=shutil.ignore_patterns("*cache*"))
    write_config(tmp_path, LAB)
    with two_nodes(environ(None, **CLUSTERED)) as cluster:
        command = ["config.yaml", "--runs", "4", "--plugin", "code/lab"]
        options = ["--ray", cluster.address, "--cpus-per-run", "0.5"]
        done = run_sweep(tmp_path, *command, *options, server=None, **CLUSTERED)
        assert done.returncode == 0, done.stdout + done.stderr
    processes = (tmp_path / "imported.txt").read_text().split()
    assert len(set(processes)) == len(processes) > 1
    here = run_sweep(tmp_path, *command, "--logs", "local")
    assert here.returncode == 0, here.stdout + here.stderr
    for number in range(1, 5):
        run, local = tmp_path / f"logs/lab/run_{number}", tmp_path / f"local/lab/run_{number}"
        assert trials(run) == trials(local)
        assert RunDirectory(run).read_description()["plugins"] == RunDirectory(local).read_description()["plugins"]


def test_without_ray_it_says_what_to_install(tmp_path: Path) -> None:
    write_config(tmp_path, {**VALUES, "llm_model_name": "embedded/search"})
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden/ray.py").write_text("raise ImportError('hidden')\n")
    path = os.pathsep.join([str(tmp_path / "hidden"), environ()["PYTHONPATH"]])
    done = run_sweep(tmp_path, "config.yaml", "--ray", "auto", PYTHONPATH=path)
    assert done.returncode == 2
    assert "pip install 'r2po[ray]'" in done.stderr


ABORTING_RAY = """
import os
class exceptions:
    class RayError(Exception): pass
def init(**_):
    os.write(2, b"[C++] Check failed: what a user should not see")
    os.abort()
"""


def test_a_cluster_whose_loss_ends_the_process_that_talks_to_it_is_told_in_one_line(tmp_path: Path) -> None:
    write_config(tmp_path, {**VALUES, "llm_model_name": "embedded/search"})
    (tmp_path / "stand_in").mkdir()
    (tmp_path / "stand_in/ray.py").write_text(ABORTING_RAY)
    path = os.pathsep.join([str(tmp_path / "stand_in"), environ()["PYTHONPATH"]])
    with socket.create_server(("127.0.0.1", 0)) as head:
        address = f"127.0.0.1:{head.getsockname()[1]}"
        done = run_sweep(tmp_path, "config.yaml", "--runs", "2", "--ray", address, PYTHONPATH=path)
    assert done.returncode == 1
    error, how = done.stderr.splitlines()
    assert error.startswith(f"error: the Ray cluster {address} is lost: Ray has ended the process")
    assert "(signal 6)" in error
    assert how.startswith("to continue: ")
    assert how.endswith(f"sweep config.yaml --runs 2 --ray {address}")
