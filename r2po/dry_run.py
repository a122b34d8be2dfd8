"""What a run would do: its config, the first prompt of each role, and what to expect. No model is asked."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import yaml

from r2po.config import Config
from r2po.experiment import Experiment
from r2po.jsonl import read_lines
from r2po.llm.client import Client
from r2po.llm.embedded import NAME, EmbeddedSearch
from r2po.llm.store import FILE, CallStore, with_prompts
from r2po.observer import Observer
from r2po.prompts.evidence import EVIDENCE_HEADLINE
from r2po.prompts.history import write_history
from r2po.runlog import RunDirectory
from r2po.setting import Setting

CHARACTERS_PER_TOKEN = 2.5
"""Prompts here are mostly numbers, which take more tokens per character than prose."""


@dataclass(frozen=True)
class _Asked:
    role: str
    prompt: str


def preview(config: Config) -> str:
    """Return the text of ``--dry-run``.

    Warm-up and first iteration are really made, with the stand-in in the model's place, in a folder that is deleted.
    """
    seed = 1 if config.seed is None else config.seed
    with tempfile.TemporaryDirectory(prefix="r2po-dry-run-") as folder:
        setting = Setting(config, seed)
        asked, line_chars = _first_iteration(setting, Path(folder))
    resolved = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    parts = [_headline("resolved config"), resolved]
    for index, question in enumerate(asked, 1):
        parts += [_headline(f"prompt {index} of iteration 1: {question.role}"), question.prompt]
    parts += [
        _headline("what to expect"),
        *_expectations(setting, asked, line_chars),
        "",
        f"The first prompt is exactly what the model would get with seed {seed}; later ones depend on its replies, "
        f"for which {NAME} stood in here.",
    ]
    return "\n".join(parts) + "\n"


def _first_iteration(setting: Setting, folder: Path) -> tuple[list[_Asked], int]:
    """Return what the first iteration asked, and the characters that one trial adds to the history."""
    directory = RunDirectory.create(folder)
    store = CallStore(directory.path)
    client = Client(EmbeddedSearch(), NAME, {}, store, max_attempts=1, max_wait_s=0.0)
    experiment = Experiment(setting, directory, client, Observer())
    try:
        experiment.warm_up()
        experiment.remember(experiment.iterate(1))
    finally:
        setting.close()
        store.close()
    events = with_prompts(read_lines(directory.path / FILE))
    asked = [_Asked(event["role"], prompt) for event, prompt in events if event["event"] == "request"]
    history = write_history(experiment.history[-1:], setting.brief, kinds_apart=True)
    return asked, len(history) + 1


def _expectations(setting: Setting, asked: list[_Asked], line_chars: int) -> list[str]:
    config = setting.config
    assert config.num_iterations is not None
    calls = len(asked) * config.num_iterations
    episodes = calls * config.num_evaluation_episodes
    lines = [
        f"calls: {calls} ({len(asked)} in each of {config.num_iterations} iterations), more if replies are unusable",
        f"episodes: {episodes} in evaluations, {config.warmup_episodes} in the warm-up, "
        f"{config.heldout_episodes} held-out; at most {config.max_traj_length} steps each",
    ]
    limit = setting.brief.longest_rollout
    total = 0.0
    for role, prompts in _by_role(asked).items():
        first = max(map(len, prompts))
        last = first + line_chars * (config.num_iterations - 1)
        longest = last + max(_rollout_growth(prompt, limit) for prompt in prompts)
        total += len(prompts) * config.num_iterations * (first + longest) / 2
        up_to = f", up to {longest:,} if its rollout lasts {limit} steps" if longest > last else ""
        lines.append(
            f"{role} prompts: {first:,} characters in the first iteration, about {last:,} in the last{up_to} "
            f"({_tokens(first)} to {_tokens(longest)} tokens)"
        )
    lines.append(f"prompt tokens in all: up to about {_tokens(total)}")
    return lines


def _by_role(asked: list[_Asked]) -> dict[str, list[str]]:
    roles: dict[str, list[str]] = {}
    for question in asked:
        roles.setdefault(question.role, []).append(question.prompt)
    return roles


def _rollout_growth(prompt: str, limit: int) -> int:
    """Return the characters by which a prompt grows if the rollout it ends in lasts as long as it can."""
    _, shown, rollout = prompt.partition(EVIDENCE_HEADLINE)
    steps = rollout.count("\n")
    return round(len(rollout) / steps * max(limit - steps, 0)) if shown and steps else 0


def _tokens(characters: float) -> str:
    return f"{characters / CHARACTERS_PER_TOKEN:,.0f}"


def _headline(text: str) -> str:
    return f"===== {text} ====="
