"""The keys of a config that PromptPO goes by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from r2po.methods.method import EVALUATION_BUDGET

CANDIDATES = 10
"""N, if a config does not say."""
TUNE_EVALUATIONS, TUNE_EPISODES = 80, 2
"""How many evaluations tune the constants of a round's best program, and of how many episodes, if a config does not
say."""


@dataclass(frozen=True)
class Options:
    """What a config says of a PromptPO search.

    Attributes:
        candidates: N, the answers to a round's prompt.
        reflection: Whether the policy kept last is reflected on before each round but the first.
        repairs: How often a program that failed is sent back.
        last: How many of the latest rounds prompts show in full.
        best: How many of the best ones; None for all.
        reward_source: Whether prompts show the reward as code.
        observations_only: Whether summaries see nothing but observations, as published.
        evaluations: How many evaluations there are; None if rounds are counted.
        tune_evaluations: How many evaluations tune the constants of a round's best program; 0 for none.
        tune_episodes: How many episodes each of them has.
    """

    candidates: int
    reflection: bool
    repairs: int
    last: int
    best: int | None
    reward_source: bool
    observations_only: bool
    evaluations: int | None
    tune_evaluations: int = 0
    tune_episodes: int = 0

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Options:
        """Read a config, given by key and filled in."""
        history = config.get("history") or "all"
        shown: dict[str, Any] = {"last": 0, "best": None} if isinstance(history, str) else dict(history)
        return cls(
            candidates=config.get("candidates") or CANDIDATES,
            reflection=config.get("reflection", True),
            repairs=config.get("repairs") or 0,
            last=shown["last"],
            best=shown["best"],
            reward_source=config.get("information") == "reward_source",
            observations_only=config.get("protocol") == "published",
            evaluations=EVALUATION_BUDGET if config.get("budget") == "evaluations" else None,
            tune_evaluations=config.get("tune_evaluations") or 0,
            tune_episodes=config.get("tune_episodes") or 0,
        )


def spent(records: Sequence[Mapping[str, Any]], episodes: int) -> int:
    """Return the evaluations of logged rounds; a program that could not be loaded cost none.

    Those that tune constants count by their episodes, of which a candidate's evaluation has ``episodes``.
    """
    candidates = sum(bool(candidate["lengths"]) for record in records for candidate in record["candidates"])
    tuning = sum(record["tuning"]["episodes"] for record in records if "tuning" in record)
    return candidates + whole_evaluations(tuning, episodes)


def whole_evaluations(tuning: int, episodes: int) -> int:
    """Return how many evaluations of ``episodes`` cost what ``tuning`` episodes cost, rounded up."""
    return -(-tuning // episodes)


def is_spent(config: Mapping[str, Any], records: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a run has no evaluation left."""
    evaluations = Options.of(config).evaluations
    return evaluations is not None and spent(records, config["num_evaluation_episodes"]) >= evaluations
