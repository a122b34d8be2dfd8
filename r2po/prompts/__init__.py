"""Prompts: templates, the views that fill them, and the reply grammar."""

from __future__ import annotations

from r2po.prompts.brief import Brief, Situation
from r2po.prompts.evidence import median_package, raw_rollout, three_rollouts
from r2po.prompts.prompts import Evidence, critic_only_prompt, critic_prompt, search_prompt
from r2po.prompts.reply import read_parameters
from r2po.prompts.schema import answer_schema

__all__ = [
    "Brief",
    "Evidence",
    "Situation",
    "answer_schema",
    "critic_only_prompt",
    "critic_prompt",
    "median_package",
    "raw_rollout",
    "read_parameters",
    "search_prompt",
    "three_rollouts",
]
