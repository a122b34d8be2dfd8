"""Reading an environment's spaces."""

from __future__ import annotations

from typing import Any

import gymnasium
import pytest

from r2po.errors import InputError
from r2po.tasks.spaces import Spaces, read_spaces


@pytest.mark.parametrize(
    ("gym_id", "env_kwargs", "expected"),
    [
        ("CartPole-v1", {}, Spaces(False, 4, True, 2, 0, (), (), 500)),
        ("InvertedPendulum-v5", {}, Spaces(False, 4, False, 1, 0, (-3.0,), (3.0,), 1000)),
        ("Swimmer-v5", {}, Spaces(False, 8, False, 2, 0, (-1.0, -1.0), (1.0, 1.0), 1000)),
        ("FrozenLake-v1", {"map_name": "8x8"}, Spaces(True, 64, True, 4, 0, (), (), 100)),
        ("Nim-v0", {}, Spaces(True, 11, True, 3, 1, (), (), None)),
        ("maze-random-v0", {"size": 7}, Spaces(True, 49, True, 4, 0, (), (), 200)),
        ("maze-random-v0", {"max_episode_steps": 50}, Spaces(True, 25, True, 4, 0, (), (), 50)),
        ("Swimmer-v5", {"width": 64}, Spaces(False, 8, False, 2, 0, (-1.0, -1.0), (1.0, 1.0), 1000)),
    ],
)
def test_known_spaces(gym_id: str, env_kwargs: dict[str, Any], expected: Spaces) -> None:
    assert read_spaces(gym_id, env_kwargs) == expected


@pytest.mark.parametrize(
    ("gym_id", "env_kwargs", "message"),
    [
        ("cartpole-v1", {}, "unknown environment 'cartpole-v1' (did you mean 'CartPole-v1'?)"),
        ("CartPole-v7", {}, "unknown environment 'CartPole-v7' (did you mean 'CartPole-v"),
        ("not an id", {}, "unknown environment 'not an id'"),
        ("no_such_module:Thing-v0", {}, "asks for the plugin 'no_such_module'"),
        (
            "FrozenLake-v1",
            {"slippery": True},
            "unknown argument of FrozenLake-v1 'slippery' (did you mean 'is_slippery'?)",
        ),
        ("FrozenLake-v1", {"map_name": "9x9"}, "KeyError: '9x9'"),
        ("maze-random-v0", {"size": 0}, "ValueError: size must be an integer of at least 2, not 0"),
        ("maze-random-v0", {"seed": 3}, "unknown argument of maze-random-v0 'seed' (did you mean 'maze_seed'?)"),
        ("Swimmer-v5", {"xml_file": "nowhere.xml"}, "cannot make 'Swimmer-v5'"),
        ("Swimmer-v5", {"no_such_argument": 1}, "cannot make 'Swimmer-v5'"),
        ("Blackjack-v1", {}, "unsupported observation space Tuple"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(gym_id: str, env_kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as refusal:
        read_spaces(gym_id, env_kwargs)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


class _Odd(gymnasium.Env[Any, Any]):
    """An environment with the given spaces, which notes that it was closed."""

    closed = 0

    def __init__(self, **spaces: gymnasium.Space[Any]) -> None:
        self.observation_space = spaces["observation"]
        self.action_space = spaces["action"]

    def close(self) -> None:
        type(self).closed += 1


@pytest.mark.parametrize(
    ("observation", "action", "message"),
    [
        (gymnasium.spaces.Discrete(4, start=1), gymnasium.spaces.Discrete(2), "unsupported observation space"),
        (gymnasium.spaces.Box(0, 1, (2, 2)), gymnasium.spaces.Discrete(2), "unsupported observation space"),
        (gymnasium.spaces.Discrete(4), gymnasium.spaces.MultiDiscrete([2, 2]), "unsupported action space"),
        (gymnasium.spaces.Discrete(4), gymnasium.spaces.Box(0, 1, ()), "unsupported action space"),
    ],
)
def test_other_spaces_are_refused_and_the_environment_closed(
    observation: gymnasium.Space[Any], action: gymnasium.Space[Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = gymnasium.envs.registration.EnvSpec("Odd-v0", entry_point=_Odd)
    monkeypatch.setitem(gymnasium.registry, "Odd-v0", spec)
    before = _Odd.closed
    with pytest.raises(InputError, match=message):
        read_spaces("Odd-v0", {"observation": observation, "action": action})
    assert _Odd.closed == before + 1
