"""A small neural network whose weights are a fixed random projection of few parameters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from r2po.errors import InputError
from r2po.policies.base import DEFAULTS, PolicyConfig
from r2po.policies.forms import NetworkPolicy, make_network
from r2po.policies.frozen import LARGEST_DIM, FrozenFamily, FrozenSettings
from r2po.policies.numeric import Range
from r2po.policies.policy import Array
from r2po.policies.solution import Parameters
from r2po.tasks.spaces import Spaces


class ProjectedMLPSettings(FrozenSettings):
    """Values of the config key ``policy_settings``."""

    hidden_dim: int = Field(4, ge=1, le=LARGEST_DIM)
    projection_seed_base: int = Field(3000, ge=0)
    param_min: float = -6.0
    param_max: float = 6.0
    latent_dim_layer1: int = Field(5, ge=1, le=LARGEST_DIM)
    latent_dim_layer2: int = Field(5, ge=1, le=LARGEST_DIM)
    latent_init_std: float = Field(2.0, gt=0)


class ProjectedMLP(FrozenFamily):
    """An MLP, tanh hidden layer and linear output, with layers Q1 z1 and Q2 z2; z1 and z2 are the parameters.

    The columns of each Q are orthonormal: the QR decomposition of a Gaussian matrix. A layer is its weights, row-major
    (inputs x outputs), then its biases (R2PO, Swimmer experiments).
    """

    name = "projected_mlp"

    def __init__(self, spaces: Spaces, config: PolicyConfig = DEFAULTS) -> None:
        super().__init__(spaces)
        self.settings = settings = config.read(ProjectedMLPSettings)
        self.warmup_std = settings.latent_init_std
        self.shapes = ((spaces.observation_size, settings.hidden_dim), (settings.hidden_dim, spaces.action_size))
        self.latent = (settings.latent_dim_layer1, settings.latent_dim_layer2)
        self.size = sum(self.latent)
        self.values = Range(settings.param_min, settings.param_max, 1)
        # The published order of draws: Q1, then Q2.
        rng = self.generator(settings.projection_seed_base, config)
        self.projections = [self._projection(rng, layer) for layer in (0, 1)]

    def _projection(self, rng: np.random.RandomState, layer: int) -> Array:
        (inputs, outputs), latent = self.shapes[layer], self.latent[layer]
        weights = (inputs + 1) * outputs
        if latent > weights:
            raise InputError(
                f"policy_settings: latent_dim_layer{layer + 1} is {latent}; that layer has only {weights} weights and "
                "biases"
            )
        projection: Array = np.linalg.qr(rng.normal(0.0, 1.0, (weights, latent)))[0]
        return projection

    def bind(self, params: Parameters, /) -> NetworkPolicy:
        """Return the policy."""
        split = self.latent[0]
        latents = (np.array(params[:split]), np.array(params[split:]))
        (weights1, biases1), (weights2, biases2) = (
            _layer(projection @ latent, shape)
            for projection, latent, shape in zip(self.projections, latents, self.shapes, strict=True)
        )
        return NetworkPolicy(make_network(weights2, biases2, hidden_weights=weights1, hidden_biases=biases1), None)

    def form(self, _observation_names: Sequence[str], _action_names: Sequence[str], /) -> str:
        """Say that the parameters have no direct meaning: the model is told neither projection nor layout."""
        (inputs, hidden), (_, outputs) = self.shapes
        return (
            f"The policy is a neural network of two layers, {inputs} -> {hidden} -> {outputs}, with tanh hidden units. "
            f"Its {self.size} parameters control it, but they are opaque: they are no weights to be interpreted, and "
            "you need not find out how they act inside."
        )


def _layer(flat: Array, shape: tuple[int, int]) -> tuple[Array, Array]:
    inputs, outputs = shape
    return flat[: inputs * outputs].reshape(shape), flat[inputs * outputs :]
