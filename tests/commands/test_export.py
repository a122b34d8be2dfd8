"""The exported policy: Python that needs NumPy only and acts as the policy of the run does, to the last bit."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import r2po
from r2po.cli import main
from r2po.commands.export import export
from r2po.errors import InputError
from r2po.experiment.launch import launch
from r2po.experiment.observer import Observer
from r2po.policies import FunctionPolicy, PolicyConfig, make_policy
from r2po.policies.base import clipped
from r2po.policies.policy import StatelessPolicy
from r2po.policies.standalone import standalone
from r2po.runlog import RunDirectory
from r2po.seeding import derive_seed
from r2po.tasks.spaces import Spaces, read_spaces
from tests.builders import make_config

SMALL = {
    "num_iterations": 2,
    "num_evaluation_episodes": 2,
    "heldout_episodes": 4,
    "reevaluation_episodes": 0,
    "seed": 3,
}


def executed(text: str) -> Any:
    """Return a policy of a file's text."""
    names: dict[str, Any] = {}
    exec(compile(text, "best_policy.py", "exec"), names)
    return names["Policy"]()


def run_of(folder: Path, environment: str, **values: Any) -> Path:
    values = {"logdir": str(folder / "logs"), **SMALL, **values}
    launch(make_config(environment, **values), None, {}, Observer())
    return folder / "logs/run_1"


FAMILIES = [
    ("linear", "CartPole-v1", {}),
    ("linear", "MountainCarContinuous-v0", {}),
    ("linear", "Pong-v0", {}),
    ("random_features", "Swimmer-v5", {}),
    ("random_features", "Swimmer-v5", {"obs_clip": 0.5, "output_gain": 1.0, "obs_scale": 1.0}),
    ("projected_mlp", "Swimmer-v5", {}),
    ("projected_mlp", "MountainCarContinuous-v0", {"hidden_dim": 1, "latent_dim_layer1": 3, "latent_dim_layer2": 1}),
]


@settings(max_examples=40, deadline=None)
@given(case=st.sampled_from(FAMILIES), bias=st.booleans(), bounded=st.booleans(), seed=st.integers(0, 2**31))
def test_networks_act_alike_to_the_last_bit(
    case: tuple[str, str, dict[str, float]], bias: bool, bounded: bool, seed: int
) -> None:
    name, gym_id, values = case
    family = make_policy(name, spaces_of(gym_id), PolicyConfig(bias, seed, values))
    rng = np.random.default_rng(seed)
    policy = family.bind(family.sample(rng))
    policy = clipped(policy, spaces_of(gym_id)) if bounded else policy
    assert isinstance(policy, StatelessPolicy)
    text = standalone(policy)
    assert text is not None
    alone, size = executed(text), spaces_of(gym_id).observation_size
    # float32, as Gymnasium gives them: rollouts make them float64 first.
    for observation in rng.normal(0, rng.choice([0.1, 10.0, 1e8]), (20, size)).astype(np.float32):
        expected = policy(observation.astype(np.float64)[np.newaxis])[0]
        np.testing.assert_array_equal(alone.act(observation), expected)
        assert type(alone.act(observation)) is (int if spaces_of(gym_id).discrete_action else np.ndarray)


_SPACES: dict[str, Spaces] = {}


def spaces_of(gym_id: str) -> Spaces:
    if gym_id not in _SPACES:
        _SPACES[gym_id] = read_spaces(gym_id, {})
    return _SPACES[gym_id]


def test_a_table_looks_its_actions_up() -> None:
    family = make_policy("tabular", read_spaces("FrozenLake-v1", {}))
    solution = family.sample(np.random.default_rng(1))
    text = standalone(family.bind(solution))
    assert text is not None
    assert [executed(text).act(np.int64(state)) for state in range(16)] == list(solution)


def test_numbers_that_are_none_are_written_too() -> None:
    family = make_policy("linear", read_spaces("MountainCarContinuous-v0", {}))
    text = standalone(family.bind((1e300, -1e-300, float("inf"))))
    assert text is not None
    assert executed(text).act([1.0, 1.0]).tolist() == [float("inf")]


