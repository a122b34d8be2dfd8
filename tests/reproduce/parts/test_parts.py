"""The parts: every published figure has its experiment, and every experiment its config."""

from __future__ import annotations

from dataclasses import replace

import pytest

from r2po.analysis.published import props_results, published_results, published_salience, published_tau_c
from r2po.config import load_config
from r2po.config.load import is_sb3_config
from r2po.errors import InputError
from r2po.installation import shipped_configs
from r2po.reproduce.part import Part
from r2po.reproduce.parts import PARTS, find_part
from r2po.reproduce.request import request_of
from r2po.tasks import TASKS
from tests.reproduce.made import config_of


def cells_of(paper: str, table: str) -> set[tuple[str, str]]:
    return {(each.environment, each.method) for each in find_part(paper, table).experiments()}


def test_core_and_variants_have_all_that_is_published() -> None:
    published = {(environment, method) for environment, method, _ in published_results()}
    core = {(environment, method) for environment, method in published if method in ("props", "propsp", "r2po", "sb3")}
    assert cells_of("r2po", "core") == core
    assert cells_of("r2po", "variants") == published


def test_the_small_parts_have_all_that_is_published() -> None:
    assert {name for name, _ in cells_of("r2po", "tau_c")} == {name for name, *_ in published_tau_c()}
    assert {(name, "three_traj") for name in published_salience()} <= cells_of("r2po", "salience")
    assert len(find_part("r2po", "tau_c").experiments()) == len({key[:2] for key in published_tau_c()})


def test_props_lacks_navigation_alone() -> None:
    published = {(environment, method) for environment, method, _ in props_results() if method != "sb3"}
    assert published - cells_of("props", "core") == {("navigation", "props"), ("navigation", "propsp")}
    assert cells_of("props", "core") <= published
    assert any("Navigation" in line for line in find_part("props", "core").missing)


def test_search_has_each_method_where_it_can_search() -> None:
    found = cells_of("r2po", "search")
    assert len(found) == len(find_part("r2po", "search").experiments()) == 27
    assert ("cartpole", "cma_es") in found
    assert ("maze", "evolution_strategy") in found


@pytest.mark.parametrize("part", PARTS, ids=lambda part: f"{part.paper}-{part.name}")
def test_each_config_is_that_of_its_experiment(part: object) -> None:
    for each in part.experiments():  # type: ignore[attr-defined]
        path = shipped_configs() / each.config
        assert is_sb3_config(str(path)) == (each.method == "sb3")
        if each.method != "sb3":
            config = config_of(each.config)
            assert (config["method"], config["gym_env_name"]) == (each.method, TASKS[each.environment].gym_id)
            assert load_config(path).protocol == "published"


@pytest.mark.parametrize(
    ("paper", "table", "asked", "message"),
    [
        ("r2p", "core", {}, "did you mean 'r2po'"),
        ("r2po", "tauc", {}, "did you mean 'tau_c'"),
        ("props", "variants", {}, "known: core"),
        ("r2po", "core", {"only": ["hopper"]}, "whose environments are cartpole"),
        ("r2po", "core", {"settings": ["temperature=0,1"]}, "several values"),
        ("r2po", "core", {"settings": ["logdir=x"]}, "--logs"),
        ("r2po", "core", {"settings": ["llm_model_name=x"]}, "--model"),
        ("r2po", "search", {"model": "gpt-4o"}, "asks no model"),
    ],
)
def test_what_does_not_fit_is_said(paper: str, table: str, asked: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        request_of(find_part(paper, table), runs=2, **asked)  # type: ignore[arg-type]


def test_runs_of_another_model_and_smoke_have_folders_of_their_own() -> None:
    part = find_part("r2po", "core")
    folders = [
        request_of(part, runs=2, **asked).place.folder.as_posix()
        for asked in ({}, {"model": "ollama/x:1b"}, {"smoke": True}, {"smoke": True, "model": "ollama/x:1b"})
    ]
    assert folders == [
        "reproduced/r2po/core",
        "reproduced/r2po_ollama-x-1b/core",
        "reproduced/r2po_smoke/core",
        "reproduced/r2po_smoke_ollama-x-1b/core",
    ]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: f"{part.paper}-{part.name}")
def test_a_part_of_a_table_has_a_folder_of_its_own_and_no_other_environment(part: Part) -> None:
    asked = request_of(part, runs=2, only=["Pong", "cartpole", "pong"]).place
    assert asked.folder.name == f"{part.name}_pong_cartpole"
    assert asked.logs == request_of(part, runs=2).place.logs
    for each in part.commands(asked):
        told = " ".join(each.arguments)
        assert "--envs pong cartpole" in told or "--only-env pong --only-env cartpole" in told, told
    for each in part.commands(replace(asked, environments=())):
        assert "pong cartpole" not in " ".join(each.arguments)
        assert "--only-env" not in each.arguments


def test_a_setting_of_the_user_takes_the_place_of_that_of_smoke() -> None:
    asked = request_of(find_part("r2po", "core"), runs=1, smoke=True, settings=["num_iterations=2"])
    assert [text for text in asked.overrides if text.startswith("num_iterations=")] == ["num_iterations=2"]
    assert "llm_model_name=embedded/search" in asked.overrides
