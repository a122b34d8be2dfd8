"""Frozen logs of older versions (see ``tests/data/README.md``), and how they compare with what is logged today."""

from __future__ import annotations

import atexit
import hashlib
import io
import json
import re
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from r2po.analysis.logs.iteration_data import IterationData

# All that these tests use of the package; the rest goes by its command line and by files.
from r2po.analysis.logs.load import load_log_directory
from r2po.analysis.logs.run_data import METRICS, RunData
from r2po.cli import main
from r2po.errors import InputError
from tests.llm.fake_ollama import FakeOllama, Fault, status
from tests.process.processes import KEYS

__all__ = ["KEYS", "SINCE", "Served", "as_then", "content", "differences", "expected", "figures", "main", "sample"]

SINCE: Mapping[str, str] = {
    "run.yaml:schema": "",
    "result.json:schema": "",
    "run.yaml:method": "",
    "run.yaml:task": "",
    "run.yaml:prompts": "",
    "run.yaml:config.description": "",
    "run.yaml:config.task": "",
    "run.yaml:config.prompts": "",
    "run.yaml:config.revision_rule": "",
    "run.yaml:config.rollout_window": "",
    "run.yaml:config.history_window": "",
    "run.yaml:config.number_samples": "",
    "run.yaml:config.prompt_cache": "",
    "run.yaml:critic_model": "",
    "run.yaml:servers": "",
    "llm_calls.jsonl:served": "",
    "run.yaml:config.critic_llm_model_name": "",
    "run.yaml:config.critic": "",
    "run.yaml:config.isolation": "",
    "run.yaml:config.evaluation_workers": "",
    "run.yaml:config.base_url": "",
    "run.yaml:config.budget": "",
    "run.yaml:config.candidates": "",
    "run.yaml:config.history": "",
    "run.yaml:config.information": "",
    "run.yaml:config.llm_idle_timeout_s": "",
    "run.yaml:config.llm_streaming": "",
    "run.yaml:config.max_concurrent_calls": "",
    "run.yaml:config.reflection": "",
    "run.yaml:config.repairs": "",
    "run.yaml:config.tune_evaluations": "",
    "run.yaml:config.tune_episodes": "",
    "run.yaml:config.plugins": "",
    "run.yaml:config.track": "",
    "run.yaml:config.reevaluation_episodes": "",
    "result.json:critic_model": "",
    "run.yaml:sum": "",
    "warmup.jsonl:sum": "",
    "iterations.jsonl:sum": "",
    "iterations.jsonl:sums": "",
    "llm_calls.jsonl:sum": "",
    "result.json:sums": "",
    "result.json:sum": "",
    "reevaluation.jsonl": "",
}
"""How today's logs differ from schema 2, by file, or file and field, e.g. ``"iterations.jsonl:candidates.params"``.

A field that was added, or that holds something else, has an empty text; one that was renamed has its name of then.
"""

UNSTEADY = frozenset({"at", "created", "latency_s", "times", "versions", "code_revision"})
"""What a clock said, and the versions of whatever was installed."""

DATA = Path(__file__).parent / "data"
NAME = "logs_schema_2"


