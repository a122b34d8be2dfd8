"""Weights & Biases, offline: what its file holds, and that it reaches nobody."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.process.processes import NIM, REPOSITORY, environ, finish, run_main, start, write_config
from tests.trackers.runs import SMALL, iterations, make_run, result, unfinish

pytest.importorskip("wandb.sdk", reason="needs Weights & Biases: pip install 'r2po[wandb]'")
pytest.importorskip("google.protobuf", reason="needs Weights & Biases: pip install 'r2po[wandb]'")

BLOCK = 32_768


def records(path: Path) -> list[Any]:
    """Read an offline file: LevelDB's log format after a head of 7 bytes, independently of the package's reader."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, found, joined = path.read_bytes(), 7, [], b""
    while at + 7 <= len(data):
        if BLOCK - at % BLOCK < 7:
            at += BLOCK - at % BLOCK
            continue
        length, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        if at + 7 + length > len(data):
            break
        joined = (b"" if kind in (1, 2) else joined) + data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):
            found.append(Record.FromString(joined))
    return found


def files(logs: Path) -> list[Path]:
    return sorted(logs.glob("wandb/offline-run-*/run-*.wandb"))


def rows(paths: list[Path]) -> list[dict[str, Any]]:
    """Return the history."""
    found = [record.history.item for path in paths for record in records(path) if record.HasField("history")]
    return [{item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in row} for row in found]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_config(
        tmp_path, {**NIM, **SMALL, "llm_model_name": "embedded/search", "logdir": "logs/exp", "track": ["wandb"]}
    )
    return tmp_path


@pytest.mark.slow
def test_an_offline_run_holds_the_numbers_of_the_log_and_reaches_nobody(folder: Path) -> None:
    command = [
        sys.executable,
        str(REPOSITORY / "tests/trackers/lookups.py"),
        "run",
        "--config",
        "config.yaml",
        "--quiet",
    ]
    done = finish(start(folder, command, environ(HOME=str(folder)), fresh=True))
    assert (done.returncode, done.stdout) == (0, "")
    assert {line for line in done.stderr.splitlines() if line.startswith("host")} <= {
        "host 127.0.0.1",
        "host localhost",
    }
    run, (path,) = folder / "logs/exp/run_1", files(folder / "logs")
    logged, found = iterations(run), rows([path])
    assert [row["iteration"] for row in found] == [row["_step"] for row in found] == [1, 2, 3, 4]
    assert [row["reward/kept"] for row in found] == [each["reward"] for each in logged]
    assert [row["time/iteration_s"] for row in found] == [each["times"]["elapsed_s"] for each in logged]
    (about,) = [record.run for record in records(path) if record.HasField("run")]
    assert (about.display_name, about.run_group, about.job_type) == ("run_1 (stand-in)", "exp", "propsp")
    assert list(about.tags) == ["stand_in"]
    config = {item.key: json.loads(item.value_json) for item in about.config.update}
    assert config["num_iterations"] == 4
    assert config["seed"] == 1
    assert "seed: null" in (run / "run.yaml").read_text()
    sent = folder / "logs/wandb" / path.parent.name / "files"
    assert json.loads((sent / "result.json").read_text()) == result(run)
    assert yaml.safe_load((sent / "config.yaml").read_text())["gym_env_name"] == "Nim-v0"
    kept = {each.name for each in sent.iterdir()}
    assert kept >= {"best_policy.json", "config.yaml", "result.json"}
    assert not kept & {"requirements.txt", "wandb-metadata.json", "output.log", "code"}
    summary = {
        item.key or ".".join(item.nested_key): json.loads(item.value_json)
        for record in records(path)
        for item in record.summary.update
    }
    assert summary["heldout/mean"] == result(run)["heldout_reward"]
    again(folder, run)


def again(folder: Path, run: Path) -> None:
    """Sent once more, nothing is new; resumed, what is missing comes, in another file of the same run."""
    send = [sys.executable, "-m", "r2po", "track", "logs/exp", "--to", "wandb"]
    done = finish(start(folder, send, environ(HOME=str(folder)), fresh=True))
    assert done.stdout == f"{run} to wandb: nothing new\n", done.stderr
    assert len(files(folder / "logs")) == 1
    unfinish(run, left=2)
    write_config(folder, {**yaml.safe_load((folder / "config.yaml").read_text()), "track": []})
    assert run_main(folder, "--resume", "--quiet").returncode == 0
    (path,) = files(folder / "logs")
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(b"reward/kept")])  # in the middle of the last row, as a kill may leave it
    assert [row["iteration"] for row in rows([path])] == [1, 2, 3]
    done = finish(start(folder, send, environ(HOME=str(folder)), fresh=True))
    assert done.stdout == f"{run} to wandb: 1 iteration and its ending\n", done.stderr
    paths = files(folder / "logs")
    assert len(paths) == 2
    assert len({each.name for each in paths}) == 1  # the same run
    assert [row["iteration"] for row in rows(paths)] == [1, 2, 3, 4]


@pytest.mark.slow
def test_without_a_key_it_does_not_ask_for_one(folder: Path) -> None:
    done = finish(start(folder, command(), environ(HOME=str(folder), WANDB_MODE="online"), fresh=True))
    assert done.returncode == 0, done.stderr
    assert "wandb stopped: the mode is 'online', but W&B has no key" in done.stdout
    assert result(folder / "logs/exp/run_1")["iterations"] == 4


@pytest.mark.slow
def test_files_of_any_name_are_kept_as_files_and_the_old_name_of_the_mode_is_known(tmp_path: Path) -> None:
    run = make_run(tmp_path / "logs [1] *?/exp")
    (run / "curve [2].png").write_bytes(b"a figure")
    send = [sys.executable, "-m", "r2po", "track", str(run), "--to", "wandb"]
    done = finish(start(tmp_path, send, environ(HOME=str(tmp_path), WANDB_MODE="disabled"), fresh=True))
    assert done.returncode == 1
    assert f"{run} to wandb: not sent: W&B is switched off by its mode 'disabled'" in done.stderr
    assert not (run.parent.parent / "wandb").exists()
    done = finish(start(tmp_path, send, environ(HOME=str(tmp_path), WANDB_MODE="dryrun"), fresh=True))
    assert done.stdout == f"{run} to wandb: 4 iterations and its ending\n", done.stderr
    (path,) = files(run.parent.parent)
    kept = path.parent / "files"
    assert (kept / "curve [2].png").read_bytes() == b"a figure"
    assert not [each for each in kept.rglob("*") if each.is_symlink()]
    sent = {each.path for record in records(path) for each in record.files.files}
    assert sent >= {"curve [2].png", "best_policy.json", "config.yaml", "result.json"}
    done = finish(start(tmp_path, send, environ(HOME=str(tmp_path), WANDB_MODE="dryrun"), fresh=True))
    assert done.stdout == f"{run} to wandb: nothing new\n"


def command() -> list[str]:
    return [sys.executable, "-m", "r2po", "run", "--config", "config.yaml"]
