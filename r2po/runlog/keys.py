"""Which keys of a config change nothing in what a run computes."""

from __future__ import annotations

CAP_KEYS = frozenset({"max_llm_calls", "max_tokens", "max_cost", "max_wall_time_s", "prices"})
NEUTRAL_KEYS = CAP_KEYS | frozenset(
    {
        "keep_trajectories",
        "llm_max_attempts",
        "llm_max_wait_s",
        "llm_timeout_s",
        "logdir",
        "resume_run",
        "rollout_engine",
    }
)
"""Keys that do not change what a run computes: they may differ on resume."""
