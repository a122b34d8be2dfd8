"""A sweep on a cluster of two nodes: how many runs are under way, and what becomes of it if a node or the head is lost.

What Ray does to the process that talks to it is also played by a stand-in for Ray.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from r2po.runlog import RunDirectory
from r2po.runlog.intact import check_files
from tests.llm.fake_ollama import FakeOllama
from tests.llm.fake_servers import FakeOpenAI
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
from tests.sweep.clusters import CLUSTERED, BlindNode, can_hide_folders, one_node, two_nodes
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


@pytest.mark.slow
@needs_ray
@pytest.mark.filterwarnings("default")
def test_a_run_whose_server_dies_gives_the_only_place_to_one_of_another_server(tmp_path: Path) -> None:
    write_config(tmp_path, {**VALUES, "num_iterations": 8, "logdir": "logs/dead"}, "dead.yaml")
    well_values = {**VALUES, "num_iterations": 2, "logdir": "logs/well", "llm_model_name": FakeOpenAI.model}
    write_config(tmp_path, well_values, "well.yaml")
    with FakeOllama(slow_player(0.2, 1)) as dead, FakeOpenAI(player) as well:
        more = {**CLUSTERED, **dead.environ}
        with one_node(environ(well, **more), 1) as cluster:
            command = ["dead.yaml", "well.yaml", "--runs", "1", "--ray", cluster.address, "--jobs", "1"]
            sweep = start_sweep(tmp_path, *command, server=well, **more)
            wait_until(lambda: len(dead.chats) >= 2, sweep)
            dead.die()
            wait_until((tmp_path / "logs/well/run_1/result.json").exists, sweep)
            assert not (tmp_path / "logs/dead/run_1/result.json").exists()
            dead.revive()
            done = finish(sweep)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list(tmp_path.glob("logs/*/run_*/result.json"))) == 2


needs_hidden_folders = pytest.mark.skipif(not can_hide_folders(), reason="a user may have no mounts of their own here")


@pytest.mark.slow
@needs_ray
@needs_hidden_folders
@pytest.mark.filterwarnings("default")
def test_nodes_that_do_not_see_the_logs_are_lost_and_others_continue_their_runs(tmp_path: Path) -> None:
    """The head, which sees them, makes runs as well; in the end all is as on a disk that they share."""
    command = ["config.yaml", "--runs", str(RUNS)]
    write_config(tmp_path / "calm", VALUES)
    write_config(tmp_path / "far", VALUES)
    with FakeOllama(player) as server:
        assert run_sweep(tmp_path / "calm", *command, server=server).returncode == 0
        calls = len(server.chats)
    with FakeOllama(slow_player(0.2, 4)) as server:
        env = environ(server, **CLUSTERED)
        with one_node(env, 1) as cluster:
            node = blind_node(tmp_path, "first", cluster.address, env)
            options = ["--ray", cluster.address, "--cpus-per-run", "0.5"]
            sweep = start_sweep(tmp_path / "far", *command, *options, server=server, **CLUSTERED)
            wait_until(lambda: iterations(tmp_path / "far") >= 2 * RUNS, sweep)
            node.kill()
            second = blind_node(tmp_path, "second", cluster.address, environ(None, **CLUSTERED), dotenv=server.environ)
            done = finish(sweep)
            second.kill()
        assert done.returncode == 0, done.stdout + done.stderr
        assert calls <= len(server.chats) <= calls + RUNS
        assert_no_reply_was_lost(tmp_path / "far", server)
    said = [line for line in done.stdout.splitlines() if "work on copies" in line]
    assert len(said) == 2, done.stdout
    assert re.search(rf"at once: {tmp_path}/far/logs/sweep-\w+ is not on this node$", said[0])
    assert results(tmp_path / "far") == results(tmp_path / "calm")
    for run in (tmp_path / "far").glob("logs/*/run_*"):
        assert check_files(RunDirectory(run)) == []
        assert listed(run) == listed(tmp_path / "calm" / run.relative_to(tmp_path / "far"))


@pytest.mark.slow
@needs_ray
@needs_hidden_folders
@pytest.mark.filterwarnings("default")
def test_the_command_is_killed_and_continues_on_a_node_that_does_not_see_the_logs(tmp_path: Path) -> None:
    write_config(tmp_path / "calm", VALUES)
    write_config(tmp_path / "far", VALUES)
    command = ["config.yaml", "--runs", str(RUNS)]
    with FakeOllama(player) as server:
        assert run_sweep(tmp_path / "calm", *command, server=server).returncode == 0
        calls = len(server.chats)
    with FakeOllama(slow_player(0.2, 4)) as server:
        env = environ(server, **CLUSTERED)
        with one_node(env, 0) as cluster:
            node = blind_node(tmp_path, "node", cluster.address, env)
            options = ["--ray", cluster.address, "--cpus-per-run", "0.5"]
            sweep = start_sweep(tmp_path / "far", *command, *options, server=server, **CLUSTERED)
            wait_until(lambda: iterations(tmp_path / "far") >= RUNS, sweep)
            sweep.kill()
            assert finish(sweep).returncode == -signal.SIGKILL
            again = run_sweep(tmp_path / "far", *command, *options, server=server, **CLUSTERED)
            node.kill()
        assert again.returncode == 0, again.stdout + again.stderr
        assert calls <= len(server.chats) <= calls + RUNS
        assert_no_reply_was_lost(tmp_path / "far", server)
    assert results(tmp_path / "far") == results(tmp_path / "calm")


@pytest.mark.slow
@needs_ray
@needs_hidden_folders
@pytest.mark.filterwarnings("default")
@pytest.mark.skipif(not LOCKS.exists(), reason="this system does not tell which processes there are")
def test_the_process_that_writes_for_nodes_is_killed_and_no_run_is_taken_for_failed(tmp_path: Path) -> None:
    """A node whose environment leads to another server makes no runs meanwhile."""
    write_config(tmp_path / "far", {**VALUES, "llm_model_name": FakeOpenAI.model})
    command = ["config.yaml", "--runs", str(RUNS)]
    with FakeOpenAI(slow_player(0.2, 4)) as server:
        env = environ(server, **CLUSTERED)
        with one_node(env, 0) as cluster:
            astray = blind_node(tmp_path, "astray", cluster.address, environ(None, **CLUSTERED))
            node = blind_node(tmp_path, "node", cluster.address, env)
            options = ["--ray", cluster.address, "--cpus-per-run", "0.5"]
            sweep = start_sweep(tmp_path / "far", *command, *options, server=server, **CLUSTERED)
            wait_until(lambda: iterations(tmp_path / "far") >= RUNS, sweep)
            (receiver,) = processes_called("ray::Receiver")
            os.kill(receiver, signal.SIGKILL)
            done = finish(sweep)
            again = run_sweep(tmp_path / "far", *command, *options, server=server, **CLUSTERED)
            node.kill()
            astray.kill()
    assert done.returncode == 1, done.stdout + done.stderr
    error, how = done.stderr.splitlines()
    assert "Ray has lost the process on this node that writes what runs on copies record" in error
    assert how.startswith("to continue: ")
    assert "failed" not in done.stdout
    assert re.search(
        r"the environment there leads to https://api\.openai\.com/v1 \(\S+\), and the sweep asks", done.stdout
    )
    assert again.returncode == 0, again.stdout + again.stderr
    recorded = sum(len(content["replies"]) for content in results(tmp_path / "far").values())
    assert recorded <= len(server.chats) <= recorded + RUNS


def processes_called(name: str) -> list[int]:
    found = [path for path in Path("/proc").glob("[0-9]*/cmdline") if path.read_bytes().startswith(name.encode())]
    return [int(path.parent.name) for path in found]


@pytest.mark.slow
@needs_ray
@needs_hidden_folders
@pytest.mark.filterwarnings("default")
def test_plugins_templates_and_no_keys_are_carried_to_nodes(tmp_path: Path) -> None:
    """Neither the key in the command's ``.env`` nor one beside a plugin is in anything that Ray keeps."""
    far, kept = tmp_path / "far", tmp_path / "ray.json"
    ignored = shutil.ignore_patterns("*cache*")
    shutil.copytree(REPOSITORY / "tests/outside/lab", far / "code/lab", ignore=ignored)
    (far / "code/lab/.env").write_text("OLLAMA_API_KEY=sk-of-the-plugin\n")
    write_config(far, LAB)
    (far / ".env").write_text("OLLAMA_API_KEY=sk-of-the-command\n")
    env = environ(None, **CLUSTERED)
    with one_node(env, 0) as cluster:
        node = blind_node(tmp_path, "node", cluster.address, env, hidden=far)
        command = ["config.yaml", "--runs", "2", "--plugin", "code/lab"]
        done = run_sweep(far, *command, "--ray", cluster.address, server=None, **CLUSTERED)
        kept.write_text(control_store(cluster.address, env))
        node.kill()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Receiver" in kept.read_text()
    assert "sk-of-the" not in done.stdout + kept.read_text()
    here = run_sweep(far, *command, "--logs", "local")
    assert here.returncode == 0, here.stdout + here.stderr
    for number in (1, 2):
        run, local = far / f"logs/lab/run_{number}", far / f"local/lab/run_{number}"
        assert trials(run) == trials(local)
        assert RunDirectory(run).read_description()["plugins"] == RunDirectory(local).read_description()["plugins"]


