"""Turns the zoo's entry and the config into the arguments of an algorithm's constructor."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from r2po.baselines.sb3.algorithms import Algorithm
from r2po.baselines.sb3.config import SB3Config
from r2po.baselines.sb3.expressions import ClassName, LinearDecay, parse_value
from r2po.baselines.sb3.zoo import Entry
from r2po.errors import InputError, nearest

WITHOUT_EFFECT = frozenset({"n_timesteps", "policy"})
"""Keys of the zoo that the suite decides itself: the budget, and MlpPolicy."""
LEFT_OUT = frozenset({"callback", "env_kwargs", "env_wrapper", "frame_stack", "monitor_kwargs", "vec_env_wrapper"})
"""Keys of the zoo that would change the environment or the training; they are recorded as left out."""
OUTSIDE_CONSTRUCTOR = frozenset({"n_envs", "normalize", "noise_type", "noise_std"})
OURS = frozenset({"policy", "env", "seed", "device", "verbose", "tensorboard_log", "_init_setup_model"})
SCHEDULES = frozenset({"learning_rate", "clip_range", "clip_range_vf"})


@dataclass(frozen=True)
class Hyperparameters:
    """What an algorithm is run with.

    Attributes:
        raw: As the zoo and the config have them, for the record.
        values: The same, parsed.
        source: Where they come from: the zoo's entry, the keys ``overridden`` by the config, those ``left_out``, and
            those that the protocol ``published`` sets.
        label: The source in a few words.
    """

    raw: Mapping[str, Any]
    values: Mapping[str, Any]
    source: Mapping[str, Any]
    label: str

    @property
    def num_envs(self) -> int:
        """Number of environments that training steps together."""
        return int(self.values.get("n_envs", 1))

    @property
    def normalization(self) -> dict[str, Any] | None:
        """Arguments of ``VecNormalize``; None if nothing is normalised."""
        wanted = self.values.get("normalize", False)
        if not wanted:
            return None
        gamma = {"gamma": self.values["gamma"]} if "gamma" in self.values else {}
        return {**gamma, **(wanted if isinstance(wanted, dict) else {})}


def collect(config: SB3Config, algorithm: Algorithm, entry: Entry) -> Hyperparameters:
    """Lay the config's hyperparameters over the zoo's, and parse them.

    Raises:
        InputError: The algorithm has no such hyperparameter, or a value cannot be read.
    """
    overrides = config.algorithm_hyperparams.get(algorithm.name, {})
    raw = {**entry.values, **overrides}
    left_out = sorted(LEFT_OUT & raw.keys())
    raw = {key: value for key, value in raw.items() if key not in LEFT_OUT | WITHOUT_EFFECT}
    origin = {key: "algorithm_hyperparams" if key in overrides else entry.label for key in raw}
    _check_names(algorithm, origin)
    values = {key: parse_value(value, f"{algorithm.name}: {key} ({origin[key]})") for key, value in raw.items()}
    _check_values(algorithm, values, origin)
    published = _published_choices(values, overrides) if config.protocol == "published" else {}
    raw, values = {**raw, **published}, {**values, **published}
    source = {
        **entry.source,
        "overridden": sorted(overrides),
        "left_out": left_out,
        "published": sorted(published),
    }
    label = f"{entry.label}; overridden: {', '.join(sorted(overrides))}" if overrides else entry.label
    return Hyperparameters(raw, values, source, label)


def _published_choices(values: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the published comparison had instead: one environment, and rewards as they are.

    What the config itself asks for stays: its ``n_envs``, and its ``norm_reward`` within ``normalize``.
    """
    choices: dict[str, Any] = {}
    if values.get("n_envs", 1) != 1 and "n_envs" not in overrides:
        choices["n_envs"] = 1
    wanted = values.get("normalize", False)
    arguments = wanted if isinstance(wanted, dict) else {}
    is_stated = "normalize" in overrides and "norm_reward" in arguments
    if wanted and arguments.get("norm_reward", True) and not is_stated:
        choices["normalize"] = {**arguments, "norm_reward": False} if arguments.get("norm_obs", True) else False
    return choices


def constructor_arguments(
    hyperparameters: Hyperparameters, action_size: int, *, with_schedules: bool
) -> dict[str, Any]:
    """Return the arguments of the algorithm's constructor; imports PyTorch.

    With schedules, ``lin_x`` falls to 0 over the training; otherwise it is the constant x, as in the published code.
    """
    values = hyperparameters.values
    arguments = {
        key: _argument(value, with_schedules=with_schedules)
        for key, value in values.items()
        if key not in OUTSIDE_CONSTRUCTOR
    }
    if isinstance(arguments.get("train_freq"), list):
        arguments["train_freq"] = tuple(arguments["train_freq"])
    if values.get("noise_type") is not None:
        arguments["action_noise"] = _noise(values["noise_type"], values.get("noise_std", 0.1), action_size)
    return arguments


def _argument(value: Any, *, with_schedules: bool) -> Any:
    if isinstance(value, dict):
        return {key: _argument(each, with_schedules=with_schedules) for key, each in value.items()}
    if isinstance(value, list):
        return [_argument(each, with_schedules=with_schedules) for each in value]
    if isinstance(value, ClassName):
        return value.load()
    if not isinstance(value, LinearDecay):
        return value
    from stable_baselines3.common.utils import LinearSchedule

    return LinearSchedule(value.initial, 0.0, 1.0) if with_schedules else value.initial


def _noise(kind: str, std: float, action_size: int) -> Any:
    from stable_baselines3.common import noise

    mean, sigma = np.zeros(action_size), np.full(action_size, float(std))
    made = noise.NormalActionNoise if kind == "normal" else noise.OrnsteinUhlenbeckActionNoise
    return made(mean, sigma)


def _check_names(algorithm: Algorithm, origin: Mapping[str, str]) -> None:
    parameters = inspect.signature(algorithm.implementation).parameters
    known = {*parameters, *OUTSIDE_CONSTRUCTOR} - OURS
    for key, where in origin.items():
        if key not in known:
            hint = nearest(key, sorted(known))
            raise InputError(f"{algorithm.name} has no hyperparameter {key!r}{hint}, which {where} sets")


def _check_values(algorithm: Algorithm, values: Mapping[str, Any], origin: Mapping[str, str]) -> None:
    def refuse(key: str, expected: str) -> InputError:
        return InputError(f"{algorithm.name}: {key} is {values[key]!r} ({origin[key]}); expected {expected}")

    if type(values.get("n_envs", 1)) is not int or values.get("n_envs", 1) < 1:
        raise refuse("n_envs", "a whole number of at least 1")
    if not isinstance(values.get("normalize", False), bool | dict):
        raise refuse("normalize", "true, false, or dict(norm_obs=..., norm_reward=...)")
    if values.get("noise_type") not in (None, "normal", "ornstein-uhlenbeck"):
        raise refuse("noise_type", "normal or ornstein-uhlenbeck")
    for key, value in values.items():
        if isinstance(value, LinearDecay) and key not in SCHEDULES:
            raise refuse(key, f"a constant: only {', '.join(sorted(SCHEDULES))} can follow a schedule")
