"""A language model of 135 million parameters beside black-box search: ``python -m benchmarks.small_model``.

Runs R2PO, ProPS+ and ProPS on CartPole with SmolLM2, which it serves on this machine, for 15 iterations each, and
CMA-ES and random search for as many policy evaluations as R2PO makes; the seeds 1 to 5. Writes a table into
docs/baselines.md. What is finished is not run again, what was interrupted goes on. ``--runs 0`` only writes the table.
Needs what ``make demo-llm`` installs.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from benchmarks.documents import DOCS, write_table
from benchmarks.search_baselines import run
from r2po.analysis.output.scores import few_note, score_of
from r2po.commands.demo import COMMON, CONTEXT, config_of
from r2po.config import Config
from r2po.config.load import resolve
from r2po.experiment.setting import Setting
from r2po.methods import METHODS
from r2po.rounding import first_largest, mean
from r2po.runlog import RunDirectory, list_runs
from r2po.serving import SMOLLM2, ServerSettings, find_model, serve

RUNS = 5
ITERATIONS = 15
EVALUATIONS = (15, 30)
"""After how many policy evaluations the best policy is looked at: what 15 iterations of ProPS make, and of R2PO."""
SMALLER = {
    "rollout_window": {"first": 3, "last": 3},
    "history_window": {"best": 3, "last": 3},
    "max_output_tokens": 90,
}
"""Where it differs from the demo: calls are shorter. The parameters of a reply come first, and its reasoning is cut."""
ASKING = ("r2po", "propsp", "props")
SEARCHES = ("cma_es", "random_search")
TABLE = "table of a small model"


def configs(root: Path, model: str = SMOLLM2) -> Iterator[Config]:
    """Return the configs of all methods, with log directories under ``root``: first those that are soon done."""
    for method in SEARCHES:
        values = {**COMMON, "method": method, "logdir": str(root / method), "num_iterations": max(EVALUATIONS)}
        yield resolve(values, "the benchmark")
    for method in ASKING:
        config = config_of(method, model, root, ITERATIONS)
        smaller = SMALLER if config.structured_output else {}
        yield resolve({**config.model_dump(exclude_unset=True), **smaller}, "the benchmark")


def incumbent(directory: RunDirectory, evaluations: int) -> float | None:
    """Return the mean held-out return of the best of a run's first policies; None if it has fewer.

    The best is the one with the largest mean return in its own evaluation, the first of equals. It is played on the
    fresh episodes on which the run itself plays its best policy at the end.
    """
    records = (candidate for record in directory.read_iterations() for candidate in record["candidates"])
    candidates = [each for each in records if each.get("returns")][:evaluations]
    if len(candidates) < evaluations:
        return None
    description = directory.read_description()
    with closing(Setting(Config(**description["config"]), description["seed"])) as setting:
        best = first_largest(candidates, lambda each: mean(each["returns"]))
        return mean(setting.evaluate(setting.policy.load(best), setting.heldout_seeds).returns)


def table(root: Path) -> str:
    """Return the results as Markdown: mean ± standard deviation over complete runs, and each run, by seed."""
    first, last = EVALUATIONS
    lines = [
        f"| method | runs | evaluations | model calls | after {first} evaluations | after {last} evaluations |",
        "|---|---:|---:|---:|---|---|",
    ]
    found = {method: [each for each in list_runs(root / method) if each.is_complete] for method in ASKING + SEARCHES}
    rows = [f"| {' | '.join(_row(method, complete))} |" for method, complete in found.items() if complete]
    notes = few_note(len(complete) for complete in found.values())
    return "\n".join([*lines, *rows, *(line for note in notes for line in ("", note))])


def _row(method: str, complete: Sequence[RunDirectory]) -> list[str]:
    by_seed = sorted(complete, key=lambda each: int(each.read_description()["seed"]))
    spent = [sum(len(record["candidates"]) for record in each.read_iterations()) for each in by_seed]
    calls = [each.read_result().get("llm_calls", 0) for each in by_seed]
    reached = [_cell([incumbent(each, count) for each in by_seed]) for count in EVALUATIONS]
    return [METHODS[method].label, str(len(by_seed)), _range(spent), _range(calls), *reached]


def _range(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return str(low) if low == high else f"{low} to {high}"


def _cell(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    score = score_of("", known)
    if score is None:
        return "-"
    shown = score.text if score.runs > 1 else f"{score.mean:.2f}"
    return f"{shown}{score.mark} ({', '.join(f'{value:.0f}' for value in known)})"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is missing, print the table and write it into the document."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.small_model", description=__doc__)
    parser.add_argument("--logs-root", type=Path, default=Path("logs/small_model"), metavar="DIR")
    parser.add_argument("--runs", type=int, default=RUNS, help=f"seeds 1 to this number ({RUNS})")
    parser.add_argument("--document", type=Path, default=DOCS / "baselines.md", help="default: docs/baselines.md")
    options = parser.parse_args(arguments)
    if options.runs:
        # Search and critic each keep a slot, and with it what their prompts have in common.
        with serve(ServerSettings(find_model(SMOLLM2), context=CONTEXT, slots=2)) as served:
            run_all(options.logs_root, options.runs, {**os.environ, **served.environ})
    text = table(options.logs_root)
    print(text)
    write_table(options.document, TABLE, text)


def run_all(root: Path, runs: int, environ: dict[str, str], model: str = SMOLLM2) -> None:
    """Run what is missing: all methods with one seed before any with the next one."""
    for seed in range(1, runs + 1):
        for config in configs(root, model):
            print(run(config, seed, environ), flush=True)


if __name__ == "__main__":
    main()
