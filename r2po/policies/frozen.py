"""What policies with frozen random parts have in common: settings, seeds, and the spaces that they fit."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from r2po.errors import InputError
from r2po.policies.base import PolicyConfig
from r2po.policies.numeric import NumericFamily
from r2po.policies.solution import Parameters
from r2po.tasks.spaces import Spaces
from r2po.validation import Section

LARGEST_SEED = 2**32 - 1
"""The largest seed of numpy's RandomState."""


LARGEST_DIM = 4096
"""More hidden units, or parameters of a layer, would take gigabytes of frozen numbers, and no model could answer."""


class FrozenSettings(Section):
    """Values of the config key ``policy_settings``."""

    model_config = ConfigDict(allow_inf_nan=False, validate_default=True)

    hidden_dim: int = Field(ge=1, le=LARGEST_DIM)
    param_min: float
    param_max: float

    @field_validator("param_max")
    @classmethod
    def _above_the_least(cls, value: float, info: ValidationInfo) -> float:
        least = info.data.get("param_min")
        if least is not None and value <= least:
            raise ValueError(f"expected more than param_min, {least:g}")
        return value


class FrozenFamily(NumericFamily):
    """Maps observation vectors to action vectors, partly by numbers that are drawn once per run."""

    always_clips: ClassVar[bool] = True

    warmup_std: float
    """Standard deviation of warm-up parameters."""

    def __init__(self, spaces: Spaces) -> None:
        if spaces.discrete_observation or spaces.discrete_action:
            raise InputError(
                f"policy {self.name!r} needs observation and action vectors; use 'linear' or 'tabular' here"
            )
        self.spaces = spaces

    def generator(self, base: int, config: PolicyConfig) -> np.random.RandomState:
        """Return the source of the frozen numbers: the published generator, seeded with base + seed of the run.

        Raises:
            InputError: The sum is not a valid seed of this generator.
        """
        if base + config.seed > LARGEST_SEED:
            raise InputError(f"policy {self.name!r} takes seeds up to {LARGEST_SEED - base}; found {config.seed}")
        return np.random.RandomState(base + config.seed)

    def sample(self, rng: np.random.Generator) -> Parameters:
        """Draw every parameter from Normal(0, ``warmup_std``), clipped, rounded to 1 decimal."""
        return self.on_grid(rng.normal(0.0, self.warmup_std, self.size))
