"""The pilots of the experiments of a sweep: side by side, shared where they would be the same, with several seeds."""

from __future__ import annotations

import math
import os
import signal
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import active_children, get_context, parent_process

from r2po import cores
from r2po.config import Config
from r2po.config.config import CRITIC_KEYS, SAMPLING_KEYS
from r2po.errors import RunStopped
from r2po.plugins import Place, load_places, loaded_places
from r2po.rounding import mean
from r2po.runlog.keys import CAP_KEYS
from r2po.sweep.forecast.pilot import FOLDER, Pilot, RolePilot, fly, is_stand_in

_ALL_PILOTS_S = 20.0
"""What all pilots take together, where there are many: each makes a few iterations, however long they take."""
_LONGEST_S = 10.0
"""What the pilots of an experiment take at most, but for their first iterations."""
_SEEDS = (1, 2, 3)
_SEVERAL_S = 6.0
"""With so much time, the pilot is made with each of these seeds: runs differ in how long their rollouts are."""
_TOGETHER = 4
"""So many experiments have their pilots in this process: others take seconds to start."""
_OF_NO_PROMPT = {
    *("llm_model_name", *CRITIC_KEYS, "base_url", *SAMPLING_KEYS, "num_ctx", "prompt_cache", "prices"),
    *("llm_timeout_s", "llm_idle_timeout_s", "llm_streaming", "llm_max_attempts", "llm_max_wait_s"),
    *("max_concurrent_calls", *CAP_KEYS, "logdir", "seed", "resume_run"),
}
"""Keys that change neither the prompts nor the rollouts of a pilot."""


def pilots_of(configs: Mapping[str, Config]) -> dict[str, Pilot]:
    """Return the pilot of each experiment; those that differ only in who answers share one.

    Raises:
        InputError: An experiment cannot begin.
        RunStopped: One cannot go on.
    """
    keys = {name: _key(config) for name, config in configs.items()}
    distinct = {keys[name]: config for name, config in configs.items()}
    found = dict(zip(distinct, _flown([*distinct.values()]), strict=True))
    return {name: found[key] for name, key in keys.items()}


def _key(config: Config) -> str:
    stand_in = config.llm_model_name if is_stand_in(config) else None
    return f"{stand_in} {config.model_dump_json(exclude=_OF_NO_PROMPT)}"


def _flown(configs: Sequence[Config]) -> list[Pilot]:
    processes = max(min(cores.available(), len(configs)), 1)
    if len(configs) <= _TOGETHER or processes == 1:
        return [_pilot(config, min(_LONGEST_S, _ALL_PILOTS_S / len(configs))) for config in configs]
    each_s = min(_LONGEST_S, _ALL_PILOTS_S * processes / len(configs))
    # Not a fork, for the same reason as the workers of a sweep: threads and engines would be copied half alive.
    try:
        with (
            tempfile.TemporaryDirectory(prefix=FOLDER) as folder,
            ProcessPoolExecutor(
                processes, get_context("spawn"), initializer=_prepare, initargs=(folder, loaded_places())
            ) as executor,
            _ended_at_once(),
        ):
            found = [executor.submit(_pilot, config, each_s) for config in configs]
            return [each.result() for each in found]
    except BrokenProcessPool:
        raise RunStopped(
            "a process that made pilots ended before them: it was killed, perhaps for its memory, or an environment "
            "crashed; nothing was started"
        ) from None


@contextmanager
def _ended_at_once() -> Iterator[None]:
    """Kill the processes that are started here if there is an error or a stop: they keep nothing, and take seconds."""
    before = set(active_children())
    try:
        yield
    except BaseException:
        for process in set(active_children()) - before:
            process.kill()
            process.join()
        raise


def _prepare(folder: str, plugins: Sequence[tuple[Place, bool]]) -> None:
    """Make a process ready for pilots: with the plugins that this one has, and one core. It ends with this one.

    Its temporary files are in a folder that this one deletes, since it may be killed.
    """
    tempfile.tempdir = folder
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the first one decides
    threading.Thread(target=_end_with_parent, daemon=True).start()
    cores.limit(1)
    load_places(plugins)


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(0)


def _pilot(config: Config, seconds: float) -> Pilot:
    """Return the pilot of an experiment, with as many seeds as there is time for."""
    seeds = _SEEDS if seconds >= _SEVERAL_S else _SEEDS[:1]
    return together([fly(config.model_copy(update={"seed": seed}), seconds / len(seeds)) for seed in seeds])


def together(pilots: Sequence[Pilot]) -> Pilot:
    """Return the mean of several pilots of an experiment; where one has ended, what it expects counts."""
    iterations = max(each.iterations for each in pilots)
    roles = {role: _mean_role([each.roles.get(role) for each in pilots], iterations) for role in _roles(pilots)}
    return replace(
        pilots[0],
        iterations=iterations,
        planned=max(each.planned for each in pilots),
        roles=roles,
        seconds=mean([each.seconds for each in pilots]),
        bytes_before=mean([each.bytes_before for each in pilots]),
        bytes_each=mean([each.bytes_each for each in pilots]),
    )


def _roles(pilots: Sequence[Pilot]) -> list[str]:
    return list(dict.fromkeys(role for each in pilots for role in each.roles))


def _mean_role(pilots: Sequence[RolePilot | None], iterations: int) -> RolePilot:
    """Return the mean of what a role asked; in a pilot that does not have it, it asked nothing."""
    asked = [each for each in pilots if each is not None]
    expected = [[each.expected(iteration) for each in asked] for iteration in range(1, iterations + 1)]
    return RolePilot(
        tuple(math.fsum(calls for calls, _ in each) / len(pilots) for each in expected),
        tuple(math.fsum(tokens for _, tokens in each) / len(pilots) for each in expected),
        mean([each.growth for each in asked]),
        mean([each.reply_tokens for each in asked]),
        mean([each.stable_share for each in asked]),
    )
