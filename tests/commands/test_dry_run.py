"""What ``--dry-run`` expects is about what a run then sends."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from r2po.commands.dry_run import CHARACTERS_PER_TOKEN, preview
from r2po.config import Config, load_config
from r2po.experiment.launch import launch
from r2po.experiment.observer import Observer
from r2po.runlog.events import read_calls
from tests.builders import CONFIGS


@pytest.mark.parametrize("method", ["always_critic", "propsp"])
def test_the_expected_tokens_are_about_those_that_a_run_sends(method: str, tmp_path: Path) -> None:
    """History lines with whole rollouts, which no prompt of AlwaysCritic shows, once made this seventeen times more."""
    overrides = ["llm_model_name=embedded/search", "num_iterations=25", "num_evaluation_episodes=2"]
    overrides += ["heldout_episodes=0", f"logdir={tmp_path}"]
    config = load_config(CONFIGS / f"cartpole/cartpole_{method}.yaml", overrides, seed=1)
    _compare(config, tmp_path)


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
    sent = sum(len(call.prompt) for call in read_calls(folder / "run_1"))
    per_token = sum(CHARACTERS_PER_TOKEN) / 2
    assert least / 2 < sent / per_token < max(2 * most, longest)
    assert longest < 4 * sent / per_token
    return text