@cache
def sample() -> Path:
    """Return the folder with the unpacked logs: a working directory with ``configs``, ``logs`` and ``interrupted``."""
    folder = Path(tempfile.mkdtemp(prefix=f"{NAME}_"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with tarfile.open(DATA / f"{NAME}.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder / NAME


@cache
def _said() -> dict[str, Any]:
    value: dict[str, Any] = json.loads((DATA / f"{NAME}.json").read_text(encoding="utf-8"))
    return value


def expected() -> dict[str, Any]:
    """Return what the code that made the logs said of them, by log directory."""
    value: dict[str, Any] = _said()["log_directories"]
    for directory in value.values():
        for run in directory.get("runs", []):  # null is no setting any more
            run["settings"] = {key: setting for key, setting in run["settings"].items() if setting is not None}
            run["metrics"] = _but_for_the_last_bits(run["metrics"])
    return value


@cache
def as_then(kind: str) -> bool:
    """Whether this machine computes what the one on which the logs were made did, to the last bit; see ``machine``."""
    return bool(machine()[kind] == _said()["machine"][kind])


def machine() -> dict[str, str]:
    """Return digests of results for which numpy, LAPACK and BLAS have different code for different processors.

    ``bits``: last bits of functions, sums, products and decompositions; ``ties``: the order of equal numbers.
    """
    rng = np.random.default_rng(1)
    bits, ties = hashlib.sha256(), hashlib.sha256()
    for size in range(2, 40):
        matrix = rng.standard_normal((size, size))
        positive = np.abs(matrix)
        results = [
            *np.linalg.eigh(matrix + matrix.T),
            *np.linalg.qr(matrix),
            *(matrix @ matrix.T, matrix @ matrix[0]),
            *(
                np.exp(matrix),
                np.log(positive),
                np.sqrt(positive),
                positive**0.3,
                matrix.sum(axis=1),
                matrix.std(axis=1),
            ),
        ]
        for result in results:
            bits.update(result.tobytes())
        for _ in range(20):
            ties.update(np.argsort(rng.integers(0, 3, size) * 1.5).tobytes())
    return {"bits": bits.hexdigest(), "ties": ties.hexdigest()}


# ---- What analyses say of a log directory ----


def figures(path: str) -> dict[str, Any]:
    """Return all that analyses read from a log directory, in the form of JSON."""
    try:
        directory = load_log_directory(path)
    except InputError as error:
        return {"error": str(error)}
    value: dict[str, Any] = {
        "runs": [_run_figures(run) for run in directory.runs],
        "problems": directory.problems,
        "notes": directory.notes,
    }
    plain: dict[str, Any] = json.loads(json.dumps(value, default=lambda array: array.tolist()))
    return plain


def _run_figures(run: RunData) -> dict[str, Any]:
    return {
        "path": str(run.path),
        "name": run.name,
        "origin": run.origin,
        "environment": run.environment,
        "method": run.method,
        "variant": run.variant,
        "algorithm": run.algorithm,
        "model": run.model,
        "stand_in": run.stand_in,
        "protocol": run.protocol,
        "seed": run.seed,
        "target": run.target,
        "complete": run.complete,
        "planned_iterations": run.planned_iterations,
        "progress": run.progress,
        "settings": dict(run.settings),
        "numbers": run.numbers,
        "rewards": run.rewards,
        "best_so_far": run.best_so_far,
        "best_iteration": run.best_iteration,
        "episodes": run.episodes,
        "steps": run.steps,
        "llm_calls": run.llm_calls,
        "llm_s": run.llm_s,
        "heldout": None if run.heldout is None else _told_then(vars(run.heldout)),
        "metrics": _but_for_the_last_bits({name: run.metric(name) for name in METRICS}),
        "summary": dict(run.summary),
        "notes": run.notes,
        "unread": run.unread,
        "iterations": [_iteration_figures(iteration) for iteration in run.iterations],
    }


def _told_then(heldout: Mapping[str, Any]) -> dict[str, Any]:
    """Return the held-out figures without success rates, which no log told then."""
    assert heldout["success"] is None
    return {name: value for name, value in heldout.items() if name != "success"}


def _but_for_the_last_bits(metrics: Mapping[str, float | None]) -> dict[str, float | None]:
    """Return means without what rounding makes of them: that of equal rewards is each of them now."""
    return {name: None if value is None else float(f"{value:.12g}") for name, value in metrics.items()}


def _iteration_figures(iteration: IterationData) -> dict[str, Any]:
    return {
        "number": iteration.number,
        "accepted": iteration.accepted,
        "problem": iteration.problem,
        "candidates": [
            {"stage": each.stage, "reward": each.reward, "params": each.params, "returns": each.returns}
            for each in iteration.candidates
        ],
    }


# ---- What a run wrote ----


def content(run: Path) -> dict[str, Any]:
    """Return all that a run wrote, by file name, without what is unsteady and as if nothing were new since.

    Texts are those of the files, with the order of the keys and the way in which numbers are written. Requests that
    were under way when the run was killed do not count: they were sent again.
    """
    files = [path for path in sorted(run.rglob("*")) if path.is_file() and path.name not in SINCE]
    return {str(path.relative_to(run)): _content(path) for path in files}


def _content(path: Path) -> Any:
    if path.suffix == ".npz":
        # The arrays to the last byte; how they are compressed depends on the zlib that Python came with.
        with zipfile.ZipFile(path) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    text = path.read_text(encoding="utf-8")
    # That each text is one of ours to the letter shows that what is compared below is all that there is.
    if path.suffix == ".jsonl":
        records = [json.loads(line) for line in text.splitlines()]
        assert "".join(map(_line, records)) == text
        if path.name == "llm_calls.jsonl":
            records = _without_lost_calls(records)
        return [_line(_steady(record, path.name)) for record in records]
    if path.suffix == ".json":
        assert _document(json.loads(text)) == text
        return _document(_steady(json.loads(text), path.name))
    if path.suffix == ".yaml":
        assert _yaml(yaml.safe_load(text)) == text
        return _yaml(_steady(yaml.safe_load(text), path.name))
    return text


def _line(record: Any) -> str:
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n"


def _document(record: Any) -> str:
    return json.dumps(record, ensure_ascii=False, indent=2) + "\n"


def _yaml(record: Any) -> str:
    return str(yaml.safe_dump(record, sort_keys=False, allow_unicode=True))


def _steady(value: Any, place: str) -> Any:
    """Leave out what is unsteady or new; ``place`` names a file, and the field in which the value stands."""
    if isinstance(value, list):
        return [_steady(each, place) for each in value]
    if isinstance(value, str):
        return re.sub(r"\b127\.0\.0\.1:\d+", "127.0.0.1:0", value)  # the server of a test
    if not isinstance(value, dict):
        return value
    fields: dict[str, Any] = {}
    for key, entry in value.items():
        field = f"{place}{'.' if ':' in place else ':'}{key}"
        name = SINCE.get(field, key)
        if name and key not in UNSTEADY:
            fields[name] = _steady(entry, field)
    return fields


def _without_lost_calls(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    ended = {event["call"] for event in events if event["event"] in ("reply", "gave_up")}
    lost: dict[str, Any] = {}
    numbers: dict[int, int] = {}
    kept = []
    for event in events:
        if event["call"] not in ended:
            # What the first request says of its prompt refers to the one before it, as without the kill.
            lost.setdefault(event["key"], event["prompt"])
            continue
        if event["event"] == "request":
            numbers[event["call"]] = len(numbers) + 1
            event = {**event, "prompt": lost.pop(event["key"], event["prompt"])}
        kept.append({**event, "call": numbers[event["call"]]})
    return kept


# ---- Comparing ----


def differences(then: Mapping[str, Any], now: Mapping[str, Any], *, digits: int | None = None) -> list[str]:
    """Name the files in which two runs differ, each with the first difference.

    Args:
        then: What one run wrote.
        now: What the other one wrote.
        digits: How many digits of numbers have to agree; None for all of them.
    """
    found = [f"{name}: only then" for name in then.keys() - now.keys()]
    found += [f"{name}: only now" for name in now.keys() - then.keys()]
    for name in then.keys() & now.keys():
        if then[name] != now[name] and (digits is None or not _agree(_read(then[name]), _read(now[name]), digits)):
            found.append(f"{name}: {_first_difference(then[name], now[name])}")
    return sorted(found)


def _first_difference(then: Any, now: Any) -> str:
    if isinstance(then, dict):
        return f"arrays {[name for name in {**then, **now} if then.get(name) != now.get(name)]}"
    lines = [value if isinstance(value, list) else value.splitlines(keepends=True) for value in (then, now)]
    pairs = zip(*lines, strict=False)
    number, line = next(
        ((number, pair) for number, pair in enumerate(pairs, 1) if pair[0] != pair[1]), (min(map(len, lines)) + 1, None)
    )
    if line is None:
        return f"{len(lines[0])} lines then, {len(lines[1])} now"
    at = next((at for at, pair in enumerate(zip(*line, strict=False)) if pair[0] != pair[1]), min(map(len, line)))
    was, is_ = (text[max(0, at - 60) : at + 60] for text in line)
    return f"line {number} was {was!r}, is {is_!r}"


def _read(value: Any) -> Any:
    if isinstance(value, list):
        return [json.loads(line) for line in value]
    if isinstance(value, dict):
        return {name: np.load(io.BytesIO(array)).tolist() for name, array in value.items()}
    return yaml.safe_load(value)


def _agree(one: Any, other: Any, digits: int) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return bool(abs(one - other) <= 10**-digits * max(abs(one), abs(other), 1.0))
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(_agree(*pair, digits) for pair in zip(one, other, strict=True))
    if isinstance(one, dict) and isinstance(other, dict):
        return [*one] == [*other] and all(_agree(one[key], other[key], digits) for key in one)
    return bool(one == other)


# ---- The model of the runs whose model was behind HTTP ----


class Served(FakeOllama):
    """Gives the recorded answers of a frozen run, and fails where it failed.

    Args:
        name: Its log directory.
        already: How many of them an earlier process had.
    """

    def __init__(self, name: str, already: int = 0) -> None:
        answers = json.loads((sample() / "answers.json").read_text(encoding="utf-8"))
        self.answers = answers.get(name, [])[already:]
        super().__init__(lambda _: self.answers.pop(0))

    def fault_for(self, path: str) -> Fault | None:
        """Answer with a status if that is what comes next."""
        if path == self.chat_path and self.answers and isinstance(self.answers[0], int):
            return status(self.answers.pop(0), {"error": "busy"})
        return None
