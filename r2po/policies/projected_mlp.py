"""A small neural network whose weights are a fixed random projection of few parameters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from r2po.errors import InputError
from r2po.policies.base import DEFAULTS, Array, Interval, Options, Parameters, Policy, PolicyFamily, in_order
from r2po.tasks.spaces import Spaces


class Settings(BaseModel):
    """Values of the config key ``policy_settings``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hidden_dim: int = Field(4, ge=1)
    projection_seed_base: int = Field(3000, ge=0)
    param_min: float = -6.0
    param_max: float = 6.0
    latent_dim_layer1: int = Field(5, ge=1)
    latent_dim_layer2: int = Field(5, ge=1)
    latent_init_std: float = Field(2.0, gt=0)


class ProjectedMLP(PolicyFamily):
    """An MLP, tanh hidden layer and linear output, with layers Q1 z1 and Q2 z2; z1 and z2 are the parameters.

    The columns of each Q are orthonormal: the QR decomposition of a Gaussian matrix. A layer is its weights, row-major
    (inputs x outputs), then its biases (R2PO, Swimmer experiments).
    """

    name = "projected_mlp"
    always_clips = True

    def __init__(self, spaces: Spaces, options: Options = DEFAULTS) -> None:
        if spaces.discrete_observation or spaces.discrete_action:
            raise InputError(
                f"policy {self.name!r} needs observation and action vectors; use 'linear' or 'tabular' here"
            )
        self.settings = settings = options.read(Settings)
        self.spaces = spaces
        self.shapes = ((spaces.observation_size, settings.hidden_dim), (settings.hidden_dim, spaces.action_size))
        self.latent = (settings.latent_dim_layer1, settings.latent_dim_layer2)
        self.size = sum(self.latent)
        self.values = Interval(settings.param_min, settings.param_max, 1)
        # The published order of draws: Q1, then Q2.
        rng = np.random.RandomState(settings.projection_seed_base + options.seed)
        self.projections = [
            np.linalg.qr(rng.normal(0.0, 1.0, ((inputs + 1) * outputs, latent)))[0]
            for (inputs, outputs), latent in zip(self.shapes, self.latent, strict=True)
        ]

    def sample(self, rng: np.random.Generator) -> Parameters:
        """Draw every parameter from Normal(0, ``latent_init_std``), clipped, rounded to 1 decimal."""
        return self.on_grid(rng.normal(0.0, self.settings.latent_init_std, self.size))

    def bind(self, params: Parameters) -> Policy:
        """Return the policy."""
        split = self.latent[0]
        latents = (np.array(params[:split]), np.array(params[split:]))
        (weights1, biases1), (weights2, biases2) = (
            _layer(projection @ latent, shape)
            for projection, latent, shape in zip(self.projections, latents, self.shapes, strict=True)
        )
        return lambda observations: in_order(np.tanh(in_order(observations, weights1) + biases1), weights2) + biases2

    def form(self, _observation_names: Sequence[str], _action_names: Sequence[str], /) -> str:
        """Say that the parameters have no direct meaning: the projection is not told."""
        first, second = self.latent
        return (
            f"The policy is a neural network with {self.shapes[0][1]} tanh hidden units and a linear output, one per "
            "action dimension. Its weights and biases are fixed random linear combinations of the parameters, so no "
            "single parameter belongs to a single state dimension:\n"
            f"- params[0] to params[{first - 1}]: determine the hidden layer\n"
            f"- params[{first}] to params[{first + second - 1}]: determine the output layer"
        )


def _layer(flat: Array, shape: tuple[int, int]) -> tuple[Array, Array]:
    inputs, outputs = shape
    return flat[: inputs * outputs].reshape(shape), flat[inputs * outputs :]
