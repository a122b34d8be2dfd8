"""What a task card holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

from r2po.errors import InputError, nearest

if TYPE_CHECKING:
    from r2po.runlog.facts import TaskFacts

Told = Literal["published", "detailed"]
"""Which description prompts give: exactly the facts of the published ones, or all that the environment's code shows."""

Source = Literal["published", "detailed", "own"]

TODO = "TODO"
"""Marks what is still to be filled in, in the texts of a card; in place of one of its ``NUMBERS``, all there is."""

NUMBERS = ("max_traj_length", "optimum", "conservative_threshold")
"""Numbers that a card may leave open (None): then a config has to give them."""

TOLD = ("label", "summary", "observation", "actions", "reward", "ending")
"""Entries that prompts tell."""


@dataclass(frozen=True)
class Dimension:
    """One number of an observation or of a continuous action.

    Attributes:
        name: What it measures, with its unit, e.g. ``"pole angle (rad)"``.
        range: The values it can take, as prompts show them, e.g. ``"-0.418 to 0.418"``; empty to tell none.
    """

    name: str
    range: str = ""


@dataclass(frozen=True)
class Description:
    """What prompts tell of a task.

    Attributes:
        summary: What the task is, in a few sentences.
        observation: Observation dimensions in order, or what a state number means.
        actions: Meaning of each discrete action in order, or the dimensions of a continuous action.
        reward: How reward is given.
        ending: When an episode ends; empty to tell nothing of it.
    """

    summary: str
    observation: tuple[Dimension, ...] | str
    actions: tuple[str, ...] | tuple[Dimension, ...]
    reward: str
    ending: str = ""