def test_other_policies_may_write_themselves() -> None:
    class Own(FunctionPolicy):
        def as_python(self) -> str:
            return "class Policy:\n    def act(self, obs):\n        return 7"

    assert standalone(FunctionPolicy(np.sign)) is None
    assert executed(standalone(Own(np.sign)) or "").act(0) == 7


@pytest.fixture(scope="module")
def swimmer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    values = {"policy": "random_features", "clip_actions": True, "max_traj_length": 20, "warmup_episodes": 1}
    return run_of(tmp_path_factory.mktemp("swimmer"), "swimmer", **values)


def test_the_file_scores_what_the_run_says_without_r2po(swimmer: Path, tmp_path: Path) -> None:
    """In a process that cannot import r2po, on the very seeds of the held-out episodes."""
    export(swimmer, tmp_path / "best.py")
    seeds = [derive_seed(3, "heldout", k) for k in range(4)]
    program = f"""
import sys, gymnasium
sys.modules["r2po"] = None
from best import Policy
environment, returns = gymnasium.make("Swimmer-v5"), []
for seed in {seeds}:
    observation, total, policy = environment.reset(seed=seed)[0], 0.0, Policy()
    for _ in range(20):
        observation, reward, *_ = environment.step(policy.act(observation))
        total += float(reward)
    returns.append(total)
print(sum(returns) / len(returns), sorted(name for name in sys.modules if name.startswith("r2po")))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    mean, loaded = done.stdout.split(maxsplit=1)
    assert float(mean) == pytest.approx(RunDirectory(swimmer).read_result()["heldout_reward"], rel=1e-12)
    assert loaded.strip() == "['r2po']"


def test_it_imports_numpy_and_mathematics_only_and_says_where_it_comes_from(swimmer: Path, tmp_path: Path) -> None:
    export(swimmer, tmp_path / "best.py")
    text = (tmp_path / "best.py").read_text(encoding="utf-8")
    imported = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert [alias.name for node in imported for alias in node.names] == ["math", "numpy"]
    result = RunDirectory(swimmer).read_result()
    heading = text.partition("\n\n")[0]
    for part in (
        f"# Best policy of logs/run_1 on Swimmer-v5: iteration {result['best_iteration']}, mean return ",
        "# On 4 fresh episodes: mean return ",
        "found by R2PO with the model embedded/search [embedded stand-in, no language model], seed 3; r2po ",
        "# observation[0]: ",
        "# action[0]: ",
        "# Actions are moved into the environment's bounds: [-1.0, -1.0] to [1.0, 1.0].",
    ):
        assert part in heading
    assert all(line.startswith("#") for line in heading.splitlines())


def test_no_name_of_a_folder_gets_out_of_the_heading(tmp_path: Path) -> None:
    odd = tmp_path / "logs\nimport os"
    run = run_of(tmp_path, "frozenlake", method="random_search", warmup_episodes=1, logdir=str(odd))
    assert not run.exists()
    export(odd / "run_1", tmp_path / "best.py")
    tree = ast.parse((tmp_path / "best.py").read_text(encoding="utf-8"))
    assert [node.names[0].name for node in tree.body if isinstance(node, ast.Import)] == ["numpy"]


def test_the_end_of_the_name_decides(swimmer: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(swimmer), str(tmp_path / "best.json")]) == 0
    assert json.loads((tmp_path / "best.json").read_text())["policy"] == "random_features"
    assert main(["export", str(swimmer), "--output", str(tmp_path / "best.py")]) == 0
    capsys.readouterr()
    assert main(["export", str(swimmer), str(tmp_path / "best.txt")]) == 2
    assert "expected a file name that ends in .py or .json" in capsys.readouterr().err
    assert main(["export", str(swimmer)]) == 2
    assert "no FILE: name one file to write" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.json", "best.py"]


def test_from_python(swimmer: Path, tmp_path: Path) -> None:
    written = r2po.export(swimmer, tmp_path / "new" / "best.py")
    assert written == tmp_path / "new" / "best.py"
    alone = executed(written.read_text(encoding="utf-8"))
    observation = gymnasium.make("Swimmer-v5").reset(seed=1)[0]
    with r2po.load_policy(swimmer) as policy:
        np.testing.assert_array_equal(policy(observation), alone.act(observation))
    with pytest.raises(InputError, match="expected a file name"):
        r2po.export(swimmer, tmp_path / "best.txt")
