"""Who works on a sweep, for who only looks and takes no part."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from pathlib import Path

from r2po.machine import is_running
from r2po.sweep.members.member import Member, machine_of, read_member
from r2po.sweep.members.members import FOLDER, STALE_S


def at_work(sweep: Path) -> bool:
    """Whether some process works on a sweep, for who does not take part."""
    return any(not is_gone and not member.over for member, _, is_gone in seen_from_outside(sweep))


def held_in(sweep: Path) -> set[str]:
    """Return the runs that some process makes now, as the manifest calls them, for who does not take part."""
    return {
        run for member, _, is_gone in seen_from_outside(sweep) if not is_gone and not member.over for run in member.held
    }


def seen_from_outside(sweep: Path) -> list[tuple[Member, float, bool]]:
    """Return, for who only looks: what each process says, the seconds since it wrote, and whether it seems gone."""
    found: list[tuple[Member, float, bool]] = []
    for path in sorted((sweep / FOLDER).glob("*.json")):
        with suppress(OSError, ValueError):  # removed since, or not ours
            member = read_member(path.read_bytes())
            age_s = max(0.0, time.time() - path.stat().st_mtime)
            is_here = member.machine == machine_of(socket.gethostname())
            found.append((member, age_s, age_s >= STALE_S or (is_here and not is_running(member.pid))))
    return found