@pytest.mark.slow
@needs_ray
@needs_hidden_folders
@pytest.mark.filterwarnings("default")
def test_a_node_with_another_version_and_without_the_logs_is_refused(tmp_path: Path) -> None:
    write_config(tmp_path / "far", {**VALUES, "llm_model_name": "embedded/search"})
    shutil.copytree(REPOSITORY / "r2po", tmp_path / "other/r2po", symlinks=True)
    with (tmp_path / "other/r2po/seeding.py").open("a") as file:
        file.write("# changed\n")
    env = environ(None, **CLUSTERED)
    with one_node(env, 0) as cluster:
        node = blind_node(tmp_path, "node", cluster.address, {**env, "PYTHONPATH": str(tmp_path / "other")})
        done = run_sweep(tmp_path / "far", "config.yaml", "--ray", cluster.address, server=None, **CLUSTERED)
        node.kill()
    assert done.returncode == 2, done.stdout + done.stderr
    assert "no node of the Ray cluster can make runs" in done.stderr
    assert "too, but with other source files than here" in done.stderr
    assert list((tmp_path / "far").glob("logs/nim/*")) == []


def blind_node(
    folder: Path,
    name: str,
    address: str,
    env: Mapping[str, str],
    hidden: Path | None = None,
    dotenv: Mapping[str, str] | None = None,
) -> BlindNode:
    """Start a node that does not see the folder of the sweep, in a folder of its own, perhaps with a ``.env``."""
    (folder / name).mkdir()
    if dotenv is not None:
        (folder / name / ".env").write_text("".join(f"{key}={value}\n" for key, value in dotenv.items()))
    return BlindNode(address, hidden or folder / "far", folder / name, env, folder / f"{name}.log")


