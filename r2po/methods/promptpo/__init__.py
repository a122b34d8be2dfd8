"""PromptPO: policies as programs, written anew in rounds from what came of the programs before."""

from __future__ import annotations

from r2po.methods.promptpo.method import METHOD, promptpo

__all__ = ["METHOD", "promptpo"]
