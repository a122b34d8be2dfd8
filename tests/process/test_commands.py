"""``--dry-run``, ``r2po prompt`` and ``r2po watch`` against real runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from r2po.cli import main
from r2po.config import Config, resolve
from r2po.experiment.setting import Setting
from r2po.runlog import open_run
from r2po.runlog.reevaluation import read_reevaluation
from r2po.seeding import derive_seed
from tests.llm.fake_ollama import FakeOllama
from tests.process.processes import CARTPOLE, NIM, SMALL, one_line, player, run_main, run_r2po, write_config

MAZE: Mapping[str, Any] = {**SMALL, "method": "r2po", "gym_env_name": "maze-sample-3x3-v0"}
PONG: Mapping[str, Any] = {**SMALL, "method": "props", "gym_env_name": "Pong-v0"}
STAND_IN = {"llm_model_name": "embedded/search", "num_iterations": 2}


@pytest.mark.parametrize("values", [CARTPOLE, NIM, MAZE], ids=["cartpole", "nim", "maze"])
def test_a_dry_run_says_exactly_what_a_run_does(tmp_path: Path, values: Mapping[str, Any]) -> None:
    write_config(tmp_path / "dry", values)
    write_config(tmp_path / "real", values)
    (tmp_path / "tmp").mkdir()
    with FakeOllama(player) as server:
        dry = run_main(tmp_path / "dry", "--dry-run", server=server, TMPDIR=str(tmp_path / "tmp"))
        assert dry.returncode == 0, dry.stderr
        assert server.requests == []
        real = run_main(tmp_path / "real", server=server)
        assert real.returncode == 0, real.stderr
        first_prompt = server.chats[0]["messages"][0]["content"]
    assert f"===== prompt 1 of iteration 1: search =====\n{first_prompt}\n=====" in dry.stdout
    assert f"gym_env_name: {values['gym_env_name']}\n" in dry.stdout
    result = open_run(tmp_path / "real/logs/run_1").read_result()
    calls = re.search(r"^calls: (\d+) ", dry.stdout, re.MULTILINE)
    episodes = re.search(r"^episodes: (\d+) in evaluations, (\d+) in the warm-up, (\d+) held-out", dry.stdout, re.M)
    assert calls is not None
    assert episodes is not None
    assert int(calls[1]) == result["llm_calls"] == len(server.chats)
    assert int(episodes[1]) + int(episodes[2]) == result["episodes"]
    assert int(episodes[3]) == result["heldout_episodes"]
    fresh = read_reevaluation(tmp_path / "real/logs/run_1/reevaluation.jsonl")
    again = re.search(r"(\d+) of accepted candidates again; at most", dry.stdout)
    assert sum(len(each.returns) for each in fresh.values()) == (int(again[1]) if again else 0)
    assert list((tmp_path / "dry").iterdir()) == [tmp_path / "dry/config.yaml"]
    assert list((tmp_path / "tmp").iterdir()) == []


def test_prompt_prints_what_the_server_received(tmp_path: Path) -> None:
    write_config(tmp_path, CARTPOLE)
    with FakeOllama(player) as server:
        assert run_main(tmp_path, server=server).returncode == 0
        received = [body["messages"][0]["content"] for body in server.chats]
    for iteration in (1, 4):
        for place, role in enumerate(("search", "critic"), 2 * (iteration - 1)):
            prompt = received[place]
            shown = run_r2po(tmp_path, "prompt", "logs/run_1", str(iteration), role)
            assert shown.returncode == 0, shown.stderr
            head, _, rest = shown.stdout.partition(" =====\n")
            assert head == f"===== prompt: iteration {iteration}, {role}, sample 0, attempt 1"
            assert rest == f"{prompt}\n===== reply of ollama/tiny: accepted =====\n{player(prompt)}\n"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs by environment: of a server that knows its way through the maze, of the stand-in elsewhere."""
    folder = tmp_path_factory.mktemp("runs")
    for values in (CARTPOLE, PONG, NIM):
        name = values["gym_env_name"]
        config = write_config(folder, {**values, **STAND_IN, "logdir": str(folder / name)}, f"{name}.yaml")
        assert main(["run", "--config", str(config), "--quiet"]) == 0
    write_config(folder, {**MAZE, "num_iterations": 1, "logdir": str(folder / MAZE["gym_env_name"])})
    with FakeOllama([through_the_maze()] * 2) as server:
        assert run_main(folder, server=server).returncode == 0
    return folder


