"""How many files a sweep's processes may have open: each run needs some, and many systems allow 1,024 at first."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from r2po.config import Config
from r2po.llm.types import CRITIC
from r2po.methods import METHODS

LOGS = 4
"""The lock, and the logs of iterations, calls and evaluations, which are open as long as a run is."""
WALL = 4
"""The pipes to the process in which a policy that is code runs, and those open while it starts."""
PASSING = 3
"""What is open for a moment: warm-up, result, trajectories, description; a module that is imported."""
TRACKER = 6
"""What a tracker of a run may have open: a file or a store, a connection, and a file that it sends."""
OF_A_PROCESS = 64
"""What a worker has open before its first run (14 on Linux), and what libraries open once and keep."""
UNLIMITED = 1 << 20
"""Where the system has no such limit, or none that can be asked for."""


def descriptors_of(config: Config) -> int:
    """Return how many files and connections a run may have open at once."""
    at_once = min(config.max_concurrent_calls, METHODS[config.method].calls_per_iteration(dict(config)))
    servers = 1 if config.for_role(CRITIC) is config else 2
    return LOGS + WALL + PASSING + at_once * servers + TRACKER * len(config.track)


def needed(configs: Sequence[Config], jobs: int, workers: int) -> int:
    """Return how many files a worker may have open when ``jobs`` runs are under way, spread over the workers."""
    return OF_A_PROCESS + _largest(configs) * -(-jobs // workers)


def fitting(configs: Sequence[Config], workers: int, limit: int) -> int:
    """Return how many runs may be under way if each worker may open ``limit`` files, at least one."""
    return max(1, workers * ((limit - OF_A_PROCESS) // _largest(configs)))


def raise_limit(wanted: int) -> int:
    """Raise the soft limit of this process, which its workers inherit, as far as needed and allowed; return it."""
    try:
        import resource
    except ImportError:  # Windows
        return UNLIMITED
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    now, most = (UNLIMITED if each == resource.RLIM_INFINITY else each for each in (soft, hard))
    if now < min(wanted, most):
        with suppress(OSError, ValueError):  # macOS allows less than its hard limit says
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, most), hard))
            return min(wanted, most)
    return now


def take_over_limit(process: int | None) -> None:
    """Give a worker that has begun earlier the soft limit that this process has by now, where the system can."""
    try:
        import resource
    except ImportError:  # Windows
        return
    if process is not None and hasattr(resource, "prlimit"):  # Linux
        with suppress(OSError, ValueError):  # it has just ended
            resource.prlimit(process, resource.RLIMIT_NOFILE, resource.getrlimit(resource.RLIMIT_NOFILE))


def _largest(configs: Sequence[Config]) -> int:
    return max(map(descriptors_of, configs))