@dataclass(frozen=True)
class Task:
    """One environment as the optimizer sees it: R2PO's settings, and the facts from which prompts are written.

    How parameters map to actions is not written here: each policy family writes it from its own layout.

    Attributes:
        name: Short name, also the folder under ``configs/``.
        label: Name in tables and figures.
        gym_id: Gymnasium id.
        policy: Default policy family (see ``r2po.policies``).
        max_traj_length: Cap on the steps of a rollout (R2PO's setting); None if it is not settled.
        optimum: Return that the prompts name as the target (R2PO's setting); None if it is not settled.
        warmup_episodes: Random policies tried before the first iteration (R2PO's setting).
        conservative_threshold: tau_c, the mean reward from which the critic is told to change little; None if it is not
            settled.
        search_step_size: Step size that prompts recommend; None for tables.
        summary: What the task is, in one or two sentences.
        observation: Observation dimensions in order, or one sentence that says what a state number means.
        actions: Meaning of each discrete action in order, or the dimensions of a continuous action.
        reward: How reward is given.
        ending: When an episode ends, the environment's own limit included, the cap excluded.
        env_kwargs: Default keyword arguments of ``gymnasium.make``.
        free_kwargs: Arguments that a config may change: the card stays true.
        random_reward: Mean return of random policies with these settings, the 0 of normalised scores (the target is
            their 1); None if not measured. ``python -m benchmarks.random_policy`` measures it.
        success: Key of ``info`` that says whether an episode has succeeded: it has, once that is true. True stands for
            ``"success"``, False for none.
        reward_source: The reward as the text of a Python function ``reward(obs, action, next_obs, terminated)``, which
            may use ``math`` and ``np`` (see ``r2po/tasks/rewards``); "" if none is written. A card may name a file.
        hidden: What ``reward`` takes besides, as its last argument ``hidden``: a record of numbers that the policy does
            not see. Meaning with unit, by name; the record has ``<name>_before`` and ``<name>_after`` the step.
        state: Which hidden fields are state of the simulator before an action is chosen: ``information: privileged``
            gives them to policies. The others only explain the reward, such as the next random draw.
        reward_tolerance: By how much the function may differ from the environment's rewards; 0 for no difference.
        fixed_start: Every episode starts with the same observation, whatever its seed.
        reuse: An environment that is reset equals a new one. Otherwise each episode gets a new one.
        flatten: Observations are made into one vector, as ``gymnasium.spaces.flatten`` does.
        published: What the published prompts tell of the task, by policy family; ``any`` is for all that are not named.
            Empty for a task without published prompts.
    """

    name: str
    label: str
    gym_id: str
    policy: str
    max_traj_length: int | None
    optimum: float | None
    warmup_episodes: int
    conservative_threshold: float | None
    search_step_size: float | None
    summary: str
    observation: tuple[Dimension, ...] | str
    actions: tuple[str, ...] | tuple[Dimension, ...]
    reward: str
    ending: str
    env_kwargs: Mapping[str, Any] = field(default_factory=dict)
    free_kwargs: tuple[str, ...] = ()
    random_reward: float | None = None
    success: bool | str = False
    reward_source: str = ""
    hidden: Mapping[str, str] = field(default_factory=dict)
    state: tuple[str, ...] = ()
    reward_tolerance: float = 0.0
    fixed_start: bool = False
    reuse: bool = True
    flatten: bool = False
    published: Mapping[str, Description] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse published texts for some policies only, hidden fields of no use, and state that cannot be given."""
        if set(self.hidden) - set(self.state) and not self.reward_source:
            raise InputError(f"task {self.name!r}: hidden fields are for the function of reward_source, which it lacks")
        self._check_state()
        if self.published and "any" not in self.published:
            raise InputError(f"task {self.name!r}: published lacks 'any', the text for policies that it does not name")

    def _check_state(self) -> None:
        if unknown := [name for name in self.state if name not in self.hidden]:
            raise InputError(
                f"task {self.name!r}: state names {unknown[0]!r}, which is no hidden field"
                f"{nearest(unknown[0], self.hidden)}; expected some of: {', '.join(self.hidden) or 'none'}"
            )
        if len(set(self.state)) < len(self.state):
            raise InputError(f"task {self.name!r}: state names a field twice: {', '.join(self.state)}")
        if self.state and isinstance(self.observation, str):
            raise InputError(f"task {self.name!r}: state fields follow a vector, and it observes the number of a state")

    def description(self, told: Told, policy: str) -> tuple[Source, Description]:
        """Return what prompts tell of it, and where that comes from; a task without published texts has but its own."""
        if not self.published:
            return "own", self._own
        if told == "detailed":
            return "detailed", self._own
        return "published", self.published.get(policy) or self.published["any"]

    @property
    def _own(self) -> Description:
        return Description(self.summary, self.observation, self.actions, self.reward, self.ending)

    @property
    def success_key(self) -> str:
        """Key of ``info`` that says whether an episode has succeeded; empty if nothing does."""
        return ("success" if self.success else "") if isinstance(self.success, bool) else self.success

    @property
    def is_described(self) -> bool:
        """Whether it says anything that prompts could tell; the card of a bare environment says nothing."""
        return bool(self.summary or self.reward or self.actions)

    @property
    def unfinished(self) -> list[str]:
        """The entries of the description that say ``TODO``."""
        return [name for name in TOLD if any(TODO in text for text in _texts(getattr(self, name)))]

    def record(self) -> dict[str, Any]:
        """Return its entries as plain data, those at their defaults left out: the whole card for logs."""
        entries = {each.name: (getattr(self, each.name), each) for each in fields(self)}
        return {name: _plain(value) for name, (value, entry) in entries.items() if value != _default(entry)}

    def facts(self) -> TaskFacts:
        """Return what logs record of it, for those who read them without this card."""
        return {
            "name": self.name,
            "label": self.label,
            "policy": self.policy,
            "optimum": self.optimum,
            "random_reward": self.random_reward,
            "conservative_threshold": self.conservative_threshold,
        }


def _default(entry: Any) -> Any:
    """Return the default of a field; something that equals nothing if it has none."""
    return entry.default_factory() if entry.default_factory is not MISSING else entry.default


def _plain(value: Any) -> Any:
    if isinstance(value, Dimension | Description):
        return {name: _plain(each) for name, each in asdict(value).items()}
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, tuple | list) else value


def _texts(value: Any) -> Iterator[str]:
    """Return the texts of an entry, at any depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Dimension):
        yield from (value.name, value.range)
    else:
        for each in value:
            yield from _texts(each)
