"""Which run directory belongs to which run of a sweep."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from r2po.baselines.sb3.config import SB3Config
from r2po.cli import main
from r2po.config import Config
from r2po.config.load import SB3_KEYS
from r2po.errors import InputError
from r2po.experiment.setting import Setting
from r2po.installation import call
from r2po.rollout import SelectedEngine
from r2po.sweep.plan import SweepRequest, check_runs, plan
from tests.builders import CONFIGS
from tests.process.processes import NIM, write_config

VALUES = {**NIM, "llm_model_name": "embedded/search", "num_iterations": 1}


def request(folder: Path, *settings: str, seeds: tuple[int, ...] = (1, 2), **more: Any) -> SweepRequest:
    return SweepRequest(
        [str(write_config(folder, {**VALUES, "logdir": str(folder / "logs/nim")}))], settings, seeds, **more
    )


def names(folder: Path, given: SweepRequest) -> list[str]:
    return [str(item.path.relative_to(folder)) for item in plan(given)]


def test_a_run_has_the_number_of_its_seed(tmp_path: Path) -> None:
    items = plan(request(tmp_path, seeds=(1, 7)))
    assert names(tmp_path, request(tmp_path, seeds=(1, 7))) == ["logs/nim/run_1", "logs/nim/run_7"]
    assert [item.config.seed for item in items] == [1, 7]


def test_variants_have_log_directories_of_their_own(tmp_path: Path) -> None:
    given = request(tmp_path, "temperature=0,1", "bias=true", seeds=(1,))
    assert names(tmp_path, given) == ["logs/nim__temperature=0/run_1", "logs/nim__temperature=1/run_1"]


def test_log_directories_can_be_put_elsewhere(tmp_path: Path) -> None:
    assert names(tmp_path, request(tmp_path, seeds=(1,), logs=str(tmp_path / "far"))) == ["far/nim/run_1"]


def test_log_directories_can_be_chosen_for_each_variant(tmp_path: Path) -> None:
    given = request(tmp_path, f"logdir={tmp_path}/a,{tmp_path}/b", seeds=(1,))
    assert names(tmp_path, given) == ["a/run_1", "b/run_1"]


def test_two_configs_never_share_a_run_directory(tmp_path: Path) -> None:
    one, other = (str(write_config(tmp_path, VALUES, name)) for name in ("one.yaml", "other.yaml"))
    with pytest.raises(
        InputError, match=r"two runs of this sweep would share the run directory logs/run_1: .*one.* and .*other"
    ):
        plan(SweepRequest([one, other], [], [1]))


@pytest.mark.parametrize("key", ["seed", "resume_run"])
def test_what_a_sweep_decides_itself_may_not_be_set(tmp_path: Path, key: str) -> None:
    with pytest.raises(InputError, match=key):
        plan(request(tmp_path, f"{key}=3"))


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("policy=linear", "policy 'linear' needs"),
        ("policy_settings={width: 1}", "unknown key in policy_settings 'width'"),
        ("rollout_engine=mujoco", "rollout_engine is 'mujoco'"),
    ],
)
def test_what_does_not_fit_the_environment_is_said_before_any_run_starts(
    tmp_path: Path, setting: str, said: str
) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        plan(request(tmp_path, setting))


def test_wordings_are_variants(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    mine = str(tmp_path / "mine")
    runs = plan(request(tmp_path, f"prompts=published,compact,{mine}", seeds=(1,)))
    assert [run.config.prompts for run in runs] == ["published", "compact", mine]
    assert len({run.path for run in runs}) == 3


def test_templates_that_cannot_be_filled_are_said_before_any_run_starts(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "search.j2").write_text("\n{{ rewards }}", encoding="utf-8")
    given = request(tmp_path, f"prompts={tmp_path / 'mine'}")
    with pytest.raises(InputError, match=r"search\.j2:2: 'rewards' is undefined"):
        plan(given)
    # A method that asks no model writes no prompts.
    assert len(plan(request(tmp_path, f"prompts={tmp_path / 'mine'}", "method=random_search"))) == 2


def test_a_plan_leaves_no_environment_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engines: list[SelectedEngine] = []
    closed: list[SelectedEngine] = []
    make = Setting._make_engine

    def making(setting: Setting) -> SelectedEngine:
        engine = make(setting)
        engines.append(engine)
        monkeypatch.setattr(engine, "close", partial(closed.append, engine))
        return engine

    monkeypatch.setattr(Setting, "_make_engine", making)
    plan(request(tmp_path, "rollout_engine=reference"))  # an engine that is asked for is made at once
    assert len(engines) == 1
    assert closed == engines


def test_runs_of_another_experiment_are_neither_continued_nor_counted(tmp_path: Path) -> None:
    given = request(tmp_path, seeds=(1,))
    assert main(["run", "--config", given.configs[0], "--quiet"]) == 0
    check_runs(plan(given))
    for other in (request(tmp_path, "temperature=0.3", seeds=(1,)), request(tmp_path, "method=props", seeds=(1,))):
        with pytest.raises(InputError, match=r"config has changed since.*--logs DIR"):
            check_runs(plan(other))


def test_a_run_with_the_number_but_not_the_seed_is_another_one(tmp_path: Path) -> None:
    given = request(tmp_path, seeds=(1,))
    assert main(["run", "--config", given.configs[0], "--seed", "17", "--quiet"]) == 0
    with pytest.raises(InputError, match="seed was 17, is 1"):
        check_runs(plan(given))


def test_the_same_request_has_the_same_name_and_another_one_has_not(tmp_path: Path) -> None:
    assert request(tmp_path).name == request(tmp_path).name
    others = [request(tmp_path, "bias=false"), request(tmp_path, seeds=(1, 2, 3)), request(tmp_path, logs="x")]
    assert len({each.name for each in [request(tmp_path), *others]}) == 4


def test_configs_of_stable_baselines_are_left_out_with_a_note(tmp_path: Path) -> None:
    suites = sorted(map(str, (CONFIGS / "sb3_baselines").glob("*.yaml")))
    assert suites
    mine = write_config(tmp_path, {**NIM, "llm_model_name": "embedded/search"})
    notes: list[str] = []
    runs = plan(SweepRequest([*suites, str(mine)], [], [1]), notes.append)
    assert [run.source for run in runs] == [str(mine)]
    assert notes == [f"left out, since {call('sb3_baselines')} runs them: {', '.join(suites)}"]
    with pytest.raises(InputError, match=r"run them with .*sb3_baselines(\.py)? --config FILE"):
        plan(SweepRequest(suites, [], [1]))
    assert set(SB3Config.model_fields) >= SB3_KEYS
    assert not SB3_KEYS & set(Config.model_fields)
