"""What parent and worker say to each other: frames of kind, length and bytes, little-endian, without pickle or JSON."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Literal, get_args

FailureKind = Literal["syntax", "policy", "error", "forbidden", "action", "memory", "time", "crash", "protocol"]
"""What became of a policy, or of a function that summarizes episodes, that did not work.

``syntax``: Python cannot read the source. ``policy``: it does not define what was asked for. ``error``: it raised an
exception. ``forbidden``: it tried what the wall forbids. ``action``: what it returned is no action, or no text.
``memory`` and ``time``: it went beyond a limit. ``crash``: its process died. ``protocol``: its process sent what is no
reply.
"""
KINDS: tuple[FailureKind, ...] = get_args(FailureKind)

LOAD, ACT = 1, 2
READY, LOADED, ACTIONS, FAILURE, BROKEN = 3, 4, 5, 6, 7
LOAD_SUMMARY, SUMMARIZE, SUMMARY = 8, 9, 10
LOAD_CONSTANTS, DECLARE, DECLARED = 11, 12, 13
"""Kinds of frames: those that load, ``ACT``, ``SUMMARIZE`` and ``DECLARE`` are the parent's. ``BROKEN``: the worker
could not be made ready.
"""

HEADER = struct.Struct("<BI")
_LOAD = struct.Struct("<IIIqB")
_LAYERS = struct.Struct("<?B?")
_STEP = struct.Struct("<I")
_PARTS = struct.Struct("<II")
READY_BYTES, STEP_BYTES = _LAYERS.size, _STEP.size


@dataclass(frozen=True)
class Signature:
    """What ``act`` takes and returns.

    Attributes:
        observation_size: Numbers of an observation; None if it is one whole number.
        action_size: Numbers of an action, or how many actions there are to choose from.
        discrete: Whether an action is one whole number.
        first_action: Number of the first action, if they are discrete.
    """

    observation_size: int | None
    action_size: int
    discrete: bool
    first_action: int = 0

    @property
    def observation_bytes(self) -> int:
        """Length of one observation in a frame."""
        return 8 * (1 if self.observation_size is None else self.observation_size)

    @property
    def action_bytes(self) -> int:
        """Length of one action in a frame."""
        return 8 * (1 if self.discrete else self.action_size)


@dataclass(frozen=True)
class Layers:
    """The layers in force in a worker.

    Attributes:
        seccomp: Only the system calls on a short list are allowed.
        landlock: Landlock's ABI; 0 if it is not in force.
        limits: Memory, CPU time, files, processes and descriptors are limited.
    """

    seccomp: bool
    landlock: int
    limits: bool


def frame(kind: int, content: bytes = b"") -> bytes:
    """Return a frame."""
    return HEADER.pack(kind, len(content)) + content


def pack_layers(layers: Layers) -> bytes:
    """Return the content of ``READY``."""
    return _LAYERS.pack(layers.seccomp, layers.landlock, layers.limits)


def unpack_layers(content: bytes) -> Layers:
    """Read the content of ``READY``."""
    return Layers(*_LAYERS.unpack(content))


def pack_load(source: bytes, seeds: list[int], signature: Signature) -> bytes:
    """Return the content of ``LOAD``."""
    size = 0 if signature.observation_size is None else signature.observation_size
    head = _LOAD.pack(len(seeds), size, signature.action_size, signature.first_action, signature.discrete)
    return head + struct.pack(f"<{len(seeds)}Q", *seeds) + source


def unpack_load(content: bytes) -> tuple[bytes, list[int], Signature]:
    """Read the content of ``LOAD``: source, seeds, signature."""
    count, size, actions, first, discrete = _LOAD.unpack_from(content)
    seeds = list(struct.unpack_from(f"<{count}Q", content, _LOAD.size))
    return content[_LOAD.size + 8 * count :], seeds, Signature(size or None, actions, bool(discrete), first)


def pack_act(slots: list[int], observations: bytes) -> bytes:
    """Return the content of ``ACT``."""
    return struct.pack(f"<I{len(slots)}H", len(slots), *slots) + observations


def pack_actions(step: int, actions: bytes) -> bytes:
    """Return the content of ``ACTIONS``. The number of the step betrays a policy that sends replies of its own."""
    return _STEP.pack(step) + actions


def unpack_actions(content: bytes) -> tuple[int, bytes]:
    """Read the content of ``ACTIONS``: the number of the step, and the actions."""
    return int(_STEP.unpack_from(content)[0]), content[_STEP.size :]


def unpack_act(content: bytes) -> tuple[tuple[int, ...], memoryview]:
    """Read the content of ``ACT``: slots and observations."""
    (count,) = struct.unpack_from("<I", content)
    return struct.unpack_from(f"<{count}H", content, 4), memoryview(content)[4 + 2 * count :]


def pack_episode(observations: bytes, actions: bytes, rewards: bytes) -> bytes:
    """Return the content of ``SUMMARIZE``; actions and rewards are both empty if only the observations are shown."""
    return _PARTS.pack(len(observations), len(actions)) + observations + actions + rewards


def unpack_episode(content: bytes) -> tuple[memoryview, memoryview, memoryview]:
    """Read the content of ``SUMMARIZE``: observations, actions and rewards."""
    first, second = _PARTS.unpack_from(content)
    data = memoryview(content)[_PARTS.size :]
    return data[:first], data[first : first + second], data[first + second :]


def pack_summary(number: int, text: bytes) -> bytes:
    """Return the content of ``SUMMARY``; like a step's, the number betrays replies that nobody asked for."""
    return _STEP.pack(number) + text


unpack_summary = unpack_actions
"""Reads the content of ``SUMMARY``: the number of the episode, and the text."""
