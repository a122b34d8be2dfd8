"""``random_features`` and ``projected_mlp``: against the published formulas, written down a second time here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from r2po.config import Config, load_config, resolve
from r2po.errors import InputError
from r2po.experiment.setting import Setting
from r2po.llm.providers.embedded import EmbeddedSearch
from r2po.policies import NumericFamily, PolicyConfig, Range, make_policy
from r2po.policies.forms import NetworkPolicy
from r2po.policies.projected_mlp import ProjectedMLP
from r2po.policies.random_features import RandomFeatures
from r2po.tasks.spaces import Spaces, read_spaces
from tests.builders import CONFIGS, act, answer, make_config, make_family, numeric, open_experiment
from tests.policies.test_policies import continuous, discrete, numbered
from tests.scripted import Scripted

Matrix = NDArray[np.float64]
SWIMMER = read_spaces("Swimmer-v5", {})
FILES = (
    "swimmer/swimmer_propsp_random_features_tanh_same_dim.yaml",
    "swimmer/swimmer_props_random_projection_qr.yaml",
    "swimmer/swimmer_propsp_random_projection_qr.yaml",
)

each_family = pytest.mark.parametrize("name", ["random_features", "projected_mlp"])
each_experiment = pytest.mark.parametrize("file", FILES)
seeds = st.integers(0, 50)


def family_of(name: str, seed: int = 1, spaces: Spaces = SWIMMER, **settings: Any) -> NumericFamily:
    return make_family(name, spaces, PolicyConfig(seed=seed, settings=settings))


# ---- The formulas ----


def features_by_hand(
    params: list[float], state: Matrix, seed: int, settings: Mapping[str, float], actions: int
) -> list[float]:
    """gain (R tanh(W clip(s / scale, +-clip) + b) + bias), with sums over Python floats."""
    hidden, dimensions = int(settings["hidden_dim"]), len(state)
    rng = np.random.RandomState(int(settings["random_feature_seed_base"]) + seed)
    weights = rng.normal(0, 1, size=(hidden, dimensions)) / math.sqrt(dimensions)
    offsets = rng.uniform(-0.1, 0.1, size=hidden)
    limit = settings["obs_clip"]
    scaled = [min(max(value / settings["obs_scale"], -limit), limit) for value in state]
    features = [
        math.tanh(math.fsum(w * s for w, s in zip(weights[unit], scaled, strict=True)) + offsets[unit])
        for unit in range(hidden)
    ]
    return [
        settings["output_gain"]
        * (
            math.fsum(params[action * hidden + unit] * features[unit] for unit in range(hidden))
            + params[actions * hidden + action]
        )
        for action in range(actions)
    ]


FEATURES = {
    "hidden_dim": 8,
    "random_feature_seed_base": 1000,
    "obs_scale": 3.0,
    "obs_clip": 5.0,
    "output_gain": 0.5,
}


@given(seeds, seeds, st.sampled_from([0.1, 1.0, 30.0]))
def test_random_features_are_the_published_formula(run_seed: int, draw: int, width: float) -> None:
    rng = np.random.default_rng(draw)
    params, states = rng.uniform(-2, 2, 18).tolist(), rng.normal(0, width, (7, 8))
    actions = act(family_of("random_features", run_seed).bind(tuple(params)), states)
    assert actions.shape == (7, 2)
    expected = [features_by_hand(params, state, run_seed, FEATURES, 2) for state in states]
    np.testing.assert_allclose(actions, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden_dim": 3},
        {"random_feature_seed_base": 7},
        {"obs_scale": 0.5},
        {"obs_clip": 0.25},
        {"output_gain": -2.0},
        {"hidden_dim": 1, "random_feature_seed_base": 0, "obs_scale": 10.0, "obs_clip": 1.0, "output_gain": 3.0},
    ],
    ids=lambda changes: "-".join(changes),
)
def test_every_setting_of_random_features_does_what_it_says(changes: dict[str, Any]) -> None:
    rng = np.random.default_rng(3)
    family = family_of("random_features", 5, continuous(3, 2), **changes)
    settings = {**FEATURES, **changes}
    assert family.size == 2 * (settings["hidden_dim"] + 1)
    params, states = rng.uniform(-2, 2, family.size).tolist(), rng.normal(0, 4, (5, 3))
    expected = [features_by_hand(params, state, 5, settings, 2) for state in states]
    np.testing.assert_allclose(act(family.bind(tuple(params)), states), expected, rtol=1e-12, atol=1e-12)


def test_the_readout_lies_by_action_then_feature_and_the_biases_last() -> None:
    family = family_of("random_features")
    assert isinstance(family, RandomFeatures)
    states = np.random.default_rng(0).normal(0, 2, (6, 8))
    zero = family.bind((0.0,) * 18)
    assert isinstance(zero, NetworkPolicy)
    hidden = zero.network.features(states)
    for index in range(18):
        params = np.zeros(18)
        params[index] = 1.0
        actions = act(family.bind(tuple(params)), states)
        action = index // 8 if index < 16 else index - 16
        expected = 0.5 * hidden[:, index % 8] if index < 16 else np.full(6, 0.5)
        assert actions[:, action].tolist() == expected.tolist()
        assert (actions[:, 1 - action] == 0).all()


def mlp_by_hand(
    params: list[float], state: Matrix, seed: int, actions: int, hidden: int = 4, latent: tuple[int, int] = (5, 5)
) -> list[float]:
    """dim -> hidden -> actions; both layers Q z, with Q of a Gaussian matrix, made orthonormal by Gram-Schmidt."""
    dimensions = len(state)
    rng = np.random.RandomState(3000 + seed)
    layers = []
    for (inputs, outputs), size, z in zip(
        ((dimensions, hidden), (hidden, actions)),
        latent,
        (params[: latent[0]], params[latent[0] :]),
        strict=True,
    ):
        gaussian = rng.normal(0, 1, size=((inputs + 1) * outputs, size))
        flat = orthonormal(gaussian) @ np.array(z)
        layers.append((flat[: inputs * outputs].reshape(inputs, outputs), flat[inputs * outputs :]))
    (weights1, biases1), (weights2, biases2) = layers
    units = [math.tanh(float(state @ weights1[:, unit]) + biases1[unit]) for unit in range(hidden)]
    return [float(np.dot(units, weights2[:, action])) + float(biases2[action]) for action in range(actions)]


def orthonormal(gaussian: Matrix) -> Matrix:
    """The Q of a QR decomposition by Householder reflections, as LAPACK signs it: negative to the pivot before it."""
    rows, columns = gaussian.shape
    rest, reflections = gaussian.copy(), np.eye(rows)
    for column in range(columns):
        vector = rest[column:, column].copy()
        vector[0] += math.copysign(float(np.linalg.norm(vector)), vector[0])
        vector /= np.linalg.norm(vector)
        reflection = np.eye(rows)
        reflection[column:, column:] -= 2 * np.outer(vector, vector)
        rest, reflections = reflection @ rest, reflections @ reflection
    return reflections[:, :columns]


@given(seeds, seeds)
def test_the_projected_mlp_is_the_published_formula(run_seed: int, draw: int) -> None:
    rng = np.random.default_rng(draw)
    params, states = rng.uniform(-6, 6, 10).tolist(), rng.normal(0, 3, (5, 8))
    actions = act(family_of("projected_mlp", run_seed).bind(tuple(params)), states)
    assert actions.shape == (5, 2)
    expected = [mlp_by_hand(params, state, run_seed, 2) for state in states]
    np.testing.assert_allclose(actions, expected, rtol=1e-9, atol=1e-9)


def test_other_sizes_of_the_projected_mlp() -> None:
    family = family_of("projected_mlp", 2, continuous(3, 1), hidden_dim=6, latent_dim_layer1=9, latent_dim_layer2=2)
    rng = np.random.default_rng(1)
    params, states = rng.uniform(-6, 6, family.size).tolist(), rng.normal(0, 3, (4, 3))
    assert family.size == 11
    expected = [mlp_by_hand(params, state, 2, 1, 6, (9, 2)) for state in states]
    np.testing.assert_allclose(act(family.bind(tuple(params)), states), expected, rtol=1e-9, atol=1e-9)


def test_the_projections_are_orthonormal() -> None:
    family = family_of("projected_mlp")
    assert isinstance(family, ProjectedMLP)
    assert [projection.shape for projection in family.projections] == [(36, 5), (10, 5)]
    for projection in family.projections:
        np.testing.assert_allclose(projection.T @ projection, np.eye(5), atol=1e-12)


# ---- Seeds ----


@each_family
def test_the_frozen_parts_come_from_the_seed_base_plus_the_seed_of_the_run(name: str) -> None:
    states = np.random.default_rng(0).normal(0, 1, (3, 8))

    def actions(**changes: Any) -> bytes:
        family = family_of(name, **changes)
        return act(family.bind((1.0,) * family.size), states).tobytes()

    base, usual = {
        "random_features": ("random_feature_seed_base", 1000),
        "projected_mlp": ("projection_seed_base", 3000),
    }[name]
    np.random.seed(0)  # noqa: NPY002 - it must not matter
    first = actions(seed=4)
    np.random.seed(1)  # noqa: NPY002
    assert actions(seed=4) == first
    assert actions(seed=5) != first
    assert actions(seed=3, **{base: usual + 1}) == first
    assert actions(seed=0, **{base: usual + 4}) == first


@each_family
def test_a_run_draws_them_from_its_own_seed(name: str) -> None:
    setting = Setting(make_config("swimmer", "props", policy=name), seed=6)
    setting.close()
    states, params = np.ones((1, 8)), (1.0,) * numeric(setting.policy).size
    assert act(setting.policy.bind(params), states).tolist() == act(family_of(name, 6).bind(params), states).tolist()


@each_family
def test_a_seed_that_is_too_large_is_refused(name: str) -> None:
    family_of(name, 2**32 - 1 - 3000)
    with pytest.raises(InputError, match=f"policy '{name}' takes seeds up to") as caught:
        family_of(name, 2**32)
    assert "\n" not in str(caught.value)


# ---- What prompts ask for, and the warm-up ----


@pytest.mark.parametrize(
    ("name", "size", "limit", "std"), [("random_features", 18, 2.0, 0.75), ("projected_mlp", 10, 6.0, 2.0)]
)
def test_sizes_ranges_and_warm_up(name: str, size: int, limit: float, std: float) -> None:
    family = family_of(name)
    assert (family.size, family.values) == (size, Range(-limit, limit, 1, asked=name != "random_features"))
    rng = np.random.default_rng(2)
    drawn = np.array([family.sample(rng) for _ in range(2000)])
    assert drawn.shape == (2000, size)
    assert (drawn == np.round(drawn, 1)).all()
    assert (drawn.min(), drawn.max()) == (-limit, limit)
    assert abs(drawn.mean()) < 0.03 * std
    # A value within half a step of the bound is rounded to it.
    assert (np.abs(drawn) == limit).mean() == pytest.approx(math.erfc((limit - 0.05) / std / math.sqrt(2)), rel=0.15)
    # As wide as it should be: 68.3 % within one standard deviation, give or take what rounding adds.
    for edge in (std / 2, std, 1.5 * std):
        inside = math.erf((math.floor(edge * 10) + 0.5) / 10 / std / math.sqrt(2))
        assert (np.abs(drawn) < math.floor(edge * 10) / 10 + 0.05).mean() == pytest.approx(inside, abs=0.015)
    assert not (np.signbit(drawn) & (drawn == 0)).any()


@pytest.mark.parametrize(
    ("name", "settings", "limit"),
    [
        ("random_features", {"readout_init_std": 0.1}, 0.6),
        ("random_features", {"param_min": -0.5, "param_max": 0.3}, 0.5),
        ("projected_mlp", {"latent_init_std": 0.1}, 0.6),
        ("projected_mlp", {"param_min": -1, "param_max": 1}, 1.0),
    ],
)
def test_the_warm_up_follows_the_settings(name: str, settings: dict[str, Any], limit: float) -> None:
    family = family_of(name, **settings)
    drawn = np.array([family.sample(np.random.default_rng(seed)) for seed in range(200)])
    assert np.abs(drawn).max() <= limit
    if "param_max" in settings:
        assert drawn.max() == settings["param_max"]
        assert family.values == Range(settings["param_min"], settings["param_max"], 1, asked=name != "random_features")


# ---- Batches ----


@each_family
@given(st.data())
def test_an_action_does_not_depend_on_its_batch(name: str, data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 10_000)))
    family = family_of(name, data.draw(seeds))
    policy = family.bind(family.sample(rng))
    count = data.draw(st.integers(1, 40))
    states = rng.normal(0, data.draw(st.sampled_from([0.01, 1.0, 100.0])), (count, 8))
    whole = act(policy, states)
    chosen = data.draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=50))
    assert act(policy, states[chosen]).tobytes() == whole[chosen].tobytes()
    assert act(policy, np.asfortranarray(states)).tobytes() == whole.tobytes()
    for index in chosen:
        assert act(policy, states[[index]]).tobytes() == whole[[index]].tobytes()


# ---- Parameters are clipped under both protocols ----


@each_family
@pytest.mark.parametrize("protocol", ["published", "controlled"])
def test_parameters_are_always_clipped_and_the_raw_ones_logged(name: str, protocol: str, tmp_path: Path) -> None:
    config = make_config(
        "swimmer",
        "props",
        policy=name,
        protocol=protocol,
        num_iterations=2,
        num_evaluation_episodes=2,
        warmup_episodes=1,
        heldout_episodes=0,
        max_traj_length=5,
    )
    size, limit = (18, 2.0) if name == "random_features" else (10, 6.0)
    raw = [limit + 1.5, -limit - 0.25, limit, *[0.5] * (size - 3)]
    provider = Scripted([answer(raw), answer([0.25] * size)])
    with open_experiment(config, provider, tmp_path) as experiment:
        experiment.run()
        first, second = (record["candidates"][0] for record in experiment.directory.read_iterations())
    assert first["raw_params"] == raw
    assert first["params"] == [limit, -limit, limit, *[0.5] * (size - 3)]
    assert (second["params"], "raw_params" in second) == ([0.25] * size, False)
    history = provider.prompts[1].split("# History")[1]
    ran = f"params[0]: {limit}, params[1]: -{limit}, params[2]: {limit},"
    replied = f"params[0]: {limit + 1.5}, params[1]: -{limit + 0.25}, params[2]: {limit},"
    assert (ran in history, replied in history) == (protocol == "controlled", protocol == "published")
    decimals = "" if name == "random_features" else " with 1 decimal"
    interval = f"a real number from -{limit} to {limit}{decimals}."
    assert interval in provider.prompts[0]


# ---- What is refused ----


@each_family
@pytest.mark.parametrize("spaces", [discrete(), numbered(), Spaces(True, 5, False, 1, 0, (-1.0,), (1.0,), None)])
def test_discrete_spaces_are_refused(name: str, spaces: Spaces) -> None:
    with pytest.raises(InputError, match=f"policy '{name}' needs observation and action vectors; use"):
        make_policy(name, spaces)


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("random_features", {"hiden_dim": 8}, "'hiden_dim' (did you mean 'hidden_dim'?)"),
        ("random_features", {"latent_dim_layer1": 5}, "unknown key in policy_settings 'latent_dim_layer1'"),
        ("random_features", {"hidden_dim": 0}, "policy_settings: hidden_dim is 0;"),
        ("random_features", {"hidden_dim": 2.5}, "policy_settings: hidden_dim is 2.5;"),
        ("random_features", {"hidden_dim": True}, "policy_settings: hidden_dim is True;"),
        ("random_features", {"obs_scale": 0}, "policy_settings: obs_scale is 0;"),
        ("random_features", {"obs_clip": -1}, "policy_settings: obs_clip is -1;"),
        ("random_features", {"obs_clip": math.inf}, "policy_settings: obs_clip is inf;"),
        ("random_features", {"output_gain": math.nan}, "policy_settings: output_gain is nan;"),
        ("random_features", {"param_min": 3}, "policy_settings: param_max is 2.0;"),
        ("random_features", {"param_min": 1, "param_max": 1}, "policy_settings: param_max is 1;"),
        ("random_features", {"readout_init_std": "wide"}, "policy_settings: readout_init_std is 'wide';"),
        ("random_features", {"random_feature_seed_base": -1}, "policy_settings: random_feature_seed_base is -1;"),
        ("projected_mlp", {"obs_clip": 1}, "unknown key in policy_settings 'obs_clip'"),
        (
            "projected_mlp",
            {"latent_dim_layer1": 37},
            "policy_settings: latent_dim_layer1 is 37; that layer has only 36",
        ),
        (
            "projected_mlp",
            {"latent_dim_layer2": 11},
            "policy_settings: latent_dim_layer2 is 11; that layer has only 10",
        ),
        ("projected_mlp", {"hidden_dim": 1}, "policy_settings: latent_dim_layer2 is 5; that layer has only 4"),
        ("projected_mlp", {"latent_init_std": 0}, "policy_settings: latent_init_std is 0;"),
        ("projected_mlp", {"param_max": -6.5}, "policy_settings: param_max is -6.5;"),
        ("linear", {"hidden_dim": 8}, "unknown key in policy_settings 'hidden_dim'"),
    ],
)
def test_wrong_settings_are_named_in_one_line(name: str, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as caught:
        family_of(name, **settings)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_layer_may_have_as_many_parameters_as_weights() -> None:
    family = family_of("projected_mlp", latent_dim_layer1=36, latent_dim_layer2=10)
    assert family.size == 46
    assert act(family.bind((0.5,) * 46), np.ones((2, 8))).shape == (2, 2)


# ---- What prompts say ----


def test_the_form_of_random_features_names_every_parameter_and_the_whole_formula() -> None:
    text = family_of("random_features").form([], ["left", "right"])
    assert "h = tanh(W clip(s / 3, -5, 5) + c)" in text
    assert "a[i] = 0.5 (sum over j of R[i, j] h[j] + bias[i])" in text
    assert text.splitlines()[-4:] == [
        "- params[0] to params[7]: readout weights of a[0] (left)",
        "- params[8] to params[15]: readout weights of a[1] (right)",
        "- params[16]: bias of a[0]",
        "- params[17]: bias of a[1]",
    ]


def test_the_form_of_the_projected_mlp_does_not_tell_the_projection() -> None:
    family = family_of("projected_mlp")
    assert isinstance(family, ProjectedMLP)
    text = family.form([], [])
    assert "8 -> 4 -> 2, with tanh hidden units" in text
    assert "Its 10 parameters control it" in text
    assert "opaque" in text
    assert "params[" not in text  # which parameter belongs to which layer is not told
    assert not any(f"{value:.2f}" in text for value in family.projections[0].ravel())


# ---- The published experiments ----


@each_experiment
@pytest.mark.parametrize("protocol", ["published", "controlled"])
def test_the_experiments_on_swimmer_run(file: str, protocol: str, tmp_path: Path) -> None:
    config = load_config(
        CONFIGS / file,
        [
            "num_iterations=2",
            "num_evaluation_episodes=2",
            "warmup_episodes=2",
            "heldout_episodes=2",
            "max_traj_length=20",
        ],
        protocol=protocol,
    )
    with open_experiment(config, EmbeddedSearch(), tmp_path) as experiment:
        result = experiment.run()
    assert result["iterations"] == 2
    assert len(result["best_params"]) == (18 if "features" in file else 10)
    assert result["heldout_episodes"] == 2


def test_policy_settings_of_a_config_reach_the_policy() -> None:
    config: Config = make_config("swimmer", "props", policy="random_features", policy_settings={"hidden_dim": 5})
    setting = Setting(config, seed=1)
    setting.close()
    assert numeric(setting.policy).size == 12
    assert resolve(config.model_dump(mode="json"), "test") == config
