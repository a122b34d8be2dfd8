"""Which wall a config asks for, and whether it stands."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from r2po.isolation.outcomes import NoWallError
from r2po.isolation.protocol import Layers
from r2po.machine import LINUX

Isolation = Literal["auto", "limits", "bubblewrap"]
"""What a config can ask for.

``auto``: every layer that the kernel has; seccomp must be among them. ``limits``: every layer that the kernel has, and
none must be: policies run without a wall where it has none. ``bubblewrap``: ``auto``, inside of bubblewrap.
"""
ISOLATIONS: tuple[Isolation, ...] = get_args(Isolation)

_BUBBLEWRAP = (
    *("--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"),
    *("--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--chdir", "/", "--"),
)


@dataclass(frozen=True)
class InForce:
    """The wall that policies run behind.

    Attributes:
        asked: What the config asks for.
        seccomp: Only the system calls on a short list are allowed.
        landlock: Landlock's ABI; 0 if it is not in force.
        limits: Memory, CPU time, files, processes and descriptors are limited.
        bubblewrap: The worker runs inside of bubblewrap.
    """

    asked: Isolation
    seccomp: bool
    landlock: int
    limits: bool
    bubblewrap: bool

    def record(self) -> dict[str, Any]:
        """Return what ``run.yaml`` says of it."""
        return asdict(self)


def told(record: Mapping[str, Any] | None) -> str:
    """Return the layers of a wall in words, as ``InForce.record`` has them: ``seccomp, landlock 7, limits``."""
    layers = {} if record is None else record
    names = [name for name in ("seccomp", "limits", "bubblewrap") if layers.get(name)]
    if version := layers.get("landlock"):
        names.insert(names[:1] == ["seccomp"], f"landlock {version}")
    return ", ".join(names) or "none"


def prefix(asked: Isolation) -> Sequence[str]:
    """Return the words before the worker's command.

    Raises:
        NoWallError: This is not Linux, or bubblewrap is asked for and not installed.
    """
    if not LINUX:
        raise NoWallError(
            "programs that a model writes need Linux: the wall around them is made of parts of its kernel, and this "
            f"is {platform.system() or sys.platform}; policies whose solutions are numbers run here"
        )
    if asked != "bubblewrap":
        return ()
    program = shutil.which("bwrap")
    if program is None:
        raise NoWallError("isolation: bubblewrap needs the program bwrap: install bubblewrap, or set isolation: auto")
    return (program, *_BUBBLEWRAP)


def check(asked: Isolation, layers: Layers) -> InForce:
    """Return the wall of a worker that has these layers.

    Raises:
        NoWallError: It is weaker than what is asked for.
    """
    if asked != "limits" and not layers.seccomp:
        raise NoWallError(
            f"isolation: {asked} needs seccomp, which this system does not grant; "
            "isolation: limits runs policies without that wall: they could then read your keys and files"
        )
    return InForce(asked, layers.seccomp, layers.landlock, layers.limits, asked == "bubblewrap")
