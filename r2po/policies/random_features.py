"""Frozen random features with a trainable readout."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from r2po.policies.base import DEFAULTS, PolicyConfig
from r2po.policies.forms import NetworkPolicy, make_network
from r2po.policies.frozen import LARGEST_DIM, FrozenFamily, FrozenSettings
from r2po.policies.numeric import Range
from r2po.policies.solution import Parameters
from r2po.tasks.spaces import Spaces


class RandomFeaturesSettings(FrozenSettings):
    """Values of the config key ``policy_settings``."""

    hidden_dim: int = Field(8, ge=1, le=LARGEST_DIM)
    random_feature_seed_base: int = Field(1000, ge=0)
    param_min: float = -2.0
    param_max: float = 2.0
    readout_init_std: float = Field(0.75, gt=0)
    obs_scale: float = Field(3.0, gt=0)
    obs_clip: float = Field(5.0, gt=0)
    output_gain: float = 0.5


class RandomFeatures(FrozenFamily):
    """``action = gain (R tanh(W clip(s / scale) + b) + bias)``; W and b are frozen, R and bias are the parameters.

    Flat layout: the readout by action, then feature; then the biases (R2PO, Swimmer experiments).
    """

    name = "random_features"

    def __init__(self, spaces: Spaces, config: PolicyConfig = DEFAULTS) -> None:
        super().__init__(spaces)
        self.settings = settings = config.read(RandomFeaturesSettings)
        self.warmup_std = settings.readout_init_std
        self.actions = spaces.action_size
        self.size = self.actions * (settings.hidden_dim + 1)
        self.values = Range(settings.param_min, settings.param_max, 1, asked=False)
        # The published order of draws: W, then b.
        rng = self.generator(settings.random_feature_seed_base, config)
        dimensions = spaces.observation_size
        self.weights = rng.normal(0.0, 1.0, (settings.hidden_dim, dimensions)) / np.sqrt(dimensions)
        self.offsets = rng.uniform(-0.1, 0.1, settings.hidden_dim)

    def bind(self, params: Parameters, /) -> NetworkPolicy:
        """Return the policy."""
        split = self.actions * self.settings.hidden_dim
        readout = np.array(params[:split]).reshape(self.actions, self.settings.hidden_dim)
        network = make_network(
            readout.T,
            np.array(params[split:]),
            hidden_weights=self.weights.T,
            hidden_biases=self.offsets,
            scale=self.settings.obs_scale,
            limit=self.settings.obs_clip,
            gain=self.settings.output_gain,
        )
        return NetworkPolicy(network, None)

    def form(self, _observation_names: Sequence[str], action_names: Sequence[str], /) -> str:
        """Name the readout weights and biases; the model is not told the features, which are fixed."""
        count, gain, limit = self.settings.hidden_dim, self.settings.output_gain, self.settings.obs_clip
        readouts = [
            f"- params[{action * count}] to params[{(action + 1) * count - 1}]: readout weights of a[{action}] ({name})"
            for action, name in enumerate(action_names)
        ]
        biases = [f"- params[{self.actions * count + action}]: bias of a[{action}]" for action in range(self.actions)]
        return "\n".join(
            [
                f"The policy first computes {count} fixed nonlinear features of the state, each in (-1, 1): "
                f"h = tanh(W clip(s / {self.settings.obs_scale:g}, -{limit:g}, {limit:g}) + c) with W and c random and "
                "frozen.",
                f"Each action dimension is then a[i] = {gain:g} (sum over j of R[i, j] h[j] + bias[i]).",
                "The parameters are what is trained: the readout R, row by row, and the biases. They weigh abstract "
                "features, not single state dimensions:",
                *readouts,
                *biases,
            ]
        )
