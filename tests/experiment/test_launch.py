"""Starting a run: what is kept of one that cannot go on."""

from __future__ import annotations

import errno
import fcntl
from importlib import metadata
from pathlib import Path
from typing import Any, NoReturn

import pytest

from r2po.analysis.logs.load import load_log_directory
from r2po.envs.nim import NimEnv
from r2po.errors import InputError, RunStopped
from r2po.experiment import ending, loop
from r2po.experiment.launch import launch
from r2po.experiment.observer import Observer
from r2po.runlog import RunDirectory, list_runs
from tests.builders import make_config

SMALL = {"num_iterations": 1, "num_evaluation_episodes": 2, "warmup_episodes": 1, "heldout_episodes": 2}


@pytest.mark.parametrize("method", ["props", "random_search"])
def test_what_was_paid_for_is_never_deleted(method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> NoReturn:
        raise InputError("this cannot be read")

    config = make_config("nim", method, **SMALL, logdir=str(tmp_path / "logs"))
    with monkeypatch.context() as patch:
        patch.setattr(ending, "sum_up", refuse)
        with pytest.raises(RunStopped, match="this cannot be read"):
            launch(config, None, {}, Observer())
    assert (tmp_path / "logs" / "run_1" / "iterations.jsonl").read_text().count("\n") == 1
    assert launch(config, "latest", {}, Observer())["iterations"] == 1


def test_a_run_that_never_began_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> NoReturn:
        raise InputError("this cannot be rolled out")

    monkeypatch.setattr(loop.Experiment, "warm_up", refuse)
    with pytest.raises(InputError, match="this cannot be rolled out"):
        launch(make_config("nim", "props", **SMALL, logdir=str(tmp_path / "logs")), None, {}, Observer())
    assert not (tmp_path / "logs").exists()


@pytest.mark.parametrize("reward", [float("nan"), 1e101])
def test_a_reward_that_no_analysis_can_use_ends_no_run(
    reward: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(NimEnv, "step", lambda *_: (0, reward, True, False, {}))
    config = make_config("nim", "props", **{**SMALL, "num_iterations": 3}, logdir=str(tmp_path / "logs"))
    config = config.model_copy(update={"rollout_engine": "reference"})
    assert launch(config, None, {}, Observer())["iterations"] == 3
    (tmp_path / "logs" / "run_1" / "result.json").unlink()
    assert launch(config, "latest", {}, Observer())["iterations"] == 3
    with pytest.raises(InputError, match="reward is"):
        load_log_directory(tmp_path / "logs")


@pytest.mark.parametrize("at", ["lock", "write_description", "read_iterations"])
def test_a_disk_that_is_full_at_the_start_is_one_line_and_leaves_nothing(
    at: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(RunDirectory, at, full)
    with pytest.raises(InputError, match=r"cannot begin a run in .*: No space left on device"):
        launch(make_config("nim", "props", **SMALL, logdir=str(tmp_path / "logs")), None, {}, Observer())
    assert not (tmp_path / "logs").exists()


def test_a_checkout_that_is_not_installed_can_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = metadata.version

    def version(name: str) -> str:
        if name == "r2po":
            raise metadata.PackageNotFoundError(name)
        return installed(name)

    monkeypatch.setattr(metadata, "version", version)
    launch(make_config("nim", "props", **SMALL, logdir=str(tmp_path / "logs")), None, {}, Observer())
    (run,) = list_runs(tmp_path / "logs")
    assert run.read_description()["versions"]["r2po"] == "not installed"


@pytest.mark.parametrize("settings", [{"hidden_dim": 10**12}, {"latent_dim_layer1": 10**9}])
def test_a_network_that_fits_no_memory_is_refused(settings: dict[str, int], tmp_path: Path) -> None:
    values = {**SMALL, "policy": "projected_mlp", "policy_settings": settings, "logdir": str(tmp_path / "logs")}
    with pytest.raises(InputError, match=f"{next(iter(settings))} is 10*; input should be less than or equal to 4096"):
        launch(make_config("mountaincarcontinuous", "props", **values), None, {}, Observer())
    assert not (tmp_path / "logs").exists()


def test_a_file_system_without_locks_is_named_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> NoReturn:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(InputError, match="No locks available; r2po needs a file system with locks"):
        launch(make_config("nim", "props", **SMALL, logdir=str(tmp_path / "logs")), None, {}, Observer())
    assert not (tmp_path / "logs").exists()
