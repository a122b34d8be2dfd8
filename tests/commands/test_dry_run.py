"""What ``--dry-run`` expects is about what a run then sends."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from r2po.commands.dry_run import CHARACTERS_PER_TOKEN, preview
from r2po.config import load_config
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
    said = re.search(r"in total: about ([\d,]+) to ([\d,]+)(?:.* and ([\d,]+) to ([\d,]+))?", preview(config))
    assert said is not None
    least, most = (int(number.replace(",", "")) for number in said.groups()[:2])
    longest = int((said[4] or said[2]).replace(",", ""))
    launch(config, None, {}, Observer())
    sent = sum(len(call.prompt) for call in read_calls(tmp_path / "run_1"))
    per_token = sum(CHARACTERS_PER_TOKEN) / 2
    assert least / 2 < sent / per_token < max(2 * most, longest)
    assert longest < 4 * sent / per_token
