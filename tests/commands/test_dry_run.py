"""What ``--dry-run`` expects is about what a run then sends."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from r2po.commands.dry_run import preview
from r2po.config import Config, load_config
from r2po.config.load import resolve
from r2po.experiment.launch import launch
from r2po.experiment.observer import Observer
from r2po.llm.tokens import features_of, token_range
from r2po.runlog.events import read_calls
from tests.builders import CONFIGS


@pytest.mark.parametrize("method", ["always_critic", "propsp"])
def test_the_expected_tokens_are_about_those_that_a_run_sends(method: str, tmp_path: Path) -> None:
    """History lines with whole rollouts, which no prompt of AlwaysCritic shows, once made this seventeen times more."""
    overrides = ["llm_model_name=embedded/search", "num_iterations=25", "num_evaluation_episodes=2"]
    overrides += ["heldout_episodes=0", f"logdir={tmp_path}"]
    config = load_config(CONFIGS / f"cartpole/cartpole_{method}.yaml", overrides, seed=1)
    _compare(config, tmp_path)


@pytest.mark.parametrize("window", [{}, {"rollout_window": {"first": 20, "last": 20}}], ids=["whole", "windows"])
def test_excerpts_of_the_latest_rollouts_do_not_add_up(window: dict[str, Any], tmp_path: Path) -> None:
    """Each iteration shows those of the latest five; counted as new in each, they made the last prompt four times."""
    values = {"method": "r2po", "gym_env_name": "CartPole-v1", "llm_model_name": "embedded/search", "seed": 1, **window}
    few = {"num_evaluation_episodes": 2, "heldout_episodes": 0, "reevaluation_episodes": 0, "num_iterations": 60}
    config = resolve({**values, **few, "logdir": str(tmp_path)}, "test")
    (line,) = re.findall(r"^critic prompts: .*$", preview(config, {}), re.M)
    expected = max(
        int(figure.replace(",", "")) for figure in re.findall(r"([\d,]+)(?: in the last| with the lon)", line)
    )
    launch(config, None, {}, Observer())
    longest = max(len(call.prompt) for call in read_calls(tmp_path / "run_1") if call.role == "critic")
    assert 0.9 * longest < expected < 1.5 * longest


@pytest.mark.slow
def test_a_search_for_programs_is_expected_to_send_about_what_it_sends(tmp_path: Path) -> None:
    """Its rounds make prompts grow; reflections begin with the second, and one question is asked in the first alone."""
    overrides = ["llm_model_name=embedded/code", "num_iterations=4", "num_evaluation_episodes=2", "candidates=3"]
    overrides += [
        "heldout_episodes=0",
        "reevaluation_episodes=0",
        "budget=iterations",
        "repairs=0",
        "max_traj_length=40",
    ]
    overrides += ["history=all", f"logdir={tmp_path}"]
    config = load_config(CONFIGS / "cartpole/cartpole_promptpo.yaml", overrides, seed=1)
    text = _compare(config, tmp_path)
    assert re.search(r"^feedback prompts: .* in the first iteration \(.*\), none later$", text, re.M)
    assert re.search(r"^reflection prompts: .* in the second iteration \(", text, re.M)


def test_a_search_that_ends_after_one_round_is_expected_to(tmp_path: Path) -> None:
    overrides = ["llm_model_name=embedded/code", "num_evaluation_episodes=1", "candidates=2", "max_traj_length=40"]
    overrides += ["budget=iterations", "num_iterations=1", f"logdir={tmp_path}"]
    config = load_config(CONFIGS / "cartpole/cartpole_promptpo.yaml", overrides, seed=1)
    assert "reflection prompts" not in preview(config, {})


def _compare(config: Config, folder: Path) -> str:
    """Compare what is expected with what is sent, and return what was said."""
    text = preview(config, {})
    said = re.search(r"in total: about ([\d,]+) to ([\d,]+)(?:.* and ([\d,]+) to ([\d,]+))?", text)
    assert said is not None
    least, most = (int(number.replace(",", "")) for number in said.groups()[:2])
    longest = int((said[4] or said[2]).replace(",", ""))
    launch(config, None, {}, Observer())
    sent = [token_range(features_of(call.prompt)) for call in read_calls(folder / "run_1")]
    fewest, largest = map(sum, zip(*sent, strict=True))
    middle = (fewest + largest) / 2
    assert least / 2 < middle < max(2 * most, longest)
    assert longest < 4 * middle
    return text


def _dry_run(**values: Any) -> str:
    small = {"num_evaluation_episodes": 2, "heldout_episodes": 0, "reevaluation_episodes": 0, "seed": 1}
    config = resolve({"method": "r2po", "gym_env_name": "CartPole-v1", "logdir": "unused", **small, **values}, "test")
    return preview(config, {})


def test_prompts_that_outgrow_the_context_that_the_config_asks_for_are_named() -> None:
    """Those of the critic: by the last iteration, its rollouts and the history take 11,000 tokens or more."""
    told = _dry_run(llm_model_name="ollama/any", num_ctx=9000)
    assert re.search(r"^critic prompts will outgrow num_ctx, 9,000, .* \(rollout_window, history_window\)$", told, re.M)
    assert not re.search(r"^search prompts (will|may) outgrow", told, re.M)
    assert "outgrow" not in _dry_run(llm_model_name="ollama/any", num_ctx=131_072)
    assert "outgrow" not in _dry_run(llm_model_name="openai:any", num_ctx=9000), "only Ollama is told num_ctx"


def test_each_role_has_a_context_of_its_own() -> None:
    told = _dry_run(llm_model_name="ollama/any", num_ctx=131_072, critic={"num_ctx": 9000})
    assert "critic prompts will outgrow num_ctx, 9,000" in told
