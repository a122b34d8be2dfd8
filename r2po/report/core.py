"""The block ``core``: all iterations and candidates of a run, and what stands at the top of its page."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from r2po.analysis.lineage.changes import nearest
from r2po.analysis.lineage.heading import facts_of
from r2po.analysis.lineage.reading import Log
from r2po.analysis.lineage.rounds import Attempt, Round, rounds_of
from r2po.analysis.lineage.words import failure, note_lines
from r2po.analysis.logs.iteration_data import CandidateData
from r2po.analysis.logs.run_data import RunData
from r2po.report.head import (
    head_of_log,
    head_of_run,
    made_with,
    setting_rows,
    settings_of,
    tiles_of_log,
    tiles_of_run,
)
from r2po.report.layout import is_discrete, layout_of
from r2po.report.machine_paths import without_paths
from r2po.report.packing import Values
from r2po.report.space import policy_space
from r2po.runlog.facts import MethodFacts

FORMAT = 1
"""Of all blocks; to be raised when their fields change their meaning."""


def core_of_log(log: Log, spent: Sequence[Values]) -> Values:
    """Return the block of a run in this project's format.

    Args:
        log: What could be read of it.
        spent: What its calls took, by role.
    """
    facts = facts_of(log.description)
    rounds = rounds_of(log.iterations, facts["pair"] if facts else None)
    config: Mapping[str, Any] = log.description["config"] if log.description else {}
    candidates, sources = _candidates(rounds)
    iterations = _iterations(rounds)
    best = next((each for each in reversed(iterations) if each["is_best"]), None)
    warmup = [{"reward": trial["reward"], "params": trial.get("params")} for trial in log.warmup]
    head = head_of_log(log, len(rounds))
    bias = config.get("bias")
    return {
        "format": FORMAT,
        "head": head,
        "tiles": tiles_of_log(log, best, spent),
        "settings": settings_of(log.description),
        "made_with": made_with(log.description),
        "spent": spent,
        "cost": log.result.get("cost") if log.result else None,
        "best": best["n"] if best else None,
        "target": config.get("optimum"),
        "heldout": _heldout(log),
        "iterations": iterations,
        "candidates": candidates,
        "sources": sources,
        "warmup": warmup,
        **_method(facts),
        **_shown(head["task"], _text(config.get("policy")), candidates, warmup, bias=bias is not False),
    }


def core_of_run(run: RunData) -> Values:
    """Return the block of a run in the published code's format, which tells less."""
    candidates: list[Values] = []
    iterations: list[Values] = []
    best_so_far = run.best_so_far if run.num_iterations else ()
    for place, each in enumerate(run.iterations):
        entries = [_read_candidate(each.number, tried) for tried in each.candidates]
        entries[each.accepted]["kept"] = True
        candidates += entries
        iterations.append(
            {
                "n": each.number,
                "reward": float(run.rewards[place]),
                "best": float(best_so_far[place]),
                "is_best": place == 0 or bool(best_so_far[place] > best_so_far[place - 1]),
                "episodes": int(run.episodes[place]),
                "steps": int(run.steps[place]),
                "llm_s": float(run.llm_s[place]),
                "notes": [without_paths(each.problem)] if each.problem else [],
            }
        )
    return {
        "format": FORMAT,
        "head": head_of_run(run),
        "tiles": tiles_of_run(run),
        "settings": setting_rows(dict(run.config)),
        "made_with": [],
        "spent": [],
        "cost": None,
        "best": run.best_iteration if run.num_iterations else None,
        "target": run.target,
        "heldout": None if run.heldout is None else {"reward": run.heldout.reward, "std": run.heldout.std},
        "iterations": iterations,
        "candidates": candidates,
        "sources": [],
        "warmup": [],
        **_method(run.facts),
        **_shown(run.task["name"], run.task["policy"], candidates, [], bias=True),
    }


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _method(facts: MethodFacts | None) -> Values:
    pair = facts["pair"] if facts else None
    stages = [pair["proposal"], pair["revision"]] if pair else []
    return {
        "roles": list(facts["roles"]) if facts else [],
        "stages": stages,
        "revises": bool(pair and pair["role"] == "critic"),
    }


def _shown(task: str, policy: str | None, tried: Sequence[Values], warmup: Sequence[Values], *, bias: bool) -> Values:
    """Return how parameters are shown, and where each policy lies in the plane."""
    known = [each["params"] for each in tried if each.get("params")]
    first = [each["params"] for each in warmup if each.get("params")]
    sizes = {len(each) for each in known}
    size = sizes.pop() if len(sizes) == 1 else 0
    has_source = any(each.get("source") is not None for each in tried)
    space = policy_space(known, first) if size and not has_source else None
    if space is not None:
        space["of"] = [place for place, each in enumerate(tried) if each.get("params")]
    layout = layout_of("code" if has_source and not size else policy, bias, task, size)
    return {"layout": layout, "size": size, "space": space, "discrete": is_discrete(task)}


