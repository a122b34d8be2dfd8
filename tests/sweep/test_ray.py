"""A sweep on a cluster of two nodes, one of which is lost in the middle."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from r2po.runlog import RunDirectory
from tests.llm.fake_ollama import FakeOllama
from tests.process.processes import REPOSITORY, environ, finish, player, run_r2po, trials, wait_until, write_config
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
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False, **memory})
node = cluster.add_node(num_cpus=2, **memory)
print(cluster.address, flush=True)
sys.stdin.readline()
cluster.remove_node(node, allow_graceful=False)
print("lost", flush=True)
sys.stdin.readline()
cluster.shutdown()
"""


@contextmanager
def two_nodes(env: Mapping[str, str]) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Give a cluster's address, and the process that removes a node for each line it is sent."""
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([sys.executable, "-c", CLUSTER], env=dict(env), text=True, **pipes) as cluster:
        assert cluster.stdin is not None
        assert cluster.stdout is not None
        try:
            address = next((line.strip() for line in cluster.stdout if ":" in line), "")
            assert address, "the cluster did not start"
            yield address, cluster
        finally:
            cluster.stdin.close()
            cluster.wait(60)


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
    with FakeOllama(player) as server, two_nodes(environ(server, **CLUSTERED)) as (address, cluster):
        options = ["--ray", address, "--cpus-per-run", "0.5"]
        sweep = start_sweep(tmp_path / "lost", *command, *options, server=server, **CLUSTERED)
        wait_until(lambda: iterations(tmp_path / "lost") >= 2 * RUNS, sweep)
        assert cluster.stdin is not None
        cluster.stdin.write("\n")
        cluster.stdin.flush()
        done = finish(sweep)
        assert done.returncode == 0, done.stdout + done.stderr
        assert calls <= len(server.chats) <= calls + RUNS
    assert results(tmp_path / "lost") == results(tmp_path / "calm")
    assert f"{RUNS}/{RUNS} runs done" in run_r2po(tmp_path / "lost", "status", "logs").stdout


@pytest.mark.slow
@needs_ray
@pytest.mark.filterwarnings("default")
def test_plugins_are_loaded_on_each_node(tmp_path: Path) -> None:
    shutil.copytree(REPOSITORY / "tests/outside/lab", tmp_path / "code/lab", ignore=shutil.ignore_patterns("*cache*"))
    write_config(tmp_path, LAB)
    with two_nodes(environ(None, **CLUSTERED)) as (address, _):
        command = ["config.yaml", "--runs", "4", "--plugin", "code/lab"]
        done = run_sweep(tmp_path, *command, "--ray", address, "--cpus-per-run", "0.5", server=None, **CLUSTERED)
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
