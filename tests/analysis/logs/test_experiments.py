"""Which experiments are found under a folder, and which of them are compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from r2po import load_runs
from r2po.analysis.evaluation.report import experiments_in
from r2po.analysis.logs.comparable import choose, cohorts, differences, uneven_runs
from r2po.analysis.logs.experiments import ExperimentLogs, find_experiments
from r2po.analysis.logs.load import load_log_directory
from r2po.cli import main
from r2po.errors import InputError
from tests.analysis.made_logs import write_run
from tests.analysis.published_format import write_published_run

STAND_IN = {"stand_in": True, "model": "embedded/search"}


def found(root: Path, **options: Any) -> list[tuple[str, str, str, int]]:
    return [(each.environment, each.label, each.variant, len(each.runs)) for each in find_experiments(root, **options)]


def write_sb3(root: Path, environment: str, algorithm: str, rewards: list[list[float]]) -> Path:
    folder = root / f"{environment}_sb3" / algorithm
    for number, each in enumerate(rewards, 1):
        write_published_run(folder, number, each)
    return folder


def test_ours_are_known_by_run_yaml_and_published_ones_by_their_folder(tmp_path: Path) -> None:
    write_run(tmp_path / "nim_three_traj", 1, [1.0])  # in truth ProPS on CartPole
    write_run(tmp_path / "deeper" / "still" / "mine", 1, [1.0], config={"method": "r2po", "gym_env_name": "Swimmer-v5"})
    write_published_run(tmp_path / "pong_props", 1, [1.0])
    assert found(tmp_path) == [
        ("pong", "ProPS", "", 1),
        ("swimmer", "R2PO", "", 1),
        ("cartpole", "ProPS", "", 1),
    ]


def test_runs_of_a_stand_in_are_never_mixed_with_others(tmp_path: Path) -> None:
    changes: list[dict[str, Any]] = [{}, STAND_IN, {}, {"model": "other"}, {"protocol": "controlled"}]
    for number, description in enumerate(changes, 1):
        write_run(tmp_path / "logs", number, [1.0], description=description)
    experiments = find_experiments(tmp_path)
    assert sorted(len(each.runs) for each in experiments) == [1, 1, 1, 2]
    for each in experiments:
        assert len({(run.stand_in, run.model, run.protocol) for run in each.runs}) == 1
    parts = cohorts(experiments)
    assert len(parts) == 4
    assert [cohort.stand_in for cohort, _ in parts if cohort] == [False, False, False, True]
    assert "no language model" in parts[-1][0].label  # type: ignore[union-attr]


def test_runs_with_another_critic_stand_apart(tmp_path: Path) -> None:
    prices = {"prices": {"input": 1.0, "output": 1.0}}
    configs: list[dict[str, Any]] = [
        {},
        {"critic_llm_model_name": None, "critic": prices},
        {"critic_llm_model_name": "big", "critic": None},
    ]
    for number, config in enumerate(configs, 1):
        critic = config.get("critic_llm_model_name")
        write_run(tmp_path / "a", number, [1.0], description={"critic_model": critic}, config=config)
    experiments = find_experiments(tmp_path)
    assert sorted(len(each.runs) for each in experiments) == [1, 2]
    assert all(differences(each.runs) == [] for each in experiments)  # what it costs is no difference
    assert [cohort.label for cohort, _ in cohorts(experiments) if cohort] == [
        "ollama/some-model, published protocol",
        "ollama/some-model (critic: big), published protocol",
    ]


@pytest.mark.usefixtures("blank_figures")
def test_runs_with_other_prompts_stand_apart(tmp_path: Path) -> None:
    facts = {"description": "published", "templates": "0123", "task": "4567"}
    detailed, edited = {**facts, "description": "detailed"}, {**facts, "templates": "89ab"}
    for number, prompts in enumerate([facts, facts, detailed, edited, None], 1):
        write_run(tmp_path / "a", number, [1.0], description={"prompts": prompts})
    changed = write_run(tmp_path / "a", 6, [1.0, 2.0])
    first, second = (json.loads(line) for line in (changed / "iterations.jsonl").read_text().splitlines())
    lines = [first, {**second, "prompts": edited}]
    (changed / "iterations.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    experiments = find_experiments(tmp_path)
    assert sorted([run.name for run in each.runs] for each in experiments) == [
        ["run_1", "run_2"],
        ["run_3"],
        ["run_4"],
        ["run_5"],
        ["run_6"],
    ]
    chosen, left_out = choose(experiments)
    # Edited templates are no other kind of prompts that tables could name: of two such experiments one is compared.
    assert [line for line in left_out if "with other prompts" in line]
    assert [cohort.label for cohort, _ in cohorts(chosen) if cohort] == [
        "ollama/some-model, published protocol",
        "ollama/some-model, published protocol, detailed descriptions",
        "ollama/some-model, published protocol, prompts changed on the way",
        "ollama/some-model, published protocol, prompts of an earlier version",
    ]
    assert main(["eval", "--logdir", str(tmp_path / "a")]) == 0
    parts = json.loads((tmp_path / "a/eval_report/summary.json").read_text())["parts"]
    assert len(set(parts)) == 5
    assert load_runs(tmp_path, calls=False).runs["prompts_hash"].nunique() == 5


def test_runs_whose_prompts_changed_into_different_texts_stand_apart_from_each_other(tmp_path: Path) -> None:
    facts = {"description": "published", "templates": "0123", "task": "4567"}
    for number, templates in enumerate(["89ab", "89ab", "cdef"], 1):
        run = write_run(tmp_path / "a", number, [1.0, 2.0, 3.0], description={"prompts": facts})
        lines = [json.loads(line) for line in (run / "iterations.jsonl").read_text().splitlines()]
        lines[1]["prompts"] = {**facts, "templates": templates}
        (run / "iterations.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    names = [[run.name for run in each.runs] for each in find_experiments(tmp_path)]
    assert sorted(names) == [["run_1", "run_2"], ["run_3"]]


def test_runs_with_other_plugins_stand_apart(tmp_path: Path) -> None:
    lab, physics, other = (
        {"name": name, "version": version, "sha256": letter * 64}
        for name, version, letter in (("lab", None, "a"), ("physics", "1.2", "a"), ("lab", None, "b"))
    )
    # The same code under another name is no other plugin; two of them in another order are the same two.
    for number, plugins in enumerate([[], [lab], [physics], [other], [lab, other], [other, physics]], 1):
        write_run(tmp_path / "a", number, [1.0], description={"plugins": plugins} if plugins else {})
    apart = [["run_1"], ["run_2", "run_3"], ["run_4"], ["run_5", "run_6"]]
    experiments = find_experiments(tmp_path)
    assert sorted([run.name for run in each.runs] for each in experiments) == apart
    chosen, left_out = choose(experiments)
    assert [[run.name for run in each.runs] for each in chosen] == [["run_2", "run_3"]]
    assert len([line for line in left_out if "with other plugins" in line]) == 3
    about = "ProPS on CartPole, ollama/some-model, published protocol, plugins"
    names = [name for name, _ in experiments_in(load_log_directory(tmp_path / "a"))]
    assert names == [f"{about} {each.runs[0].plugins_hash or 'none'}" for each in experiments]
    hashes = load_runs(tmp_path, calls=False).runs["plugins_hash"].tolist()
    assert (hashes[0], hashes[1], hashes[4], len(set(hashes))) == ("", hashes[2], hashes[5], 4)


def test_a_task_with_one_description_has_it_whatever_the_config_says(tmp_path: Path) -> None:
    facts = {"description": "own", "templates": "0123", "task": "4567"}
    for number, told in enumerate(["published", "detailed"], 1):
        config = {"description": told, "gym_env_name": "Maze5x5-v0"}
        write_run(tmp_path / "a", number, [1.0], description={"prompts": facts}, config=config)
    (experiment,) = find_experiments(tmp_path)
    assert (len(experiment.runs), differences(experiment.runs)) == (2, [])


def test_our_runs_beside_published_ones(tmp_path: Path) -> None:
    write_run(tmp_path / "cartpole_props", 1, [1.0])
    write_published_run(tmp_path / "cartpole_props", 2, [2.0])
    labels = [cohort.label for cohort, _ in cohorts(find_experiments(tmp_path)) if cohort]
    assert labels == ["logs of the published code", "ollama/some-model, published protocol"]


def test_first_runs_by_number(tmp_path: Path) -> None:
    for number in (1, 2, 3, 10, 11):
        write_run(tmp_path / "a", number, [1.0])
    (tmp_path / "a" / "run_2" / "run.yaml").unlink()
    (experiment,) = find_experiments(tmp_path, max_runs=3)
    assert [run.name for run in experiment.runs] == ["run_1", "run_3", "run_10"]
    (problem,) = experiment.problems
    assert problem.startswith("run_2: ")


def test_only_some(tmp_path: Path) -> None:
    for environment in ("cartpole", "mountaincarcontinuous"):
        for method in ("props", "propsp"):
            write_published_run(tmp_path / f"{environment}_{method}", 1, [1.0])
    write_run(tmp_path / "mine", 1, [1.0], config={"method": "propsp"})
    assert found(tmp_path, only_env=["CartPole"], only_method=["ProPS+"]) == [("cartpole", "ProPS+", "", 1)] * 2
    assert found(tmp_path, only_env=["mountaincarcon"], only_method=["props"]) == [
        ("mountaincarcontinuous", "ProPS", "", 1)
    ]
    with pytest.raises(InputError, match="did you mean 'cartpole'"):
        find_experiments(tmp_path, only_env=["cartpol"])
    with pytest.raises(InputError, match="unknown method 'prop'"):
        find_experiments(tmp_path, only_method=["prop"])
    with pytest.raises(InputError, match="'PPO' is an algorithm of Stable-Baselines3"):
        find_experiments(tmp_path, only_method=["PPO"])
    with pytest.raises(InputError, match="no folder"):
        find_experiments(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("config", "variant"),
    [
        ({"method": "r2po", "critic_llm_conservative_threshold": 480.0}, ""),
        ({"method": "r2po", "critic_llm_conservative_threshold": 240.0}, "tau_c half"),
        ({"method": "r2po", "critic_llm_conservative_threshold": None}, "tau_c none"),
        ({"method": "r2po", "critic_llm_conservative_threshold": 100.0}, "tau_c 100"),
        ({"method": "r2po", "critic_llm_conservative_threshold": 480.0, "revision_rule": "order"}, "tau_c default"),
        ({"method": "r2po", "critic_llm_conservative_threshold": 240.0, "revision_rule": "order"}, "tau_c half"),
        ({"method": "r2po", "critic_llm_conservative_threshold": None, "revision_rule": "order"}, "tau_c none"),
        ({"method": "r2po", "critic_llm_conservative_threshold": 480.0, "revision_rule": None}, ""),
        ({"method": "r2po", "critic_llm_conservative_threshold": 480.0, "revision_rule": "preference"}, ""),
        ({"method": "r2po", "policy": "linear"}, ""),
        ({"method": "r2po", "policy": "projected_mlp"}, "projected_mlp"),
        ({"method": "props", "critic_llm_conservative_threshold": None}, ""),
    ],
)
def test_other_settings_are_variants_and_stay_out_of_tables(
    config: dict[str, Any], variant: str, tmp_path: Path
) -> None:
    write_run(tmp_path / "a", 1, [1.0], config=config)
    (experiment,) = find_experiments(tmp_path)
    assert experiment.variant == variant
    chosen, _ = choose([experiment])
    assert bool(chosen) == (variant == "")


def test_of_two_folders_with_the_same_experiment_the_larger_is_chosen(tmp_path: Path) -> None:
    write_run(tmp_path / "a", 1, [1.0])
    for number in (1, 2):
        write_run(tmp_path / "b", number, [2.0])
    (chosen,), (line,) = choose(find_experiments(tmp_path))
    assert chosen.path == tmp_path / "b"
    assert line.startswith(f"{tmp_path / 'a'}: left out, {tmp_path / 'b'} is ProPS on CartPole too")


def test_neither_a_replay_nor_an_unfinished_run_is_preferred(tmp_path: Path) -> None:
    original = {"replay_of": str(tmp_path / "z" / "run_1")}
    for number in (1, 2):
        write_run(tmp_path / "a", number, [1.0, 2.0], complete=number == 1, description=original)
        write_run(tmp_path / "b", number, [1.0, 2.0], complete=False)
    write_run(tmp_path / "z", 1, [1.0, 2.0])
    (chosen,), lines = choose(find_experiments(tmp_path))
    assert chosen.path == tmp_path / "z"
    reasons = [line for line in lines if "left out" in line]
    assert [line.partition(", ")[2].partition(", ")[0] for line in reasons] == [
        "which is a replay",
        "which has no complete run",
    ]


def test_a_replay_in_the_folder_of_its_original_is_no_second_sample(tmp_path: Path) -> None:
    write_run(tmp_path / "a", 1, [1.0])
    write_run(tmp_path / "a", 2, [1.0], description={"replay_of": str(tmp_path / "a/run_1")})
    (chosen,), lines = choose(find_experiments(tmp_path))
    assert [run.name for run in chosen.runs] == ["run_1"]
    assert any(line.startswith(f"{tmp_path / 'a'} (run_2): left out, which is a replay") for line in lines)


def test_a_short_trial_with_more_runs_does_not_stand_for_the_experiment(tmp_path: Path) -> None:
    for number in (1, 2):
        write_run(tmp_path / "full", number, [1.0] * 40)
    for number in (1, 2, 3):
        write_run(tmp_path / "a_leg", number, [2.0] * 20)
    (chosen,), (line,) = choose(find_experiments(tmp_path))
    assert chosen.path == tmp_path / "full"
    difference = f"num_iterations: 20 in {tmp_path / 'a_leg/run_1'}; 40 in {tmp_path / 'full/run_1'}"
    assert f"with other settings: {difference};" in line


def test_runs_of_one_folder_that_differ_in_a_setting_are_never_pooled(tmp_path: Path) -> None:
    write_run(tmp_path / "a", 1, [1.0])
    write_run(tmp_path / "a", 2, [9.0], config={"max_traj_length": 50})
    write_run(tmp_path / "a", 3, [3.0], config={"max_tokens": 50, "prices": {"input": 1.0}})  # changes no result
    (chosen,), lines = choose(find_experiments(tmp_path))
    assert [run.name for run in chosen.runs] == ["run_1", "run_3"]
    (line,) = lines
    assert line.startswith(f"{tmp_path / 'a'} (run_2): left out, {tmp_path / 'a'} (run_1, run_3) is ProPS on CartPole")
    assert "max_traj_length: 50 in" in line


def test_complete_runs_come_before_unfinished_ones(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        write_run(tmp_path / "a", number, [1.0, 2.0], complete=number != 1)
    (experiment,) = find_experiments(tmp_path, max_runs=2)
    assert [run.name for run in experiment.runs] == ["run_2", "run_3"]
    (experiment,) = find_experiments(tmp_path, max_runs=3)
    assert [run.name for run in experiment.runs] == ["run_1", "run_2", "run_3"]


def test_a_folder_without_usable_runs_is_named(tmp_path: Path) -> None:
    (tmp_path / "cartpole_r2po" / "run_1").mkdir(parents=True)
    experiments = find_experiments(tmp_path)
    assert [each.runs for each in experiments] == [()]
    chosen, (line,) = choose(experiments)
    assert chosen == []
    assert "cartpole_r2po: run_1: it has no run.yaml" in line


def test_links_in_circles_end(tmp_path: Path) -> None:
    write_run(tmp_path / "a", 1, [1.0])
    (tmp_path / "a" / "again").symlink_to(tmp_path, target_is_directory=True)
    assert len(find_experiments(tmp_path)) == 1


class TestStableBaselines:
    def test_algorithms(self, tmp_path: Path) -> None:
        write_sb3(tmp_path, "nim", "ppo", [[1.0, 3.0], [2.0, 2.0]])
        write_sb3(tmp_path, "nim", "A2C", [[0.0]])
        assert found(tmp_path) == [("nim", "SB3-A2C", "", 1), ("nim", "SB3-PPO", "", 2)]
        a2c, ppo = find_experiments(tmp_path)
        assert a2c.cohort is None
        assert ppo.values("best_reward") == [3.0, 2.0]

    def test_they_compare_with_every_model(self, tmp_path: Path) -> None:
        write_sb3(tmp_path, "cartpole", "ppo", [[1.0]])
        write_run(tmp_path / "a", 1, [1.0])
        write_run(tmp_path / "b", 1, [1.0], description={"model": "other"})
        parts = cohorts(find_experiments(tmp_path))
        assert [[each.label for each in part] for _, part in parts] == [["ProPS", "SB3-PPO"]] * 2

    def test_folder_of_a_later_study(self, tmp_path: Path) -> None:
        write_published_run(tmp_path / "mountaincar_sb3_more" / "dqn", 1, [-200.0])
        assert found(tmp_path) == [("mountaincar", "SB3-DQN", "", 1)]

    def test_summary_of_a_run(self, tmp_path: Path) -> None:
        run = tmp_path / "nim_sb3" / "ppo" / "run_1"
        run.mkdir(parents=True)
        (run / "summary.json").write_text(json.dumps({"mean_reward": 0.5, "best_reward": 1.0, "final_reward": 0.25}))
        (experiment,) = find_experiments(tmp_path)
        assert [experiment.values(f"{name}_reward") for name in ("mean", "best", "final", "heldout")] == [
            [0.5],
            [1.0],
            [0.25],
            [],
        ]
        assert "not its iterations" in experiment.notes[0]

    def test_only_the_summary_of_all_runs(self, tmp_path: Path) -> None:
        self.write_summary(tmp_path, [{"mean_reward": 0.5}, {"mean_reward": 1.5}])
        (experiment,) = find_experiments(tmp_path)
        assert experiment.values("mean_reward") == [0.5, 1.5]
        assert experiment.values("best_reward") == []

    @pytest.mark.parametrize("value", [float("nan"), "high", None, True])
    def test_a_figure_that_is_no_number(self, value: Any, tmp_path: Path) -> None:
        self.write_summary(tmp_path, [{"mean_reward": value}, {"mean_reward": 1.5}])
        (experiment,) = find_experiments(tmp_path)
        assert experiment.values("mean_reward") == [1.5]
        assert "mean_reward is" in experiment.problems[0]

    def test_torn_summary(self, tmp_path: Path) -> None:
        self.write_summary(tmp_path, [])
        (tmp_path / "nim_sb3" / "ppo" / "summary.json").write_text('{"per_run_summ')
        (experiment,) = find_experiments(tmp_path)
        assert experiment.runs == ()
        assert experiment.problems == ("no runs",)

    def write_summary(self, root: Path, entries: list[dict[str, Any]]) -> None:
        folder = root / "nim_sb3" / "ppo"
        folder.mkdir(parents=True)
        (folder / "summary.json").write_text(json.dumps({"label": "PPO", "per_run_summaries": entries}))


def test_in_parallel_is_the_same(tmp_path: Path) -> None:
    for number in range(12):
        write_published_run(tmp_path / f"cartpole_props_{number}", 1, [float(number)])

    def rewards(experiments: list[ExperimentLogs]) -> list[Any]:
        return [(str(each.path), [run.rewards.tolist() for run in each.runs]) for each in experiments]

    assert rewards(find_experiments(tmp_path, parallel=True)) == rewards(find_experiments(tmp_path))


@pytest.mark.parametrize(
    "command",
    ["tau_c_sensitivity_results", "paper_robust_statistics", "paper_salience_analysis"],
)
def test_a_folder_without_any_run_is_one_line(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "logs" / "cartpole_props" / "run_1").mkdir(parents=True)
    assert main([command]) == 2
    said = capsys.readouterr().err
    assert said.splitlines()[-1].startswith("error: no ")
    assert "'logs'" in said
    assert [path.name for path in tmp_path.iterdir()] == ["logs"]


def test_uneven_conditions_are_named(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    write_run(logs / "a", 1, [1.0, 2.0])
    write_run(logs / "b", 1, [5.0] * 30, config={"method": "r2po"})
    out = tmp_path / "tables"
    assert main(["paper_results_tables", "--logs-root", str(logs), "--output-dir", str(out), "--formats", "md"]) == 0
    table = (out / "core_mean_reward.md").read_text()
    assert "Not at the same budget, in episodes per run: CartPole 18 (ProPS) to 130 (R2PO)." in table


def test_keys_that_change_nothing_are_no_differences(tmp_path: Path) -> None:
    """Runs from before a key existed, and runs that leave it out."""
    about = {"model": "none"}
    write_run(tmp_path / "a", 1, [1.0], config={"method": "cma_es"}, description=about)
    keys = {"description": "published", "revision_rule": None}
    write_run(tmp_path / "a", 2, [1.0], config={"method": "cma_es", **keys}, description=about)
    (experiment,) = find_experiments(tmp_path)
    assert uneven_runs(experiment) == []
    write_run(tmp_path / "b", 1, [1.0], config={"method": "r2po", **keys})
    write_run(tmp_path / "b", 2, [1.0], config={"method": "r2po", **keys, "revision_rule": "preference"})
    assert [len(each.runs) for each in find_experiments(tmp_path) if each.method == "r2po"] == [1, 1]
