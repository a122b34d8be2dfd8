from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import gymnasium
import pytest

import r2po.envs  # noqa: F401 - registers the project's own environments
from r2po.analysis.lineage.reading import read_log
from r2po.experiment.setting import Setting
from r2po.report.blocks import Wanted, blocks_of
from r2po.report.core import core_of_log
from r2po.report.maps import grid_of
from r2po.report.motion import Motion, Play, best_first, index_of, play_log
from r2po.report.packing import Values, unpack
from r2po.runlog import open_run
from r2po.tasks import TASKS
from tests.builders import make_config


def played(run: Path, motion: Motion = "all", seconds: float = 60.0) -> tuple[Values, Play]:
    log = read_log(open_run(run))
    core = core_of_log(log, [])
    return core, play_log(log, core, motion, seconds, lambda _: None)


def test_each_candidate_is_played_with_a_return_of_the_log(cartpole: Path) -> None:
    core, play = played(cartpole)
    assert sorted(play.rollouts) == list(range(len(core["candidates"])))
    for place, rollout in play.rollouts.items():
        candidate = core["candidates"][place]
        assert rollout["return"] == candidate["returns"][rollout["k"]]
        assert rollout["T"] == candidate["lengths"][rollout["k"]]


def test_what_comes_out_otherwise_is_not_played(cartpole: Path, tmp_path: Path) -> None:
    run = tmp_path / "cartpole" / "run_1"
    shutil.copytree(cartpole, run, ignore=shutil.ignore_patterns("trajectories"))
    log = read_log(open_run(run))
    for record in log.iterations:
        record.pop("sums")
    core = core_of_log(log, [])
    for candidate in core["candidates"]:
        candidate["returns"] = [value + 1e-9 for value in candidate["returns"]]
    play = play_log(log, core, "all", 60.0, lambda _: None)
    assert play.rollouts == {}
    assert f"{len(core['candidates'])} not played, since rolling out again did not give the logged return" in play.about
    assert play.notes


def test_without_time_only_kept_rollouts_are_played(cartpole: Path) -> None:
    core, play = played(cartpole, seconds=-1.0)
    kept = [place for place, each in enumerate(core["candidates"]) if each.get("shown")]
    assert sorted(play.rollouts) == kept
    assert f"{len(core['candidates']) - len(kept)} not rolled out again within the limit of time" in play.about


def test_only_shown_ones_or_none(cartpole: Path) -> None:
    core, play = played(cartpole, "shown")
    assert sorted(play.rollouts) == [place for place, each in enumerate(core["candidates"]) if each.get("shown")]
    assert played(cartpole, "none")[1].rollouts == {}


def test_the_rollout_of_a_candidate() -> None:
    assert index_of({"returns": [5.0, 1.0, 3.0], "shown": [1]}) == 1
    assert index_of({"returns": [5.0, 1.0, 3.0]}) == 2
    assert index_of({"returns": [5.0, 1.0, 3.0, 2.0]}) == 3


def test_new_bests_are_rolled_out_first() -> None:
    rewards = [1.0, 0.5, 3.0, 3.0, -2.0, 4.0]
    order = [place for place, _ in best_first([(place, {"reward": each}) for place, each in enumerate(rewards)])]
    assert order == [0, 2, 5, 1, 3, 4]


def test_programs_are_not_run_again(programs: Path) -> None:
    play = played(programs)[1]
    assert "programs are not run again" in play.about


def test_numbered_states_begin_at_the_start(frozenlake: Path) -> None:
    blocks = blocks_of(open_run(frozenlake), Wanted(), lambda _: None)
    rollouts = unpack(blocks.packed["motion"])["rollouts"]
    assert blocks.core["maps"]["cells"] == "SFFFFHFHFFFHHFFG"
    assert len(rollouts) == len(blocks.core["candidates"])
    for rollout in rollouts.values():
        assert rollout["s"][0] == 0
        assert blocks.core["maps"]["cells"][rollout["s"][-1]] in "HG" or rollout["T"] == 100


CERTAIN: dict[str, tuple[str, dict[str, Any]]] = {
    "frozenlake": ("FrozenLake-v1", {"is_slippery": False}),
    "cliffwalking": ("CliffWalking-v1", {}),
    "maze": ("maze-sample-3x3-v0", {}),
    "maze5x5": (TASKS["maze5x5"].gym_id, dict(TASKS["maze5x5"].env_kwargs)),
}
"""By task, the same world with moves that always go where they are meant to."""


@pytest.mark.parametrize("task", CERTAIN)
def test_a_map_is_where_moves_lead(task: str) -> None:
    """Each action from each cell leads where the map says, in the environment itself."""
    setting = Setting(make_config(task), seed=1)
    try:
        grid = grid_of(setting)
    finally:
        setting.close()
    assert grid is not None
    environment, kwargs = CERTAIN[task]
    made = gymnasium.make(environment, disable_env_checker=True, **kwargs)
    walls = {tuple(pair) for pair in grid["walls"]}
    inner = made.unwrapped
    for state, letter in enumerate(grid["cells"]):
        for action, (dx, dy) in grid["moves"].items():
            if letter in "HG":
                continue
            x, y = state % grid["width"] + dx, state // grid["width"] + dy
            inside = 0 <= x < grid["width"] and 0 <= y < grid["height"]
            target = y * grid["width"] + x if inside else state
            if (min(state, target), max(state, target)) in walls:
                target = state
            arrived = next_state(inner, state, int(action))
            expected = grid["cells"].index("S") if task == "cliffwalking" and grid["cells"][target] == "H" else target
            assert arrived == expected


def next_state(inner: object, state: int, action: int) -> int:
    """Return where an action leads that leads to one place only."""
    if hasattr(inner, "P"):
        ((_, arrived, *_),) = inner.P[state][action]
        return int(arrived)
    inner.state = state  # type: ignore[attr-defined]
    return int(inner.step(action)[0])  # type: ignore[attr-defined]


def test_other_environments_have_no_map() -> None:
    for environment in ("cartpole", "nim"):
        setting = Setting(make_config(environment), seed=1)
        try:
            assert grid_of(setting) is None
        finally:
            setting.close()


def test_one_policy_that_cannot_be_rolled_out_keeps_no_other_from_it(cartpole: Path, tmp_path: Path) -> None:
    run = tmp_path / "cartpole" / "run_1"
    shutil.copytree(cartpole, run)
    log = read_log(open_run(run))
    core = core_of_log(log, [])
    (first, *_) = [each for each in core["candidates"] if not each.get("shown")]
    first["params"] = first["params"][:3]
    play = play_log(log, core, "all", 60.0, lambda _: None)
    assert len(play.rollouts) == len(core["candidates"]) - 1
    assert "1 not played" in play.about
