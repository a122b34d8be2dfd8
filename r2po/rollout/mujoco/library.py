"""MuJoCo's C functions and structures, by address, for compiled code to call."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import mujoco  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray

from r2po.rollout.mujoco.description import Description, Number

Floats = NDArray[np.float64]
Addresses = NDArray[np.intp]


class Functions(NamedTuple):
    """Addresses of C functions, each ``void (*)(mjModel *, mjData *)`` except the first.

    Attributes:
        set_state: ``mj_setState``, a ``void (*)(mjModel *, mjData *, double *, int)``.
        forward: ``mj_forward``.
        step: ``mj_step``.
        forces: ``mj_rnePostConstraint``, which computes the external forces on bodies.
    """

    set_state: int
    forward: int
    step: int
    forces: int


class Simulation(NamedTuple):
    """One simulation: addresses of C functions, structures and numbers, and views of arrays that change.

    The addresses and views are valid as long as the ``MjModel`` and ``MjData`` they come from.

    Attributes:
        functions: What can be called.
        model: The ``mjModel``.
        data: The ``mjData``.
        start: All that the physics depend on after a reset: a state of the components ``state_kind``.
        state_kind: ``mjSTATE_INTEGRATION``.
        qpos: (nq,) positions.
        qvel: (nv,) velocities.
        ctrl: (nu,) actions.
        forces: (6 * nbody,) external forces on the bodies; empty if they are not needed.
        observed: (d,) addresses of the numbers that are observed.
        subtracted: (d,) addresses of what is subtracted from them, where that is so.
        checked: (c,) addresses of the numbers that are checked.
        operands: Addresses of the numbers that rewards are computed from.
    """

    functions: Functions
    model: int
    data: int
    start: Floats
    state_kind: int
    qpos: Floats
    qvel: Floats
    ctrl: Floats
    forces: Floats
    observed: Addresses
    subtracted: Addresses
    checked: Addresses
    operands: Addresses


def make_simulation(model: Any, description: Description) -> tuple[Simulation, Any]:
    """Return a new simulation of an ``MjModel`` and its ``MjData``; the caller keeps model and data alive."""
    data = mujoco.MjData(model)
    kind = mujoco.mjtState.mjSTATE_INTEGRATION
    start = np.empty(mujoco.mj_stateSize(model, kind))
    mujoco.mj_getState(model, data, start, kind)
    seen = description.observation
    simulation = Simulation(
        functions=_functions(),
        model=model._address,
        data=data._address,
        start=start,
        state_kind=int(kind),
        qpos=data.qpos,
        qvel=data.qvel,
        ctrl=data.ctrl,
        forces=data.cfrc_ext.reshape(-1) if description.forces else np.empty(0),
        observed=_addresses(data, (each.number for each in seen)),
        subtracted=_addresses(data, (each.minus or each.number for each in seen)),
        checked=_addresses(data, (check.number for check in description.checks)),
        operands=_addresses(data, description.reward.operands),
    )
    return simulation, data


def _functions() -> Functions:
    library = load_library()
    return Functions(
        set_state=_address(library.mj_setState),
        forward=_address(library.mj_forward),
        step=_address(library.mj_step),
        forces=_address(library.mj_rnePostConstraint),
    )


def _addresses(data: Any, numbers: Iterable[Number]) -> Addresses:
    return np.array([_address_of(data, number) for number in numbers], np.intp)


def _address_of(data: Any, number: Number) -> int:
    """Return where a number is; it stays there as long as the ``MjData`` lives."""
    array: Floats = getattr(data, number.field)
    if not (array.dtype == np.float64 and array.flags.c_contiguous and 0 <= number.place < array.size):
        raise ValueError(f"MuJoCo {mujoco.__version__} has no {number.field}[{number.place}]")
    return int(array.ctypes.data) + number.place * array.itemsize


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
