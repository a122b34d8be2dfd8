"""Trackers of real processes: killed and resumed, several at once in a sweep, baselines."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from r2po.baselines.sb3.algorithms import PACKAGES
from tests.baselines.sb3.suites import make_suite
from tests.llm.fake_ollama import FakeOllama
from tests.process.processes import (
    NIM,
    continuation,
    finish,
    player,
    records,
    run_main,
    run_r2po,
    stall_after,
    start_fresh_main,
    start_main,
    wait_until,
    write_config,
)
from tests.sweep.sweeping import run_sweep
from tests.trackers.recorder import RECORDER, points, read
from tests.trackers.runs import iterations, result

PLUGIN = str(Path(__file__).parent / "recorder.py")


def test_a_run_that_is_killed_is_sent_without_gap_or_duplicate(tmp_path: Path) -> None:
    run = tmp_path / "logs/run_1"
    write_config(tmp_path, {**NIM, "num_iterations": 5})
    options = ("--plugin", PLUGIN, "--track", "recorder", "--quiet")
    with FakeOllama(player) as server:
        stall_after(server, 3)
        process = start_main(tmp_path, *options, server=server)
        wait_until(lambda: len(points(run)) == 3, process)
        process.kill()
        finish(process)
    assert [each["step"] for each in points(run)] == [1, 2, 3]
    assert not [line for line in read(run) if "complete" in line]
    with FakeOllama(player) as server:
        done = run_main(tmp_path, *options, "--resume", server=server)
    assert (done.returncode, done.stderr) == (0, "")
    assert [each["step"] for each in points(run)] == [1, 2, 3, 4, 5]
    assert [each["reward/kept"] for each in points(run)] == [each["reward"] for each in iterations(run)]
    assert [each["llm/calls"] for each in points(run)] == [1, 2, 3, 4, 5]
    assert points(run)[-1]["tokens/search/prompt"] == result(run)["tokens"]["search"]["prompt_tokens"]
    assert [line["complete"] for line in read(run) if "complete" in line] == [True]


def test_a_run_that_is_stopped_says_so_and_how_to_continue_names_the_trackers(tmp_path: Path) -> None:
    write_config(tmp_path, {**NIM, "max_llm_calls": 2})
    with FakeOllama(player) as server:
        done = run_main(tmp_path, "--plugin", PLUGIN, "--track", "recorder", server=server)
    assert done.returncode == 1
    assert "--track recorder" in continuation(done.stderr)
    run = tmp_path / "logs/run_1"
    assert [each["step"] for each in points(run)] == [1, 2]
    assert read(run)[-1] == {"complete": False}


def test_a_sweep_sends_each_of_its_runs(tmp_path: Path) -> None:
    write_config(tmp_path, {**NIM, "llm_model_name": "embedded/search", "logdir": "logs/exp"})
    asked = ("config.yaml", "--runs", "3", "--plugin", PLUGIN)
    done = run_sweep(tmp_path, *asked, "--jobs", "2", "--track", "recorder")
    assert (done.returncode, done.stderr) == (0, "")
    for number in (1, 2, 3):
        run = tmp_path / f"logs/exp/run_{number}"
        assert [each["reward/kept"] for each in points(run)] == [each["reward"] for each in iterations(run)]
        assert read(run)[-1] == {"complete": True}
        assert read(run)[0]["name"] == f"run_{number} (stand-in)"
    assert run_sweep(tmp_path, *asked).returncode == 0  # without trackers, it is the same sweep
    assert len([*(tmp_path / "logs").glob("sweep-*")]) == 1


def test_a_sweep_without_the_extra_starts_nothing(tmp_path: Path) -> None:
    write_config(tmp_path, {**NIM, "llm_model_name": "embedded/search", "logdir": "logs/exp"})
    done = run_sweep(tmp_path, "config.yaml", "--runs", "3", "--track", "recorder")
    assert done.returncode == 2
    assert done.stderr.startswith("error: unknown tracker 'recorder'")
    assert not (tmp_path / "logs").exists()


def test_runs_are_sent_later_by_a_command(tmp_path: Path) -> None:
    write_config(tmp_path, {**NIM, "llm_model_name": "embedded/search"})
    assert run_main(tmp_path, "--quiet").returncode == 0
    send = ("track", "logs", "--plugin", PLUGIN, "--to", "recorder")
    run = tmp_path / "logs/run_1"
    assert run_r2po(tmp_path, *send).stdout == f"{run} to recorder: 8 iterations and its ending\n"
    assert run_r2po(tmp_path, *send).stdout == f"{run} to recorder: nothing new\n"
    done = run_r2po(tmp_path, "track", "logs", "--to", "recorder")
    assert done.returncode == 2
    assert len(records(run / "iterations.jsonl")) == 8
    assert shlex.split(done.stderr)[:3] == ["error:", "unknown", "tracker"]


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on_in_tensorboard_and_wandb(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="needs the extra tensorboard")
    pytest.importorskip("wandb.sdk", reason="needs the extra wandb")
    from tests.trackers.test_tensorboard import tensors
    from tests.trackers.test_wandb import files, rows

    run = tmp_path / "logs/exp/run_1"
    write_config(tmp_path, {**NIM, "num_iterations": 5, "logdir": "logs/exp", "track": ["tensorboard", "wandb"]})

    def shown() -> list[int]:
        return [step for step, _, _ in tensors(run / "tensorboard").get("reward/kept", [])]

    def written() -> list[int]:
        return [row["iteration"] for row in rows(files(tmp_path / "logs"))]

    with FakeOllama(player) as server:
        stall_after(server, 3)
        process = start_fresh_main(tmp_path, "--quiet", server=server, HOME=str(tmp_path))
        wait_until(lambda: (run / "tensorboard").exists() and shown() == written() == [1, 2, 3], process)
        process.kill()
        finish(process)
    assert shown() == written() == [1, 2, 3]
    with FakeOllama(player) as server:
        options = ("--quiet", "--resume")
        done = finish(start_fresh_main(tmp_path, *options, server=server, HOME=str(tmp_path)))
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")
    assert shown() == written() == [1, 2, 3, 4, 5]
    assert len({path.name for path in files(tmp_path / "logs")}) == 1  # one run of W&B


@pytest.mark.slow
def test_a_sweep_with_all_three_trackers(tmp_path: Path) -> None:
    for module in ("tensorboard", "wandb.sdk", "mlflow"):
        pytest.importorskip(module, reason="needs the extras tensorboard, wandb and mlflow")
    write_config(tmp_path, {**NIM, "llm_model_name": "embedded/search", "logdir": "logs/exp"})
    asked = ("config.yaml", "--runs", "3", "--jobs", "2", "--track", "tensorboard", "wandb", "mlflow")
    done = run_sweep(tmp_path, *asked, HOME=str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    notes = [line for line in done.stdout.splitlines() if " stopped: " in line]
    assert all("mlflow stopped: it was still loading" in note for note in notes)  # where the machine is slow
    runs = [tmp_path / f"logs/exp/run_{number}" for number in (1, 2, 3)]
    if notes:
        assert run_r2po(tmp_path, "track", "logs/exp", "--to", "mlflow", HOME=str(tmp_path)).returncode == 0
    for name in ("tensorboard", "wandb", "mlflow"):
        sent = run_r2po(tmp_path, "track", "logs/exp", "--to", name, HOME=str(tmp_path))
        assert sent.stdout.splitlines() == [f"{run} to {name}: nothing new" for run in runs], sent.stderr


@pytest.mark.slow
def test_baselines_are_sent_too(tmp_path: Path) -> None:
    for module, name in PACKAGES.items():
        pytest.importorskip(module, reason=f"needs {name}: pip install 'r2po[sb3]'")
    from r2po.baselines.sb3.screen import SuiteScreen
    from r2po.baselines.sb3.suite import run_suite

    suite = make_suite("nim", tmp_path / "logs/sb3", "track=[recorder]", "algorithms=[A2C]", "protocol=controlled")
    run_suite(suite, None, SuiteScreen(), {})
    run = tmp_path / "logs/sb3/a2c/run_1"
    logged, sent = iterations(run), points(run)
    assert len(sent) > 1
    returns: list[float] = []
    for record, point in zip(logged, sent, strict=True):
        returns += record["training_returns"]
        (candidate,) = record["candidates"]
        assert point["reward/best"] == record["best_reward"]
        assert point["eval/mean_reward"] == record["reward"]
        assert point["eval/mean_ep_length"] == candidate["lengths"][0]
        assert point["rollout/ep_rew_mean"] == pytest.approx(sum(returns[-100:]) / len(returns[-100:]), rel=1e-12)
        assert point["time/total_timesteps"] == record["training_steps"]
        assert point["time/episodes"] == record["training_episodes"]
        assert not [name for name in point if name.startswith(("llm/", "tokens/"))]
    described, ending = read(run)[0], read(run)[-2]
    assert (described["experiment"], described["name"], described["method"]) == ("sb3/a2c", "run_1", "A2C")
    assert ending["ending"]["heldout/mean"] == result(run)["heldout_reward"]
    assert ending["files"] == ["best_model.zip"]
    assert RECORDER.name in suite.track