def _heldout(log: Log) -> Values | None:
    if log.result is None or log.result["heldout_reward"] is None:
        return None
    return {name: log.result[f"heldout_{name}"] for name in ("reward", "std", "episodes")}  # type: ignore[literal-required]


def _iterations(rounds: Sequence[Round]) -> list[Values]:
    best: float | None = None
    entries: list[Values] = []
    for each in rounds:
        record: Mapping[str, Any] = each.record
        best = record["reward"] if each.is_best else best
        times = record["times"]
        entry: Values = {
            "n": each.number,
            "reward": record["reward"],
            "best": best,
            "is_best": each.is_best,
            "success": record.get("success"),
            "episodes": record["episodes"],
            "steps": record["steps"],
            "calls": record["llm_calls"],
            **{name: times.get(name) for name in ("llm_s", "rollout_s", "elapsed_s")},
            "notes": note_lines(each.notes),
        }
        entries.append({name: value for name, value in entry.items() if value is not None})
    return entries


def _candidates(rounds: Sequence[Round]) -> tuple[list[Values], list[str]]:
    """Return all candidates in the order of the log, and the distinct programs among them."""
    places: dict[int, int] = {}
    sources: dict[str, int] = {}
    entries: list[Values] = []
    for each in rounds:
        for number, attempt in enumerate(each.attempts):
            places[id(attempt)] = len(entries)
            before = attempt.parent or (nearest(each.before, attempt) if attempt.source else None)
            parent = places.get(id(before)) if before is not None else None
            entry = _candidate(attempt, number)
            if parent is not None:
                entry["parent"] = parent
                entry["revises"] = attempt.parent is not None
            if attempt.source is not None:
                entry["source"] = sources.setdefault(attempt.source, len(sources))
                if before is not None and before.source is not None:
                    entry["diff"] = line_diff(before.source, attempt.source)
            entries.append(entry)
    return entries, list(sources)


def _candidate(attempt: Attempt, number: int) -> Values:
    record: Mapping[str, Any] = attempt.record
    returns = list(attempt.returns)
    entry: Values = {
        "i": attempt.iteration,
        "j": number,
        "stage": attempt.stage,
        "params": list(attempt.params) or None,
        "moved": _moved(record),
        "reward": sum(returns) / len(returns) if returns else None,
        "returns": returns or None,
        "lengths": record.get("lengths"),
        "ends": record.get("ends"),
        "shown": _shown_rollouts(record.get("shown"), len(returns)),
        "success": attempt.success,
        "failure": failure(attempt) or None,
        "trace": record["failure"]["text"] if attempt.failed else None,
        "kept": attempt.kept or None,
        "call": record.get("call"),
    }
    if isinstance(record.get("reward"), int | float) and returns:
        entry["reward"] = record["reward"]
    return {name: value for name, value in entry.items() if value is not None}


def _shown_rollouts(told: Any, rollouts: int) -> list[int] | None:
    """Return the indices of the rollouts that prompts showed, as far as there are such rollouts."""
    known = [each for each in told if type(each) is int and 0 <= each < rollouts] if isinstance(told, list) else []
    return known or None


def _moved(record: Mapping[str, Any]) -> list[list[Any]] | None:
    """Return index and told value of each parameter that was moved to its bounds."""
    raw, used = record.get("raw_params"), record.get("params")
    if not isinstance(raw, list) or not isinstance(used, list) or len(raw) != len(used):
        return None
    pairs = enumerate(zip(raw, used, strict=True))
    return [[place, told] for place, (told, kept) in pairs if told != kept] or None


def _read_candidate(iteration: int, tried: CandidateData) -> Values:
    entry: Values = {
        "i": iteration,
        "stage": tried.stage,
        "params": None if tried.params is None else tried.params.tolist(),
        "reward": tried.reward,
        "returns": None if tried.returns is None else tried.returns.tolist(),
        "success": tried.success,
    }
    return {name: value for name, value in entry.items() if value is not None}


def line_diff(old: str, new: str) -> list[list[Any]]:
    """Return what became of the lines of a program: kind, and where it stands in the old and in the new one."""
    matcher = difflib.SequenceMatcher(None, old.split("\n"), new.split("\n"), autojunk=False)
    return [[kind[0], *place] for kind, *place in matcher.get_opcodes()]
