"""What a run costs besides the model and the rollouts: ``python -m benchmarks.run_cost``.

Runs experiments to their end with the embedded stand-in, each in a process of its own, and reads from their logs: the
time of an iteration that is neither model nor rollouts, the characters sent and how many of them a server can reuse,
the size of the log; then how long resume and replay of that run take.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from r2po.runlog.events import Call, read_calls
from r2po.runlog.packing import shared_prefix

ROOT = Path(__file__).parents[1]
R2PO = "reflective_prompted_policy_optimization"
EXPERIMENTS = (
    f"cartpole/cartpole_{R2PO}",
    "cartpole/cartpole_props",
    "frozenlake/frozenlake_propsp",
    f"swimmer/swimmer_{R2PO}",
)
LAST = 10
"""Iterations at the end of a run whose median is its time of an iteration."""
FROM = 20
"""Prompts count as shared from this iteration on."""
TRAJECTORY = "Each line is state->action->next state"
"""What a line above a rollout in an R2PO critic's prompt says; the rollout follows to the end of its paragraph."""


class Process(NamedTuple):
    """A finished process: seconds by the clock, seconds of CPU, largest resident memory in bytes."""

    wall_s: float
    cpu_s: float
    peak_bytes: int


class Reuse(NamedTuple):
    """Prompts of one role.

    Attributes:
        prompts: Their number.
        characters: All of them together.
        shared: Share of the characters, from iteration ``FROM`` on, that are a prefix of the prompt before.
        shared_apart: The same share without the rollout at the prompt's end; of searches no other.
    """

    prompts: int
    characters: int
    shared: float
    shared_apart: float


class Row(NamedTuple):
    """One experiment.

    Attributes:
        experiment: Name of its config.
        engine: Rollout engine that was asked for.
        run: The run.
        outside_ms: Milliseconds of an iteration at the end of the run, without model and rollouts.
        roles: Prompts by role.
        log_bytes: Size of the run directory.
        resume: Resuming the run for its last iteration and the held-out score.
        replay: Replaying all of it.
    """

    experiment: str
    engine: str
    run: Process
    outside_ms: float
    roles: Mapping[str, Reuse]
    log_bytes: int
    resume: Process
    replay: Process


def rows(experiments: Sequence[str] = EXPERIMENTS, engines: Sequence[str] = ("auto", "reference")) -> list[Row]:
    """Run and measure; the reference engine on the first experiment only, where it is for comparison."""
    pairs = [(name, engines[0]) for name in experiments] + [(experiments[0], engine) for engine in engines[1:]]
    folder = Path(tempfile.mkdtemp(prefix="r2po-cost-"))
    try:
        return [_measure(name, engine, folder / f"{number}") for number, (name, engine) in enumerate(pairs)]
    finally:
        shutil.rmtree(folder)


def start_up() -> Process:
    """Return what ``python main.py --help`` takes: the median by CPU time of five."""
    return sorted((run_process("main.py", "--help") for _ in range(5)), key=lambda each: each.cpu_s)[2]


def run_process(*arguments: str) -> Process:
    """Run one of the scripts beside main.py.

    Raises:
        RuntimeError: It failed.
    """
    start = time.perf_counter()
    measured = subprocess.run(
        [sys.executable, "-c", _SMALL_PARENT, sys.executable, *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    wall_s = time.perf_counter() - start
    code, cpu_s, peak_kilobytes = json.loads(measured.stdout)
    if code:
        raise RuntimeError(f"{' '.join(arguments)} ended with {code}")
    return Process(wall_s, cpu_s, peak_kilobytes * 1024)


_SMALL_PARENT = """
import json, resource, subprocess, sys
code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([code, usage.ru_utime + usage.ru_stime, usage.ru_maxrss]))
"""
"""Starts what is measured: a child's peak memory is at least what its parent had when it forked."""


def _measure(experiment: str, engine: str, folder: Path) -> Row:
    run = folder / "original" / "run_1"
    original = _run(experiment, engine, "embedded/search", run)
    log_bytes = sum(file.stat().st_size for file in run.rglob("*") if file.is_file())
    roles = _roles(read_calls(run))
    iterations = [json.loads(line) for line in (run / "iterations.jsonl").read_text().splitlines()]
    replay = _run(experiment, engine, f"replay/{run}", folder / "replay" / "run_1")
    _without_the_end(run)
    resume = _run(experiment, engine, "embedded/search", run, "--resume")
    return Row(experiment, engine, original, _outside_ms(iterations[-LAST:]), roles, log_bytes, resume, replay)


def _run(experiment: str, engine: str, model: str, run: Path, *options: str) -> Process:
    sets = (f"llm_model_name={model}", f"logdir={run.parent}", f"rollout_engine={engine}")
    return run_process(
        "main.py", "--config", f"configs/{experiment}.yaml", "--quiet", "--seed", "1", "--set", *sets, *options
    )


def _without_the_end(run: Path) -> None:
    """Leave the run as a kill before its last iteration would."""
    (run / "result.json").unlink()
    lines = (run / "iterations.jsonl").read_text().splitlines(keepends=True)
    (run / "iterations.jsonl").write_text("".join(lines[:-1]))


def _outside_ms(iterations: Sequence[Mapping[str, Any]]) -> float:
    times = [each["times"] for each in iterations]
    return median(1000.0 * float(each["elapsed_s"] - each["llm_s"] - each["rollout_s"]) for each in times)


def _roles(calls: Sequence[Call]) -> dict[str, Reuse]:
    by_role: dict[str, list[Call]] = {}
    for call in calls:
        by_role.setdefault(call.role, []).append(call)
    return {role: _reuse(each) for role, each in by_role.items()}


def _reuse(calls: Sequence[Call]) -> Reuse:
    shared = characters = apart = 0
    for before, call in pairwise(calls):
        if call.iteration < FROM:
            continue
        shared += shared_prefix(before.prompt, call.prompt)
        characters += len(call.prompt)
        apart += len(call.prompt) - _trajectory_length(call.prompt)
    total = sum(len(call.prompt) for call in calls)
    return Reuse(len(calls), total, shared / characters, shared / apart)


def _trajectory_length(prompt: str) -> int:
    start = prompt.rfind(TRAJECTORY)
    if start < 0:
        return 0
    end = prompt.find("\n\n", start)
    return (len(prompt) if end < 0 else end) - start


def main() -> None:
    """Print what was measured."""
    help_ = start_up()
    print(f"main.py --help: {help_.cpu_s:.2f} s of CPU, {help_.peak_bytes / 1e6:.0f} MB")
    for row in rows():
        print(
            f"\n{row.experiment}, engine {row.engine}: run {row.run.wall_s:.1f} s, "
            f"peak {row.run.peak_bytes / 1e6:.0f} MB; "
            f"{row.outside_ms:.1f} ms per iteration outside; log {row.log_bytes / 1e6:.2f} MB; "
            f"resume {row.resume.wall_s:.1f} s; replay {row.replay.wall_s:.1f} s"
        )
        for role, each in row.roles.items():
            print(
                f"  {role}: {each.prompts} prompts, {each.characters:,} characters, {each.shared:.1%} shared from "
                f"iteration {FROM} on, {each.shared_apart:.1%} without the rollout"
            )


if __name__ == "__main__":
    main()
