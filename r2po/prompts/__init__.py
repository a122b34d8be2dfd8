"""Prompts: templates, and the views that fill them."""

from __future__ import annotations

from r2po.prompts.brief import Brief, RevisionRule, Situation, shown
from r2po.prompts.evidence import median_package, raw_rollout, three_rollouts
from r2po.prompts.prompts import Evidence, critic_only_prompt, critic_prompt, search_prompt
from r2po.prompts.rehearsal import rehearse
from r2po.prompts.rendering import prompt_facts
from r2po.prompts.windows import HistoryWindow, RolloutWindow
from r2po.prompts.wording import Wording

__all__ = [
    "Brief",
    "Evidence",
    "HistoryWindow",
    "RevisionRule",
    "RolloutWindow",
    "Situation",
    "Wording",
    "critic_only_prompt",
    "critic_prompt",
    "median_package",
    "prompt_facts",
    "raw_rollout",
    "rehearse",
    "search_prompt",
    "shown",
    "three_rollouts",
]
