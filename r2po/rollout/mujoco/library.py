"""MuJoCo's C functions and structures, by address, for compiled code to call."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import mujoco  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Simulation(NamedTuple):
    """One simulation: addresses of C functions and structures, and views of the numbers that change.

    The addresses and views are valid as long as the ``MjModel`` and ``MjData`` they come from.

    Attributes:
        set_state: ``mj_setState``, a ``void (*)(mjModel *, mjData *, double *, int)``.
        forward: ``mj_forward``, a ``void (*)(mjModel *, mjData *)``.
        step: ``mj_step``, likewise.
        model: The ``mjModel``.
        data: The ``mjData``.
        start: All that the physics depend on after a reset: a state of the components ``state_kind``.
        state_kind: ``mjSTATE_INTEGRATION``.
        qpos: (nq,) positions.
        qvel: (nv,) velocities.
        ctrl: (nu,) actions.
        constraint: (nv,) forces of the constraints.
        sites: (nsite, 3) positions of the sites.
        initial_qpos: (nq,) positions from which resets deviate.
        initial_qvel: (nv,) velocities from which resets deviate.
    """

    set_state: int
    forward: int
    step: int
    model: int
    data: int
    start: Floats
    state_kind: int
    qpos: Floats
    qvel: Floats
    ctrl: Floats
    constraint: Floats
    sites: Floats
    initial_qpos: Floats
    initial_qvel: Floats


def make_simulation(model: Any, initial_qpos: Floats, initial_qvel: Floats) -> tuple[Simulation, Any]:
    """Return a new simulation of an ``MjModel`` and its ``MjData``; the caller keeps model and data alive."""
    data = mujoco.MjData(model)
    kind = mujoco.mjtState.mjSTATE_INTEGRATION
    start = np.empty(mujoco.mj_stateSize(model, kind))
    mujoco.mj_getState(model, data, start, kind)
    library = load_library()
    simulation = Simulation(
        set_state=_address(library.mj_setState),
        forward=_address(library.mj_forward),
        step=_address(library.mj_step),
        model=model._address,
        data=data._address,
        start=start,
        state_kind=int(kind),
        qpos=data.qpos,
        qvel=data.qvel,
        ctrl=data.ctrl,
        constraint=data.qfrc_constraint,
        sites=data.site_xpos,
        initial_qpos=initial_qpos,
        initial_qvel=initial_qvel,
    )
    return simulation, data


def refused_library() -> str:
    """Say why this installation of MuJoCo cannot be called by address; "" if it can."""
    if getattr(mujoco, "MJTNUM_BYTES", 8) != 8 or not hasattr(mujoco.MjData, "_address"):
        return f"it does not support MuJoCo {mujoco.__version__}"
    try:
        version = load_library().mj_version()
    except (OSError, AttributeError) as error:
        return f"MuJoCo's library cannot be loaded: {error}"
    if version != mujoco.mj_version():
        return f"MuJoCo's library has version {version}, and its Python package {mujoco.mj_version()}"
    return ""


@cache
def load_library() -> ctypes.CDLL:
    """Return the library that MuJoCo's Python package has loaded.

    Raises:
        OSError: There is none beside the package.
    """
    folder = Path(mujoco.__file__).parent
    candidates = sorted([*folder.glob("libmujoco*"), *folder.glob("mujoco.dll")])
    if not candidates:
        raise OSError(f"no library in {folder}")
    return ctypes.CDLL(str(candidates[0]))


def ignore_warnings() -> None:
    """Keep MuJoCo from writing ``MUJOCO_LOG.TXT`` to the working directory when a policy makes the physics diverge.

    Bad actions and diverging states are part of the search. A handler that somebody else has set stays.
    """
    if mujoco.get_mju_user_warning() is None:
        mujoco.set_mju_user_warning(lambda _message: None)


def _address(function: Any) -> int:
    address = ctypes.cast(function, ctypes.c_void_p).value
    assert address is not None
    return address
