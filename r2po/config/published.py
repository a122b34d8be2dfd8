"""Config files written for the published code: translated, with a line for every key that means nothing here."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from pathlib import PurePath
from typing import Any

from r2po.config.task import is_card
from r2po.errors import InputError
from r2po.policies import projected_mlp, random_features
from r2po.policies.frozen import FrozenSettings
from r2po.tasks import TASKS

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

_FAMILIES = (
    # The first entry that is part of the published ``task`` counts.
    ("random_feature", "random_features"),
    ("proj", "projected_mlp"),
    ("mlp", "projected_mlp"),
    ("dist_s", "tabular"),
    ("cont_s", "linear"),
)

_LEFT_OUT: dict[str, Any] = {"optimum": 1000.0, "bias": False}
"""What the published code takes where these keys are left out."""
_STEP_SIZE, _THRESHOLD = "search_step_size", "critic_llm_conservative_threshold"
_STUDY = "tau_c"
"""Part of the names that the study of tau_c has; its critic is told the revision rule as an order."""

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
    "projection_seed": "it would have fixed the frozen projections of all runs; here each run has its own, from "
    "projection_seed_base and its seed",
    "decoded_weight_scale": "it would have multiplied the decoded weights of the network; here they count as they are",
}
_HINTS = {
    # What the files *_more_hints would have told beside the description.
    "mountaincar": "accelerate in the direction of the velocity",
    "mountaincarcontinuous": "where the goal is, and what the signs of action and velocity mean",
    "pong": "how to follow the ball, with wrong numbers of actions",
    "frozenlake": "always move away from holes",
}


def is_published(values: Mapping[str, Any]) -> bool:
    """Whether a config file was written for the published code."""
    return any(mark in values for mark in _MARKS if not (mark == "task" and is_card(values.get(mark))))


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
    method = str(values["method"]) if "method" in values else _method(values, source)
    policy, of_family = _policy(values, source)
    family = policy.get("policy", "")
    lines = [f"{source}: written for the published code; read as method: {method}"]
    translated: dict[str, Any] = {"method": method, **policy, "published": _settings_of_the_code(method, family)}
    if str(values.get("llm_model_name", "")).startswith("ollama"):
        translated["temperature"] = 0
    if method == "r2po" and _is_study(values):
        translated["revision_rule"] = "order"
    left_out = _left_out(values, method, family)
    meaning = "is left out; in the published code that means"
    lines += [f"{source}: {key} {meaning} {_said(value)}" for key, value in left_out.items()]
    for key, value in {**left_out, **values}.items():
        if key == "num_episodes":
            translated.setdefault("num_iterations", value)
            lines.append(f"{source}: num_episodes counted iterations; read as num_iterations: {value}")
        elif key in _SETTINGS:
            translated["published"][key] = value
        elif key in known and key != "task":
            translated[key] = value
        elif key not in ("warmup_dir", *of_family):
            _refuse_typo(key, source, known)
            lines.append(f"{source}: {key} has no meaning here ({_why_meaningless(str(key), values, family)}); ignored")
    return translated, lines


def _policy(values: Mapping[str, Any], source: str) -> tuple[dict[str, Any], list[str]]:
    """Return our keys for those that are about the policy's family, and the published ones that they stand for."""
    for key in _ACTIVATIONS:
        if values.get(key, "tanh") != "tanh":
            raise InputError(f"{source}: {key} is {values[key]!r}; only tanh is known here")
    family = _family(values)
    if family not in _POLICY_SETTINGS:
        return ({"policy": family} if family else {}), []
    fields = _POLICY_SETTINGS[family].model_fields
    settings = {key: values[key] for key in fields if key in values}
    return {"policy": family, "policy_settings": settings}, [*fields, *_ACTIVATIONS]


def _family(values: Mapping[str, Any]) -> str:
    """Return the family of policies by the published ``task``; where that tells none, by its settings, else ""."""
    if values.get("policy"):
        return str(values["policy"])
    task = str(values.get("task", ""))
    for part, family in _FAMILIES:
        if part in task:
            return family
    for name, model in _POLICY_SETTINGS.items():
        if any(key.endswith("_seed_base") and key in values for key in model.model_fields):
            return name
    return ""


def _left_out(values: Mapping[str, Any], method: str, family: str) -> dict[str, Any]:
    """Return what the published code takes for the keys that are left out and that have an effect."""
    family = family or next((task.policy for task in TASKS.values() if task.gym_id == values.get("gym_env_name")), "")
    defaults = dict(_LEFT_OUT)
    if family != "linear":
        del defaults["bias"]
    if family != "tabular":
        defaults[_STEP_SIZE] = 0.1
    if method == "r2po":
        defaults[_THRESHOLD] = None
    return {key: value for key, value in defaults.items() if key not in values}


def _said(value: object) -> str:
    return "none" if value is None or value is False else f"{value:g}"


def _is_study(values: Mapping[str, Any]) -> bool:
    """Whether a config is one of the study of tau_c: its task, its log directory or a template says so."""
    templates = [value for key, value in values.items() if str(key).endswith("template_name")]
    return any(_STUDY in str(value) for value in (values.get("task"), values.get("logdir"), *templates))


def _refuse_typo(key: object, source: str, known: Collection[str]) -> None:
    """Refuse a key that is almost one of ours: it would be ignored otherwise."""
    close = get_close_matches(str(key), known, n=1, cutoff=TYPO)
    if close and str(key) not in _MEANINGLESS:
        raise InputError(f"{source}: unknown key {str(key)!r} (did you mean {close[0]!r}?)")


def _why_meaningless(key: str, values: Mapping[str, Any], family: str) -> str:
    if key == "env_desc_file" and "more_hints" in str(values[key]):
        name = next((task.name for task in TASKS.values() if task.gym_id == values.get("gym_env_name")), "")
        told = f": {_HINTS[name]}" if name in _HINTS else ""
        return f"it would have told more hints than the description{told}; descriptions are built in"
    for other, model in _POLICY_SETTINGS.items():
        if key in model.model_fields or key in _ACTIVATIONS:
            return f"it is for {other}; the task has {family or 'other'} policies"
    return _MEANINGLESS.get(key, "prompts are built in" if key.endswith("template_name") else "unknown key")


def _settings_of_the_code(method: str, family: str) -> dict[str, Any]:
    """Return what the published code does not read from its configs."""
    settings: dict[str, Any] = {}
    if method not in ("r2po", "critic_only") and family != "projected_mlp":  # these name the true number, or none
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
