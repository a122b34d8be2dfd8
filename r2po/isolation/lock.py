"""How the worker locks itself: all layers in their order, and a check that they hold."""

from __future__ import annotations

import ctypes
import math
import os
import resource
from collections.abc import Collection, Sequence
from contextlib import suppress

from r2po.isolation import landlock, seccomp
from r2po.isolation.libc import LIBC, drop_capabilities, end_with_parent, hide_from_others, no_new_privileges
from r2po.isolation.limits import MEGABYTE
from r2po.isolation.protocol import Layers


def leave_the_parent(parent: int) -> tuple[int, int]:
    """Keep the two pipes to the parent and no other descriptor; end when the parent ends.

    Args:
        parent: The parent's process id; 0 if it cannot be seen from here.

    Returns:
        The descriptors of requests and of replies. The standard streams lead nowhere.
    """
    end_with_parent()
    if parent and os.getppid() != parent:  # it has ended before the line above
        os._exit(0)
    requests, replies = os.dup(0), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nowhere, stream)
    keep = sorted((requests, replies))
    for low, high in zip((3, keep[0] + 1, keep[1] + 1), (*keep, _highest()), strict=True):
        os.closerange(low, high)
    return requests, replies


def _highest() -> int:
    """Return a number above all descriptors; limits may have been lowered after files were opened."""
    with suppress(OSError):
        return max(int(name) for name in os.listdir("/proc/self/fd")) + 1  # noqa: PTH208 - pathlib is not loaded here
    return min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], MEGABYTE)


def lock(memory_mb: int, cpu_s: int, without: Collection[str] = ()) -> Layers:
    """Lock this process for good.

    Args:
        memory_mb: Megabytes of address space.
        cpu_s: Seconds of CPU from now on.
        without: Names of layers that are left out, to see what the others stop.

    Returns:
        The layers in force. Landlock and seccomp are missing where the kernel does not grant them.
    """
    no_new_privileges()
    hide_from_others()
    version = 0
    if "landlock" not in without:
        with suppress(OSError):
            version = landlock.restrict()
    limited = "limits" not in without
    if limited:
        _limit(memory_mb, cpu_s)
    machine = None if "seccomp" in without else seccomp.this_machine()
    filtered = False
    if machine is not None:
        with suppress(OSError):
            seccomp.install(seccomp.allow_list(machine))
            filtered = True
    layers = Layers(filtered, version, limited)
    _verify(layers)
    return layers


def _limit(memory_mb: int, cpu_s: int) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = math.ceil(used.ru_utime + used.ru_stime) + cpu_s
    memory = memory_mb * MEGABYTE
    drop_capabilities()
    _set(resource.RLIMIT_CORE, 0)
    _set(resource.RLIMIT_AS, memory)
    _set(resource.RLIMIT_CPU, seconds, seconds + 1)
    _set(resource.RLIMIT_FSIZE, 0)
    _set(resource.RLIMIT_NPROC, 0)
    _set(resource.RLIMIT_NOFILE, 0)  # last, so that nothing above needed a descriptor


def _set(what: int, soft: int, hard: int | None = None) -> None:
    allowed = resource.getrlimit(what)[1]
    wanted = [soft, soft if hard is None else hard]
    if allowed != resource.RLIM_INFINITY:  # a limit from outside may be stricter
        wanted = [min(each, allowed) for each in wanted]
    resource.setrlimit(what, (wanted[0], wanted[1]))


def _verify(layers: Layers) -> None:
    """Try what the layers forbid.

    Raises:
        RuntimeError: It was not stopped.
    """
    attempts: Sequence[tuple[bool, str, bool]] = (
        (layers.limits or layers.landlock > 0 or layers.seccomp, "a file could be opened", _opens("/")),
        (layers.seccomp, "a process could be signalled", LIBC.kill(os.getpid(), 0) == 0),
    )
    for expected, what, happened in attempts:
        if expected and happened:
            raise RuntimeError(f"the locks do not hold: {what}")
    ctypes.set_errno(0)


def _opens(path: str) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    os.close(descriptor)
    return True
