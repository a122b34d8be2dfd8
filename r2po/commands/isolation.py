"""What ``r2po doctor --isolation`` finds out about the wall behind which policies run that a model wrote as code."""

from __future__ import annotations

from collections.abc import Iterator

from r2po.commands.doctor import Finding
from r2po.errors import R2POError
from r2po.isolation.attacks import ATTACKS
from r2po.isolation.box import in_force
from r2po.isolation.range import harmless, open_range
from r2po.isolation.wall import InForce, Isolation


def examine_isolation(asked: Isolation = "auto") -> Iterator[Finding]:
    """Say what is in force, then let hostile policies loose on it, one after the other."""
    try:
        yield from _layers(in_force(asked))
        wrong = harmless(asked)
        yield Finding("FAILED" if wrong else "ok", "harmless", f"a harmless policy: {wrong or 'it runs'}")
        with open_range() as targets:
            for attack in ATTACKS:
                outcome = targets.attempt(attack, asked)
                text = f"a policy that {attack.tries}: {outcome.text}"
                yield Finding("ok" if outcome.stopped else "FAILED", attack.name, text)
    except R2POError as error:
        yield Finding("FAILED", "wall", str(error))


def _layers(wall: InForce) -> Iterator[Finding]:
    if wall.seccomp:
        yield Finding("ok", "seccomp", "only the system calls on a short list are allowed")
    else:
        yield Finding("FAILED", "seccomp", "not in force: this system does not grant it")
    if wall.landlock:
        yield Finding("ok", "Landlock", f"no files, no TCP: ABI {wall.landlock}")
    else:
        yield Finding("note", "Landlock", "not in force: the kernel has none, or it is switched off")
    yield Finding("ok", "limits", "memory, CPU time, files, processes and descriptors are limited")
    if wall.bubblewrap:
        yield Finding("ok", "bubblewrap", "the worker runs inside of it")
