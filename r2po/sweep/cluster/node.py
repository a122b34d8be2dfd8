"""What happens on the nodes of a Ray cluster: a node is looked at, and makes runs."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from r2po import cores
from r2po.errors import InputError
from r2po.installation import install
from r2po.plugins import Place, load_places
from r2po.sweep.messages import AttemptOutcome, Ended, Note, PermitRequest, Progress, Verdict
from r2po.sweep.plan import PlannedRun

STALE_LOCK_S = 300.0
"""How long a resumed run waits for the lock of a lost node: file servers keep it for a while."""
LEASE_S = 60.0
"""How long after a call's time limit its permit is free again: its node was lost."""
PATIENCE_S = 10.0
"""How long a new file may take to be seen on another node: clients of file servers remember what a folder held."""


def require_ray() -> Any:
    """Return Ray.

    Raises:
        InputError: It is not installed.
    """
    try:
        import ray
    except ImportError:
        raise InputError(f"--ray needs Ray: {install('ray')}") from None
    return ray


def obstacle_here(folder: str, token: str, patience_s: float = PATIENCE_S) -> str:
    """Return why this node cannot make runs; empty if it can.

    ``folder`` is the working directory of the sweep, ``token`` the path of a file that the sweep has just made among
    its logs: a folder of the same name on the node's own disk does not have it.
    """
    try:
        os.chdir(folder)
    except OSError as error:
        return f"{folder} is not on this node ({error.strerror})"
    path, until = Path(token), time.monotonic() + patience_s
    if not path.parent.is_dir():
        return f"{path.parent} is not on this node"
    while not path.exists():
        if time.monotonic() > until:
            return f"{path.parent} on this node is another folder: a file that was just made there is missing"
        time.sleep(0.2)
        list(path.parent.iterdir())  # makes some clients of file servers look again
    return ""


class _Channel:
    """Connects a task to the clerk."""

    def __init__(self, clerk: Any, lease_s: float) -> None:
        self._ray = require_ray()
        self._clerk = clerk
        self._lease_s = lease_s

    def ask(self, ask: PermitRequest | AttemptOutcome) -> Verdict:
        told = isinstance(ask, AttemptOutcome)
        verdict = self._ray.get(self._clerk.tell.remote(ask) if told else self._clerk.ask.remote(ask, self._lease_s))
        assert isinstance(verdict, Verdict)
        return verdict

    def tell(self, message: AttemptOutcome | Progress | Note) -> None:
        self._clerk.tell.remote(message)


def make_run_here(run: PlannedRun, clerk: Any, folder: str, share: int, plugins: Sequence[tuple[Place, bool]]) -> Ended:
    """Make a run, on whatever node this is, in the sweep's folder: relative paths and ``.env`` mean the same there.

    Its plugins are loaded first, from the same places as in the process that started the sweep. Each evaluation uses at
    most ``share`` cores.
    """
    cores.limit(share)
    from r2po.config.environ import read_environ
    from r2po.sweep.runner import make_run

    try:
        os.chdir(folder)
    except OSError as error:
        return Ended(run.index, "failed", f"{folder} is no longer on this node ({error.strerror})")
    try:
        load_places(plugins)
    except InputError as error:
        return Ended(run.index, "failed", str(error))
    require_ray().get(clerk.forget.remote(run.index))
    return make_run(run, read_environ(), _Channel(clerk, run.config.llm_timeout_s + LEASE_S), STALE_LOCK_S)
