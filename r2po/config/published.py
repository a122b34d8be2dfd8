"""Config files written for the published code: translated, with a line for every key that means nothing here."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from pathlib import PurePath
from typing import Any

from r2po.errors import InputError
from r2po.policies import projected_mlp, random_features
from r2po.policies.frozen import FrozenSettings

TYPO = 0.85
"""Similarity from which a key is taken for a misspelt one of ours."""

_MARKS = ("task", "num_episodes", "llm_si_template_name", "max_traj_count")
"""Keys that only the published code has."""

_METHODS = (
    # The first entry that is part of the published ``task``, or else of the log directory's name, counts.
    ("reflective_prompted_policy_optimization", "r2po"),
    ("tau_c_sensitivity", "r2po"),
    ("three_traj", "three_traj"),
    ("pure_search", "pure_search"),
    ("actor_second_pass", "actor_second_pass"),
    ("critic_only", "critic_only"),
    ("always_critic", "always_critic"),
    ("reptraj", "reptraj"),
    ("reflective", "reptraj"),
    ("semantics", "propsp"),
    ("propsp", "propsp"),
    ("num_optim", "props"),
    ("props", "props"),
)

_SETTINGS = (
    # What ``protocol: controlled`` takes from R2PO instead. Not the revision rule's threshold: R2PO alone has one, and
    # another one makes another variant of it.
    "warmup_episodes",
    "max_traj_length",
    "optimum",
    "search_step_size",
)

_POLICY_SETTINGS: dict[str, type[FrozenSettings]] = {
    # The published code has these keys at the top level.
    "random_features": random_features.RandomFeaturesSettings,
    "projected_mlp": projected_mlp.ProjectedMLPSettings,
}
_ACTIVATIONS = ("activation", "feature_activation")

_MEANINGLESS = {
    "task": "it chose the method",
    **dict.fromkeys(
        ("dim_actions", "dim_states", "num_actions", "num_states", "actions", "states"), "read from the environment"
    ),
    "rank": "read from the policy",
    "max_traj_count": "the history is never cut",
    "template_dir": "prompts are built in",
    "llm_output_conversion_template_name": "replies are read by one grammar",
    "env_desc_file": "descriptions are built in",
    "render_mode": "runs are not rendered; see r2po watch",
    "rerun": "every start is a new run",
}


def is_published(values: Mapping[str, Any]) -> bool:
    """Whether a config file was written for the published code."""
    return any(mark in values for mark in _MARKS)


def translate(values: Mapping[str, Any], source: str, known: Collection[str]) -> tuple[dict[str, Any], list[str]]:
    """Return our keys for those of a published config, and a line for each key that means nothing here.

    Raises:
        InputError: The method cannot be determined, or a key asks for something that r2po does not do.
    """
    if values.get("warmup_dir"):
        raise InputError(
            f"{source}: warmup_dir is {values['warmup_dir']!r}; warm-up policies are drawn from the run's seed, not "
            "read from a folder: remove the key, and set seed to repeat a warm-up"
        )
    values, policy = _with_policy(values, source)
    method = str(values["method"]) if "method" in values else _method(values, source)
    lines = [f"{source}: written for the published code; read as method: {method}"]
    translated: dict[str, Any] = {"method": method, **policy, "published": _settings_of_the_code(method)}
    if str(values.get("llm_model_name", "")).startswith("ollama"):
        translated["temperature"] = 0
    for key, value in values.items():
        if key == "num_episodes":
            translated.setdefault("num_iterations", value)
            lines.append(f"{source}: num_episodes counted iterations; read as num_iterations: {value}")
        elif key in _SETTINGS:
            translated["published"][key] = value
        elif key in known:
            translated[key] = value
        elif key != "warmup_dir":
            _refuse_typo(key, source, known)
            lines.append(f"{source}: {key} has no meaning here ({_why_meaningless(str(key))}); ignored")
    return translated, lines


def _with_policy(values: Mapping[str, Any], source: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split the keys into those that are not about the policy's family, and our keys for those that are."""
    for key in _ACTIVATIONS:
        if values.get(key, "tanh") != "tanh":
            raise InputError(f"{source}: {key} is {values[key]!r}; only tanh is known here")
    for name, model in _POLICY_SETTINGS.items():
        if any(key.endswith("_seed_base") and key in values for key in model.model_fields):
            taken = [*model.model_fields, *_ACTIVATIONS]
            settings = {key: values[key] for key in model.model_fields if key in values}
            rest = {key: value for key, value in values.items() if key not in taken}
            return rest, {"policy": name, "policy_settings": settings}
    return dict(values), {}


def _refuse_typo(key: object, source: str, known: Collection[str]) -> None:
    """Refuse a key that is almost one of ours: it would be ignored otherwise."""
    close = get_close_matches(str(key), known, n=1, cutoff=TYPO)
    if close and str(key) not in _MEANINGLESS:
        raise InputError(f"{source}: unknown key {str(key)!r} (did you mean {close[0]!r}?)")


def _why_meaningless(key: str) -> str:
    return _MEANINGLESS.get(key, "prompts are built in" if key.endswith("template_name") else "unknown key")


def _settings_of_the_code(method: str) -> dict[str, Any]:
    """Return what the published code does not read from its configs."""
    settings: dict[str, Any] = {}
    if method not in ("r2po", "critic_only"):
        settings["announced_iterations"] = 400
    if method not in ("props", "propsp", "r2po"):
        settings["clip_actions"] = False
    return settings


def _method(values: Mapping[str, Any], source: str) -> str:
    folders = PurePath(str(values.get("logdir", ""))).parts
    for named in (str(values.get("task", "")), *reversed(folders)):
        for part, method in _METHODS:
            if part in named:
                return method
    raise InputError(
        f"{source}: cannot tell the method from task {values.get('task')!r} and logdir {values.get('logdir')!r}; "
        "add the key method"
    )
