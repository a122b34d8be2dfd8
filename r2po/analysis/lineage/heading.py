"""What is said above the rounds: which run it is, how far it came, and what of its log is missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.text import Text

from r2po.analysis.lineage.reading import Log
from r2po.analysis.lineage.rounds import Round
from r2po.analysis.lineage.words import number, one_line
from r2po.analysis.logs.built_in import method_facts, task_facts
from r2po.analysis.logs.names import environment_key
from r2po.analysis.logs.run_data import STAND_IN, models_label, progress
from r2po.runlog.facts import NO_MODEL, MethodFacts
from r2po.runlog.records import Description, Result

WARNING = "yellow"


def facts_of(description: Description | None) -> MethodFacts | None:
    """Return what is known of a run's method; None if its description cannot be read."""
    if description is None:
        return None
    return description.get("method") or method_facts(str(description["config"].get("method", "unknown")))


def heading(log: Log, rounds: Sequence[Round]) -> list[Text]:
    """Return the lines above the rounds of a run."""
    lines = [Text(_title(log.description), "bold"), Text(one_line(str(log.path)), "dim")]
    if log.description is not None:
        lines.append(Text(_model(log.description)))
    told = [_progress(log, rounds), _outcome(rounds, log.result), _warmup(log)]
    lines += [Text(line) for line in told if line]
    faults = [*_unfinished(log, rounds), *(f"not as written: {line}" for line in log.missing)]
    return lines + [Text(one_line(line), WARNING) for line in faults]


def _title(description: Description | None) -> str:
    if description is None:
        return "a run whose run.yaml cannot be read"
    facts, config = facts_of(description), description["config"]
    task = description.get("task") or task_facts(environment_key(str(config.get("gym_env_name", "?"))))
    algorithm = f"-{config['algorithm']}" if config.get("algorithm") else ""
    policy = config.get("policy")
    policies = f", policy {policy}" if policy not in (None, task["policy"]) else ""
    return one_line(f"{facts['label'] if facts else '?'}{algorithm} on {task['label']}{policies}")


def _model(description: Description) -> str:
    model = models_label(description["model"], description.get("critic_model") or "")
    told = ["no model" if model == NO_MODEL else model, f"protocol {description['protocol']}"]
    told.append(f"seed {description['seed']}")
    told += [f"a replay of {description['replay_of']}"] if description.get("replay_of") else []
    told += [STAND_IN] if description["stand_in"] else []
    return one_line(", ".join(told))


def _progress(log: Log, rounds: Sequence[Round]) -> str:
    """Say how many iterations there are, and what they took."""
    config: dict[str, Any] = {} if log.description is None else log.description["config"]
    planned = config.get("num_iterations")
    open_ended = not isinstance(planned, int) or config.get("budget") == "evaluations"
    parts = [progress(len(rounds), None if open_ended else planned)]
    if rounds:
        last = rounds[-1].record
        parts += [f"{last['episodes']} episodes"]
        parts += [f"{last['llm_calls']} calls"] if last["llm_calls"] else []
    return ", ".join(parts)


def _unfinished(log: Log, rounds: Sequence[Round]) -> list[str]:
    """Return a line on what is missing of a run without a result."""
    if log.is_complete:
        return []
    begun = f"; of the next iteration there are {log.begun}" if log.begun else ""
    iterations = "" if rounds else ", and no iteration yet"
    return [f"not complete: there is no result.json{iterations}; the run goes on, or was stopped{begun}"]


def _outcome(rounds: Sequence[Round], result: Result | None) -> str:
    best = next((each for each in reversed(rounds) if each.is_best), None)
    if best is None:
        return "no policy worked yet" if rounds else ""
    told = f"best {number(best.record['reward'] or 0.0)} in iteration {best.number}"
    told = f"{told} (success {best.record['success']:.0%})" if "success" in best.record else told
    if result is None:
        return told
    if result.get("heldout_failure"):
        return f"{told}; held-out: failed, {one_line(result['heldout_failure']['kind'])}"
    heldout = result["heldout_reward"]
    return told if heldout is None else f"{told}; held-out {number(heldout)} over {result['heldout_episodes']} episodes"


def _warmup(log: Log) -> str:
    if not log.warmup:
        return ""
    best = max(trial["reward"] for trial in log.warmup)
    return f"warm-up: {len(log.warmup)} random policies, the best with {number(best)}"