CONTROL_STORE = """
import sys, ray
from ray._private.state import state
from ray._private.worker import global_worker
from ray.experimental.internal_kv import _internal_kv_get, _internal_kv_list
ray.init(address=sys.argv[1], log_to_driver=False)
print(global_worker.node.get_session_dir_path())
print(state.job_table(), state.actor_table(None))
print([(key, _internal_kv_get(key)) for key in _internal_kv_list(b"")])
"""


def control_store(address: str, env: Mapping[str, str]) -> str:
    """Return what Ray keeps of jobs and actors, and what nodes and their processes have logged."""
    command = [sys.executable, "-c", CONTROL_STORE, address]
    told = subprocess.run(command, env=dict(env), text=True, capture_output=True, check=False)
    assert told.returncode == 0, told.stderr
    session = Path(told.stdout.splitlines()[0])
    logs = [path.read_text(errors="replace") for path in session.rglob("logs/*") if path.is_file()]
    assert logs != []
    return told.stdout + "".join(logs)


def assert_no_reply_was_lost(folder: Path, server: FakeOllama) -> None:
    """No question was asked again whose reply is on record: those asked twice were under way when they were lost."""
    recorded = sum(len(content["replies"]) for content in results(folder).values())
    assert recorded <= len(server.chats) <= recorded + RUNS


def listed(run: Path) -> list[str]:
    return sorted(str(path.relative_to(run)) for path in run.rglob("*"))


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
