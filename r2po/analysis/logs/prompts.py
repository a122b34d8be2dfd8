"""How the prompts of a run differ from those that runs have by default, as its log tells."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from r2po.runlog.facts import NO_MODEL
from r2po.runlog.records import Description, Outcome

_STYLES = {
    "compact": "compact prompts",
    "own": "prompts of the user's",
    "own, compact": "compact prompts of the user's",
}


def told_prompts(description: Description, outcomes: Sequence[Outcome], differing: int) -> str:
    """Say how prompts differ from the default ones; of a replay, from those that were answered.

    Args:
        description: What ``run.yaml`` holds.
        outcomes: The iterations.
        differing: How many replies of a replay were given to other prompts.
    """
    if description["model"] == NO_MODEL:
        return ""
    if differing:
        return "replies to other prompts"
    facts = description.get("prompts")
    if any("prompts" in outcome for outcome in outcomes):
        return "prompts changed on the way"
    if facts is None:
        return "prompts of an earlier version"
    config = description["config"]
    style = _STYLES.get(facts.get("style", ""), "")
    told = {
        style: bool(style),
        "detailed descriptions": facts["description"] == "detailed",
        "reward as code": config.get("information") == "reward_source",
    }
    return ", ".join([*(name for name, holds in told.items() if holds), *_windows(config)])


def privilege(description: Description) -> str:
    """Say so if policies were given hidden state, however the prompts came about."""
    return "hidden state" if description["config"].get("information") == "privileged" else ""


def prompts_hash(description: Description, outcomes: Sequence[Outcome]) -> str:
    """Return one hash of all texts that the prompts were made from, on the way too; empty if the log tells none."""
    all_facts = [description.get("prompts"), *(outcome.get("prompts") for outcome in outcomes)]
    hashes = list(dict.fromkeys("-".join(map(str, facts.values())) for facts in all_facts if facts))
    return "".join(hashes) if len(hashes) < 2 else hashlib.sha256("+".join(hashes).encode()).hexdigest()[:16]


def _windows(config: Mapping[str, Any]) -> list[str]:
    """Say which trials and steps prompts show, where they do not show all, and whether they number samples."""
    rollout, history = config.get("rollout_window"), config.get("history_window")
    told = [
        f"rollouts of {rollout['first']} first and {rollout['last']} last steps" if rollout else "",
        f"histories of {history['best']} best and {history['last']} latest trials" if history else "",
        "numbered samples" if config.get("number_samples") else "",
    ]
    return [each for each in told if each]
