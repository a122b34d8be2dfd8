"""Prompts: templates, the views that fill them, and the reply grammar."""

from __future__ import annotations

from r2po.prompts.brief import Brief, Situation
from r2po.prompts.evidence import median_package
from r2po.prompts.prompts import Evidence, critic_prompt, search_prompt
from r2po.prompts.reply import UnusableReply, read_parameters

__all__ = [
    "Brief",
    "Evidence",
    "Situation",
    "UnusableReply",
    "critic_prompt",
    "median_package",
    "read_parameters",
    "search_prompt",
]