def through_the_maze() -> str:
    """Answer with the first random table that reaches the goal."""
    setting = Setting(resolve(MAZE, "test"), seed=1)
    rng = np.random.default_rng(0)
    while True:
        params = setting.policy.sample(rng)
        if setting.roll_out(params, 0).end == "terminated":
            setting.close()
            return ", ".join(f"params[{index}]: {value}" for index, value in enumerate(params))


def heldout_return(run: Path, episode: int) -> float:
    directory = open_run(run)
    description = directory.read_description()
    setting = Setting(Config(**description["config"]), description["seed"])
    seed = derive_seed(description["seed"], "heldout", episode)
    total = setting.roll_out(tuple(directory.read_result()["best_params"]), seed).total
    setting.close()
    return total


@pytest.mark.parametrize("values", [CARTPOLE, MAZE, PONG, NIM], ids=lambda values: values["gym_env_name"])
@pytest.mark.parametrize(("episode", "suffix"), [(0, "gif"), (2, "webp")])
def test_watch_records_a_heldout_episode(
    runs: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    values: Mapping[str, Any],
    episode: int,
    suffix: str,
) -> None:
    run = runs / values["gym_env_name"] / "run_1"
    output = tmp_path / f"new/best.{suffix}"
    assert main(["watch", str(run), "--output", str(output), "--episode", str(episode)]) == 0
    said = one_line(capsys.readouterr().out)
    assert f"return {heldout_return(run, episode):.6g} in " in said
    assert ("embedded stand-in" in said) == (values is not MAZE)
    with Image.open(output) as image:
        assert image.format == suffix.upper()
        assert getattr(image, "n_frames", 1) > 1


def test_watch_as_a_process_prints_one_line(runs: Path, tmp_path: Path) -> None:
    done = run_r2po(tmp_path, "watch", str(runs / "CartPole-v1/run_1"), "--output", "best.gif")
    assert done.returncode == 0, done.stderr
    assert one_line(done.stdout).endswith("written to best.gif")
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--output", "best.mp4"], "expected a file name that ends in .gif or .webp"),
        (["--output", "best.gif", "--episode", "-1"], "--episode -1: expected 0 to 2"),
        (["--output", "best.gif", "--episode", "3"], "--episode 3: expected 0 to 2"),
        (["--output", "config.yaml/best.gif"], "cannot write config.yaml/best.gif"),
    ],
)
def test_watch_refuses_what_it_cannot_do(
    runs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    expected: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").touch()
    assert main(["watch", str(runs / "Nim-v0/run_1"), *arguments]) == 2
    assert expected in one_line(capsys.readouterr().err)
    assert list(tmp_path.iterdir()) == [tmp_path / "config.yaml"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["prompt", "Nim-v0/run_1", "1", "critic"], "unknown role 'critic'; known: search"),
        (["prompt", "Nim-v0/run_1", "9", "search"], "has no search call in iteration 9; it has 1 to 2"),
        (["prompt", "Nim-v0", "1", "search"], "is not a run directory; expected <logdir>/run_N; it holds run_1"),
        (["prompt", "nowhere/run_1", "1", "search"], "is not a run directory"),
        (["prompt", "empty/run_1", "1", "search"], "has no recorded calls"),
        (["watch", "empty/run_1"], "it has no run.yaml"),
        (["watch", "early/run_1", "--output", "best.gif"], "no complete iteration yet"),
    ],
)
def test_a_run_that_does_not_have_it_is_refused(
    runs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    expected: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Nim-v0").symlink_to(runs / "Nim-v0")
    for name in ("empty", "early"):
        (tmp_path / name / "run_1").mkdir(parents=True)
    (tmp_path / "early/run_1/run.yaml").write_bytes((runs / "Nim-v0/run_1/run.yaml").read_bytes())
    assert main(arguments) == 2
    assert expected in one_line(capsys.readouterr().err)
