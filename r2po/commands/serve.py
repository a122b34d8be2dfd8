"""What ``r2po serve`` prints: how a run finds the server, in a ``.env``, in a config and in a command."""

from __future__ import annotations

import shlex
from dataclasses import replace

from r2po.llm.registry import PROVIDERS
from r2po.serving import ModelFile, Served

OTHER_NAME = "local-model"
CONFIG = "configs/cartpole/cartpole_propsp.yaml"
SMALL_CONTEXT = 16_384
"""A critic's prompt on CartPole may take as many tokens."""


def with_free_name(model: ModelFile) -> ModelFile:
    """Return the model under a name that chooses no other provider, as one with "gemini" in it would."""
    taken = any(kind.matches(model.name) for kind in PROVIDERS.values() if kind.name != "openai")
    return replace(model, name=OTHER_NAME) if taken else model


def instructions(model: ModelFile, served: Served) -> str:
    """Return what a user needs to start a run with a server."""
    jobs = ["--runs", str(served.slots), "--jobs", str(served.slots)] if served.slots > 1 else []
    settings = [f"llm_model_name={served.name}", "structured_output=true"]
    command = shlex.join(["r2po", "run", "--config", CONFIG, "--set", *settings, *jobs])
    slots = (
        f"{served.slots} slots of {served.context:,} tokens each" if served.slots > 1 else f"{served.context:,} tokens"
    )
    lines = [
        f"{model.path.name} is served at {served.base_url}: {slots}",
        "",
        "# in .env, or in the environment:",
        *(f"{name}={value}" for name, value in served.environ.items()),
        "",
        "# in a config:",
        *(setting.replace("=", ": ") for setting in settings),
        *(_WINDOWS if served.context < SMALL_CONTEXT else ()),
        "",
        "# a run, from where that .env is:",
        command,
        "",
        "Ctrl-C stops the server.",
    ]
    return "\n".join(lines) + "\n"


_WINDOWS = (
    "# Long prompts do not fit into this context. These show the first and last steps of rollouts, and the best and",
    "# latest trials, instead of all:",
    "#   rollout_window: {first: 20, last: 20}",
    "#   history_window: {best: 10, last: 10}",
)
