"""Whatever happens to the files of a run, a page is made of the rest, or an error of one line says why not."""

from __future__ import annotations

import json
import random
import shutil
from contextlib import suppress
from pathlib import Path

import pytest

from r2po.errors import R2POError
from r2po.report.blocks import Wanted, blocks_of
from r2po.report.frame import run_page
from r2po.report.overview import member_of, overview_of
from r2po.report.packing import pack
from r2po.runlog import open_run
from tests.experiment.mutations import mutate

FEW, MANY = 12, 400


@pytest.mark.parametrize("seed", [*range(FEW), *(pytest.param(n, marks=pytest.mark.slow) for n in range(FEW, MANY))])
def test_a_damaged_log_makes_a_page_or_an_error(seed: int, cartpole: Path, programs: Path, tmp_path: Path) -> None:
    run = tmp_path / "logs" / "run_1"
    shutil.copytree((cartpole, programs)[seed % 2], run)
    mutate(run, random.Random(seed))
    with suppress(R2POError):
        blocks = blocks_of(open_run(run), Wanted("shown", 5), lambda _: None)
        assert run_page(blocks.core, blocks.packed)
        assert pack(overview_of([member_of("run1", run.parent, blocks.core)], {}))


@pytest.mark.parametrize("value", [10**400, True, 1e300, "x", None, [], {"a": 1}])
@pytest.mark.parametrize("key", ["shown", "call", "lengths", "raw_params", "params", "reward"])
def test_odd_values_of_a_candidate(key: str, value: object, cartpole: Path, tmp_path: Path) -> None:
    """A line whose checksum somebody made anew."""
    run = tmp_path / "logs" / "run_1"
    shutil.copytree(cartpole, run, ignore=shutil.ignore_patterns("llm_calls.jsonl", "trajectories"))
    log = run / "iterations.jsonl"
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    candidate = lines[1]["candidates"][0]
    candidate[key] = [value, *candidate[key][1:]] if isinstance(candidate.get(key), list) and candidate[key] else value
    log.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    blocks = blocks_of(open_run(run), Wanted("none"), lambda _: None)
    assert run_page(blocks.core, blocks.packed)
