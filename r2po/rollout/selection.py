"""Which engine rolls policies out: the fastest that can, or the one that the config asks for."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, Literal

from r2po.errors import InputError
from r2po.policies import Policy
from r2po.rollout.gymnasium_engine import GymnasiumEngine
from r2po.rollout.types import Engine, Rollout, Rollouts, Wrap
from r2po.tasks.spaces import Spaces

EngineName = Literal["auto", "reference", "kernel", "mujoco"]
FAST_ENGINES: tuple[EngineName, ...] = ("kernel", "mujoco")


class SelectedEngine:
    """Rolls out policies with a fast engine where it can, and with plain Gymnasium otherwise.

    With ``forced``, a policy that the fast engine cannot roll out raises ``InputError``.
    """

    def __init__(self, fast: Engine | None, reference: Engine, *, forced: bool = False) -> None:
        self._fast = fast
        self._reference = reference
        self._forced = forced
        self.seconds = 0.0
        """Time spent on rollouts so far, trajectories that were asked for afterwards included."""

    @property
    def name(self) -> str:
        """Name of the engine that rolls out what it can."""
        return (self._fast or self._reference).name

    def evaluate(self, policy: Policy, seeds: Sequence[int]) -> Rollouts:
        """Roll out ``policy`` once per seed."""
        engine = self._engine_for(policy)
        with self._timed():
            rollouts = engine.evaluate(policy, seeds)
        return replace(rollouts, replay=partial(self.roll_out, policy))

    def roll_out(self, policy: Policy, seed: int) -> Rollout:
        """Roll out ``policy`` from one seed, with its trajectory."""
        engine = self._engine_for(policy)
        with self._timed():
            return engine.roll_out(policy, seed)

    @contextmanager
    def _timed(self) -> Iterator[None]:
        started = time.monotonic()
        try:
            yield
        finally:
            self.seconds += time.monotonic() - started

    def close(self) -> None:
        """Close both engines."""
        if self._fast is not None:
            self._fast.close()
        self._reference.close()

    def _engine_for(self, policy: Policy) -> Engine:
        if self._fast is None:
            return self._reference
        if self._fast.runs(policy):
            return self._fast
        if self._forced:
            raise InputError(
                f"rollout_engine is {self._fast.name!r}, which has no compiled form of this policy; expected 'auto'"
            )
        return self._reference


def select_engine(
    name: EngineName,
    gym_id: str,
    env_kwargs: Mapping[str, Any],
    spaces: Spaces,
    *,
    max_steps: int,
    success: str = "",
    reuse: bool = True,
    wrap: Wrap | None = None,
) -> SelectedEngine:
    """Return the engine of this name; for ``auto``, the fastest one that gives Gymnasium's numbers here.

    With ``success``, a key of ``info``, that is the reference engine: no other one sees what an environment says beside
    its reward.
    Without ``reuse``, the reference engine makes an environment for each episode (see ``Task.reuse``). With ``wrap``,
    which changes what policies see, only the reference engine will do.

    Raises:
        InputError: The engine that is asked for cannot run this environment, or not on this machine.
    """
    reference = GymnasiumEngine(
        gym_id, env_kwargs, spaces, max_steps=max_steps, success=success, reuse=reuse, wrap=wrap
    )
    unfit = (
        "it does not see success"
        if success
        else "it shows policies what the environment observes, as it is"
        if wrap
        else ""
    )
    if name == "reference" or (unfit and name == "auto"):
        return SelectedEngine(None, reference)
    for fast_name in FAST_ENGINES if name == "auto" else (name,):
        reason = unfit or _refusal(fast_name, gym_id, env_kwargs)
        if not reason:
            fast = _make(fast_name, gym_id, env_kwargs, spaces, max_steps)
            return SelectedEngine(fast, reference, forced=name != "auto")
        if name != "auto":
            raise InputError(f"rollout_engine is {name!r}: {reason}; expected 'auto' or 'reference'")
    return SelectedEngine(None, reference)


# Imported where needed: numba is optional, and costs half a second.


def _refusal(name: EngineName, gym_id: str, env_kwargs: Mapping[str, Any]) -> str:
    if name == "kernel":
        from r2po.rollout.refusal import kernel_refusal as refusal
    else:
        from r2po.rollout.mujoco.engine import refusal
    try:
        return refusal(gym_id, env_kwargs)
    except Exception as error:  # noqa: BLE001 - compilers fail in many ways, and the reference is always there
        return f"it fails on this machine: {type(error).__name__}: {' '.join(str(error).split())[:200]}"


def _make(name: EngineName, gym_id: str, env_kwargs: Mapping[str, Any], spaces: Spaces, max_steps: int) -> Engine:
    if name == "kernel":
        from r2po.rollout.kernel_engine import KernelEngine

        return KernelEngine(gym_id, env_kwargs, spaces, max_steps=max_steps)
    from r2po.rollout.mujoco.engine import MujocoEngine

    return MujocoEngine(gym_id, env_kwargs, spaces, max_steps=max_steps)
