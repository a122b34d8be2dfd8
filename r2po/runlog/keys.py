"""Which keys of a config do not change what a run computes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CAP_KEYS = frozenset({"max_llm_calls", "max_tokens", "max_cost", "max_wall_time_s", "prices"})
NEUTRAL_KEYS = CAP_KEYS | frozenset(
    {
        "base_url",
        "evaluation_workers",
        "isolation",
        "keep_trajectories",
        "llm_idle_timeout_s",
        "llm_max_attempts",
        "llm_max_wait_s",
        "llm_streaming",
        "llm_timeout_s",
        "logdir",
        "max_concurrent_calls",
        "num_ctx",
        "plugins",
        "prompt_cache",
        "prompts",
        "reevaluation_episodes",
        "render_mode",
        "resume_run",
        "rollout_engine",
        "track",
    }
)
"""Keys that do not change what a run computes: they may differ on resume. Of ``prompts``, not the path of a folder
counts, but the texts (``PromptFacts``)."""

_MAY_BE_UNSET = (
    *("critic_llm_model_name", "critic", "revision_rule"),
    *("rollout_window", "history_window", "number_samples"),
)


def telling(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of a logged config that change what a run computes.

    Keys that some versions did not have are left out where they set nothing, as in logs of those. A task card is told
    by its entries, as ``task.optimum`` and the like.
    """
    kept = {key: value for key, value in config.items() if key not in NEUTRAL_KEYS}
    if isinstance(kept.get("critic"), Mapping):
        kept["critic"] = {key: value for key, value in kept["critic"].items() if key not in NEUTRAL_KEYS}
    card = kept.pop("task", None)
    if isinstance(card, Mapping):
        kept |= {f"task.{entry}": value for entry, value in card.items()}
    return {key: value for key, value in kept.items() if value or key not in _MAY_BE_UNSET}
