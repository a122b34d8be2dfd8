"""What a config leaves out, from the task card and the method; and what its method cannot work with."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from r2po.config.config import MEANINGFUL_NULLS, Config, CriticSettings, HistorySettings
from r2po.errors import InputError
from r2po.installation import call
from r2po.llm.key_hosts import check_base_url
from r2po.llm.providers.replay import PREFIX
from r2po.llm.registry import kind_of
from r2po.llm.types import CRITIC
from r2po.methods import METHODS, Method
from r2po.methods.promptpo.options import TUNE_EPISODES, TUNE_EVALUATIONS
from r2po.policies import FAMILIES
from r2po.tasks import Task
from r2po.tasks.privileged import check_state


def filled(config: Config) -> Config:
    """Return the config with what it leaves out taken from the task card and the method."""
    task = config.card
    method = METHODS[config.method]
    policy = "code" if method.searches == "programs" else task.policy
    defaults: dict[str, Any] = {
        "env_kwargs": dict(task.env_kwargs),
        "policy": policy,
        "warmup_episodes": task.warmup_episodes,
        "max_traj_length": task.max_traj_length,
        "optimum": task.optimum,
        "search_step_size": task.search_step_size,
        "critic_llm_conservative_threshold": task.conservative_threshold,
    }
    if method.searches == "programs":
        defaults |= _program_defaults(config.protocol == "published")
    if method.tunes:
        defaults |= {"tune_evaluations": TUNE_EVALUATIONS, "tune_episodes": TUNE_EPISODES}
    said = config.model_fields_set & MEANINGFUL_NULLS
    if not FAMILIES.find(config.policy or policy).warms_up:
        defaults["warmup_episodes"] = 0
    missing = {key: value for key, value in defaults.items() if getattr(config, key) is None and key not in said}
    if config.env_kwargs is not None:
        missing["env_kwargs"] = {**task.env_kwargs, **config.env_kwargs}
    controlled = config.protocol == "controlled"  # the same for every method, whatever the file says
    if controlled:
        missing["clip_actions"] = True
    if not method.asks_model and config.llm_model_name is not None:
        missing["llm_model_name"] = None  # the log names no model that was not asked
    critic = _critic(config, method)
    missing |= {key: value for key, value in critic.items() if key in config.model_fields_set or value is not None}
    _check_env_kwargs(task, config.env_kwargs or {})
    complete = config.model_copy(update=missing)
    # Last: the method may count its evaluations by any other key.
    iterations = config.num_iterations or method.default_iterations(dict(complete))
    announced = config.announced_iterations
    if controlled or (announced is None and "announced_iterations" not in said):
        announced = iterations
    return complete.model_copy(update={"num_iterations": iterations, "announced_iterations": announced})


def _program_defaults(published: bool) -> dict[str, Any]:
    """Return what a search for programs takes for the keys that a config leaves out."""
    return {
        "candidates": 10,
        "reflection": True,
        "repairs": 10 if published else 3,
        "history": "all" if published else HistorySettings(),
        "information": "same",
        "budget": "iterations" if published else "evaluations",
    }


def _critic(config: Config, method: Method) -> dict[str, Any]:
    """Return the critic's keys where they differ from the search's, so that one setting is logged in one way."""
    has_critic = CRITIC in method.roles
    name, settings = config.critic_llm_model_name, config.critic.own if config.critic else {}
    own = {key: value for key, value in settings.items() if value != getattr(config, key)}
    if config.base_url is not None and name and not _asked_alike(name, config.llm_model_name or ""):
        # The search's server is none for a critic of another protocol, whose key it must not get either.
        own["base_url"] = settings.get("base_url")
    return {
        "critic_llm_model_name": name if has_critic and name != config.llm_model_name else None,
        "critic": CriticSettings(**own) if has_critic and own else None,
    }


def _asked_alike(one: str, other: str) -> bool:
    return kind_of(one).name == kind_of(other).name


def check_method(source: str, config: Config) -> None:
    """Refuse a config, as completed, that its method cannot work with."""
    method, policy = METHODS[config.method], str(config.policy)
    method.facts(dict(config))  # before there is a run directory: refuses what its functions of the config return
    if method.asks_model and config.llm_model_name is None:
        raise InputError(f"{source}: key 'llm_model_name' is missing; method {method.name!r} asks a language model")
    for key in ("llm_model_name", "critic_llm_model_name"):
        if (name := getattr(config, key)) is not None and not name.strip():
            raise InputError(f"{source}: {key} is {name!r}; expected the name of a model (r2po list shows their forms)")
    for key, base_url in {"base_url": config.base_url, "critic.base_url": config.for_role(CRITIC).base_url}.items():
        if base_url is not None:
            check_base_url(base_url, f"{source}: {key}")
    if (config.critic_llm_model_name or "").startswith(PREFIX):
        raise InputError(
            f"{source}: critic_llm_model_name is {config.critic_llm_model_name!r}; a replay answers for every role: "
            "set llm_model_name to it"
        )
    _check_information(source, config)
    if not method.fits(policy):
        alike = (other for other in METHODS.values() if other.asks_model == method.asks_model)
        fitting = ", ".join(other.name for other in alike if other.fits(policy)) or "none"
        raise InputError(
            f"{source}: method {method.name!r} searches {method.searches}, not policy {policy!r}; for that: {fitting}"
        )


def _check_information(source: str, config: Config) -> None:
    """Refuse to tell what nobody knows."""
    task = config.card
    if config.information == "reward_source" and not task.reward_source:
        raise InputError(f"{source}: information is 'reward_source'; the card of {task.name} has no reward_source")
    if config.information == "privileged":
        _check_privileged(source, config, task)


def _check_privileged(source: str, config: Config, task: Task) -> None:
    """Refuse hidden state where there is none, or where nobody would read it."""
    if FAMILIES[str(config.policy)].kind != "program":
        raise InputError(
            f"{source}: information is 'privileged'; only policies that are programs are given hidden state, not "
            f"policy {config.policy!r}; expected policy 'code'"
        )
    if not METHODS[config.method].asks_model:
        raise InputError(
            f"{source}: information is 'privileged'; method {config.method!r} asks no model, so nobody would read it"
        )
    try:
        check_state(task)
    except InputError as error:
        raise InputError(f"{source}: information is 'privileged'; {error}") from None


def _assigned(key: str, value: Any) -> str:
    """Return an override as it is typed in a shell."""
    return shlex.quote(f"{key}={json.dumps(value, default=str)}")


def _check_env_kwargs(task: Task, env_kwargs: Mapping[str, Any]) -> None:
    """Refuse arguments that would make the card's description of the environment untrue."""
    for key, value in env_kwargs.items():
        described = task.env_kwargs.get(key)
        if key not in task.free_kwargs and value is not None and value != described:
            raise InputError(
                f"env_kwargs: with {key!r} {value!r} the description of {task.gym_id} in prompts would not be true; "
                f"it holds for {'the default' if described is None else repr(described)}; "
                f"a card for another variant: {call('new-task', task.gym_id, '--env-kwargs', _assigned(key, value))}"
            )
