"""What happens on the nodes of a Ray cluster: a node is looked at, and makes runs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from r2po import cores
from r2po.config.environ import read_environ
from r2po.errors import InputError, R2POError
from r2po.installation import install
from r2po.plugins import Place, load_places
from r2po.runlog.origin import PACKAGES
from r2po.sweep.cluster.carrying import Ask, answered
from r2po.sweep.cluster.fitness import cannot_make, other_servers
from r2po.sweep.cluster.needs import Needs, difference, versions_here
from r2po.sweep.cluster.seeing import obstacle_here
from r2po.sweep.cluster.workplace import Workplace
from r2po.sweep.messages import AttemptOutcome, Ended, Note, PermitRequest, Progress, Verdict
from r2po.sweep.plan import PlannedRun

STALE_LOCK_S = 300.0
"""How long a resumed run waits for the lock of a lost node: file servers keep it for a while."""
UNAVAILABLE_S = 60.0
"""How long an actor may not be available: Ray says so if it cannot reach it for the moment."""
LEASE_S = 60.0
"""How long after a call's time limit its permit is free again: its node was lost."""


_workplaces: list[Workplace] = []
"""That of this process, once it has one: plugins are imported from there, which cannot be taken back."""


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


@dataclass(frozen=True)
class Look:
    """What a look at a node has found.

    Attributes:
        unseen: Why it does not see the files of the sweep; empty if it does.
        obstacle: Why it can make no runs; empty if it can.
    """

    unseen: str = ""
    obstacle: str = ""


def look_here(needs: Needs, token: str, receiver: Any) -> Look:
    """Look whether this node sees the files of a sweep, or else can make runs on copies, and of which servers."""
    unseen = obstacle_here(needs.folder, token)
    try:
        return Look(unseen, _obstacle_to_copies(needs, _asking(receiver)) if unseen else _obstacle_to_runs(needs))
    except (R2POError, OSError) as error:
        return Look(unseen, str(error))


def _obstacle_to_runs(needs: Needs) -> str:
    load_places(needs.plugins)
    return other_servers(needs.samples, read_environ())


def _obstacle_to_copies(needs: Needs, ask: Ask) -> str:
    known = [name for name in needs.versions if name not in (*PACKAGES, "code")]
    if differs := difference(versions_here(known), needs.versions):
        return differs
    environ = read_environ()  # that of the folder of `ray start`
    workplace = _workplace(ask)
    with workplace.entered():
        return workplace.told(other_servers(needs.samples, environ) or cannot_make(needs.samples))


def _asking(receiver: Any) -> Ask:
    """Return what asks the receiver, an actor, and waits for its answer."""
    ray = require_ray()

    def ask(method: str, *args: Any) -> Any:
        try:
            return answered(patiently(lambda: ray.get(getattr(receiver, method).remote(*args))))
        except ray.exceptions.RayError as error:
            raise OSError(f"the machine of the command does not answer ({type(error).__name__})") from None

    return ask


def patiently(ask: Callable[[], Any]) -> Any:
    """Ask an actor, and ask again for a while if it is not available: whatever is asked may arrive twice."""
    ray = require_ray()
    until = time.monotonic() + UNAVAILABLE_S
    while True:
        try:
            return ask()
        except ray.exceptions.ActorUnavailableError:  # noqa: PERF203 - that is what it waits for
            if time.monotonic() > until:
                raise
            time.sleep(1.0)


def _workplace(ask: Ask) -> Workplace:
    if not _workplaces:
        _workplaces.append(Workplace(ask))
    _workplaces[0].restore(ask)
    return _workplaces[0]


class _Channel:
    """Connects a task to the clerk."""

    def __init__(self, clerk: Any, lease_s: float) -> None:
        self._ray = require_ray()
        self._clerk = clerk
        self._lease_s = lease_s

    def ask(self, ask: PermitRequest | AttemptOutcome) -> Verdict:
        verdict = patiently(lambda: self._ray.get(self._asked(ask)))
        assert isinstance(verdict, Verdict)
        return verdict

    def _asked(self, ask: PermitRequest | AttemptOutcome) -> Any:
        told = isinstance(ask, AttemptOutcome)
        return self._clerk.tell.remote(ask) if told else self._clerk.ask.remote(ask, self._lease_s)

    def tell(self, message: AttemptOutcome | Progress | Note) -> None:
        self._clerk.tell.remote(message)


def make_run_here(run: PlannedRun, clerk: Any, folder: str, share: int, plugins: Sequence[tuple[Place, bool]]) -> Ended:
    """Make a run, on whatever node this is, in the sweep's folder: relative paths and ``.env`` mean the same there.

    Its plugins are loaded first, from the same places as in the process that started the sweep. Each evaluation uses at
    most ``share`` cores.
    """
    cores.limit(share)
    from r2po.sweep.runner import make_run

    try:
        os.chdir(folder)
    except OSError as error:
        return Ended(run.index, "failed", f"{folder} is no longer on this node ({error.strerror})")
    try:
        load_places(plugins)
        environ = read_environ()
        problem = other_servers([run], environ)
    except InputError as error:
        problem = str(error)
    if problem:
        return Ended(run.index, "failed", problem)
    patiently(lambda: require_ray().get(clerk.forget.remote(run.index)))
    return make_run(run, environ, _Channel(clerk, run.config.llm_timeout_s + LEASE_S), STALE_LOCK_S)


def make_run_on_copy(run: PlannedRun, loan: int, clerk: Any, receiver: Any, share: int, node: str) -> Ended:
    """Make a run on a node that does not see the sweep's files: on a copy, whose writes all go to the ``receiver``.

    Keys and base URLs are those of the environment of ``ray start``, or of ``.env`` in the folder where it was called.
    """
    cores.limit(share)
    from r2po.sweep.cluster.copying import make_copied_run

    ask = _asking(receiver)
    try:
        environ = read_environ()
        workplace = _workplace(ask)
        problem = other_servers([run], environ)
    except (InputError, OSError) as error:
        problem = str(error)
    if problem:
        return Ended(run.index, "failed", f"{problem} (on node {node})")
    patiently(lambda: require_ray().get(clerk.forget.remote(run.index)))
    channel = _Channel(clerk, run.config.llm_timeout_s + LEASE_S)
    ended = make_copied_run(run, loan, environ, channel, ask, workplace, STALE_LOCK_S)
    return replace(ended, reason=f"{ended.reason} (on node {node})") if ended.state == "failed" else ended
