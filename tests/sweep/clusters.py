"""Ray clusters on this machine: nodes with one core and with two, and nodes that do not see a folder."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.process.processes import REPOSITORY, wait_until

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
head = {"num_cpus": int(sys.argv[2]), "include_dashboard": False, "gcs_server_port": int(sys.argv[1]), **memory}
def start():
    cluster = Cluster(initialize_head=True, head_node_args=head)
    return cluster, cluster.add_node(num_cpus=2, **memory) if len(sys.argv) == 3 else None
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
BLIND = 'mount -t tmpfs none "$1" && shift && cd "$1" && shift && exec "$@"'
"""Hides a folder from a command, and from all that it starts."""
PRIVATE = ("unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")


class SmallCluster:
    """A cluster that is told what to lose."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._stdin, self._stdout = process.stdin, process.stdout
        self.address = next((line.strip() for line in self._stdout if ":" in line), "")
        assert self.address, "the cluster did not start"

    def do(self, what: str) -> None:
        """Let it do something."""
        self._stdin.write(f"{what}\n")
        self._stdin.flush()
        assert self._stdout.readline() == "done\n"


@contextmanager
def two_nodes(env: Mapping[str, str]) -> Iterator[SmallCluster]:
    """Start a cluster of nodes with one core and with two, and end it."""
    with _cluster(env, "1") as cluster:
        yield cluster


@contextmanager
def one_node(env: Mapping[str, str], cores: int) -> Iterator[SmallCluster]:
    """Start a cluster of one node, and end it."""
    with _cluster(env, str(cores), "alone") as cluster:
        yield cluster


@contextmanager
def _cluster(env: Mapping[str, str], *arguments: str) -> Iterator[SmallCluster]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    command = [sys.executable, "-c", CLUSTER, port, *arguments]
    with subprocess.Popen(command, env=dict(env), text=True, **pipes) as process:
        assert process.stdin is not None
        try:
            yield SmallCluster(process)
        finally:
            process.stdin.close()
            process.wait(60)


class BlindNode:
    """A node with two cores, for which some folder is an empty one of its own; it is in ``home`` when it starts."""

    def __init__(self, address: str, hidden: Path, home: Path, env: Mapping[str, str], log: Path) -> None:
        ray = str(Path(sys.executable).parent / "ray")
        options = ["--num-cpus", "2", "--object-store-memory", str(100 * 2**20), "--disable-usage-stats", "--block"]
        node = [sys.executable, ray, "start", "--address", address, *options]
        with log.open("w") as out:
            self._process = subprocess.Popen(
                [*PRIVATE, "sh", "-c", BLIND, "sh", str(hidden), str(home), *node],
                env=dict(env),
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        wait_until(lambda: "Ray runtime started" in log.read_text())
        assert self._process.poll() is None, log.read_text()

    def kill(self) -> None:
        """End all its processes at once."""
        self._process.send_signal(signal.SIGKILL)  # the first process of its namespace goes with it, and all others
        self._process.wait()


def can_hide_folders() -> bool:
    """Whether this system lets a user have mounts and processes of their own."""
    if not shutil.which("unshare"):
        return False
    return (
        subprocess.run(
            [*PRIVATE, "sh", "-c", BLIND, "sh", os.sep + "mnt", os.sep, "true"], check=False, capture_output=True
        ).returncode
        == 0
    )
