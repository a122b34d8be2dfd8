"""How close a sweep comes to what a model server allows: calls per second at a latency, and below a hidden rate.

    python -m benchmarks.sweep_throughput concurrency [--runs 100] [--latency 2] [--seconds 60]
    python -m benchmarks.sweep_throughput rate [--runs 40] [--per-second 20] [--retry-after] [--workers 3]

Starts ``benchmarks.model_server`` and ``r2po sweep`` as processes of their own, stops the sweep after a while, and
prints what the server saw, the CPU time that each of the two took, and the memory of the sweep. With ``--workers``,
so many processes divide the runs among them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
CONFIG = {"method": "props", "gym_env_name": "Nim-v0", "llm_model_name": "ollama/tiny", "logdir": "logs/sweep"}


@contextmanager
def model_server(*options: str) -> Iterator[tuple[str, int]]:
    """Give the address and the process of a model server."""
    command = [sys.executable, "-m", "benchmarks.model_server", *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip(), process.pid
        finally:
            process.kill()


def stats(url: str) -> dict[str, Any]:
    """Ask a model server what it has seen."""
    with urllib.request.urlopen(f"{url}/stats", timeout=30) as answer:  # noqa: S310 - our own server
        content: dict[str, Any] = json.load(answer)
        return content


def cpu_s(pid: int) -> float:
    """Return the CPU time that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[int]:
    """Return a process and all below it."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in family(int(child)))]


def resident_bytes(pid: int) -> int:
    """Return the memory that a process holds and shares with none."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Private"))


def measure(url: str, server: int, options: argparse.Namespace, config: dict[str, Any]) -> dict[str, Any]:
    """Let a sweep run for a while and return what was seen between ``warm_up`` and the end."""
    with tempfile.TemporaryDirectory(prefix="r2po-sweep-") as name:
        folder = Path(name)
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        command = [sys.executable, "-m", "r2po", "sweep", "config.yaml", "--runs", str(options.runs)]
        env = {**os.environ, "OLLAMA_BASE_URL": url, "PYTHONPATH": str(ROOT)}
        command += ["--worker"] if options.workers > 1 else []
        command += ["--jobs", str(-(-options.runs // options.workers))]
        with ExitStack() as started:
            sweeps = [
                started.enter_context(subprocess.Popen(command, cwd=folder, env=env)) for _ in range(options.workers)
            ]
            time.sleep(options.warm_up)
            before, began = stats(url), time.monotonic()
            cpu_before = [cpu_s(each) for sweep in sweeps for each in family(sweep.pid)]
            server_before = cpu_s(server)
            time.sleep(options.seconds)
            after, seconds = stats(url), time.monotonic() - began
            processes = [each for sweep in sweeps for each in family(sweep.pid)]
            found = {
                "calls_per_s": (after["answered"] - before["answered"]) / seconds,
                "refused": after["refused"],
                "refused_late": after["refused"] - before["refused"],
                "most_in_flight": after["most_in_flight"],
                "sweep_cpu": (sum(map(cpu_s, processes)) - sum(cpu_before)) / seconds,
                "server_cpu": (cpu_s(server) - server_before) / seconds,
                "load": os.getloadavg()[0],
                "megabytes": sum(map(resident_bytes, processes)) / 2**20,
                "processes": len(processes),
            }
            for sweep in sweeps:
                sweep.terminate()
        return found


def report(found: dict[str, Any], allowed: float) -> None:
    """Print the figures."""
    rate = found["calls_per_s"]
    print(f"{rate:.2f} calls/s, {100 * rate / allowed:.1f} % of the {allowed:g} that the server allows")
    refused = f"refused {found['refused']} in all, {found['refused_late']} while it was measured"
    print(f"{refused}; most calls under way at once: {found['most_in_flight']}")
    print(
        f"cores used: sweep {found['sweep_cpu']:.2f} ({1000 * found['sweep_cpu'] / max(rate, 1e-9):.1f} ms a call), "
        f"server {found['server_cpu']:.2f}; load of the machine {found['load']:.1f}"
    )
    print(f"memory of the sweep's {found['processes']} processes: {found['megabytes']:.0f} MB")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what the options ask for."""
    parser = argparse.ArgumentParser(description="Measure the throughput of sweeps.")
    parser.add_argument("what", choices=["concurrency", "rate"])
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--workers", type=int, default=1, help="processes that divide the runs among them")
    parser.add_argument("--latency", type=float)
    parser.add_argument("--per-second", type=int, default=20)
    parser.add_argument("--retry-after", action="store_true")
    parser.add_argument("--warm-up", type=float, default=25.0, help="seconds before counting begins")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--environment", default="Nim-v0")
    options = parser.parse_args(arguments)
    config = {**CONFIG, "gym_env_name": options.environment}
    if options.what == "concurrency":
        latency, limit, allowed = options.latency or 2.0, [], options.runs / (options.latency or 2.0)
    else:
        latency, limit, allowed = options.latency or 0.5, ["--per-second", str(options.per_second)], options.per_second
    told = ["--retry-after"] if options.retry_after else []
    with model_server("--latency", str(latency), *limit, *told) as (url, server):
        report(measure(url, server, options, config), allowed)


if __name__ == "__main__":
    main()
