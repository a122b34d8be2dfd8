"""What a run says of itself: a heading when it starts, a summary when it is complete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from r2po.analysis.logs.revisions import logged_revisions, told
from r2po.experiment.setting import Setting
from r2po.llm.client import Client, described
from r2po.methods.promptpo.log import REPAIR
from r2po.methods.promptpo.tuning import TUNED
from r2po.prompts.numbers import number
from r2po.rounding import mean, spread
from r2po.runlog import RunDirectory
from r2po.runlog.facts import NO_MODEL, Pair
from r2po.runlog.jsonl import DamagedLog
from r2po.runlog.records import IterationRecord, Outcome, Result
from r2po.runlog.reevaluation import fresh_rewards, read_reevaluation

FACT_WIDTH = len("run directory")
STAND_IN = "embedded stand-in: no language model answered; these results say nothing about any model"


def heading(setting: Setting, directory: RunDirectory, client: Client, recorded: int) -> list[str]:
    """Say what is run and where, and after how many recorded iterations it resumes."""
    config, models = setting.config, described(client.models)
    facts = {
        **_models(models),
        "protocol": f"{config.protocol}, seed {setting.seed}",
        "run directory": str(directory.path),
    }
    resumed = [f"resumed after iteration {recorded} of {config.num_iterations}"] if recorded else []
    return [*_lines(f"{setting.method.label} on {setting.brief.task.label}", models, facts), *resumed]


def summary(directory: RunDirectory, result: Result, pair: Pair | None = None) -> list[str]:
    """Sum a complete run up; ``pair`` names the stages of proposal and revision, if its method has both."""
    heldout, times = "not measured", result["times"] or {}
    if result.get("heldout_failure"):
        heldout = f"failed: {result['heldout_failure']['kind']}"
    if result["heldout_reward"] is not None:
        reward, std = result["heldout_reward"], result["heldout_std"]
        varies = "" if std is None else f" ± {number(spread(std, reward), 4)}"
        heldout = f"{number(reward)}{varies} over {result['heldout_episodes']} fresh episodes"
    facts = {
        **_models(result),
        "protocol": f"{result['protocol']}, seed {result['seed']}",
        "best": _best(result),
        "held-out": heldout,
        "mean": _number(result["mean_reward"]),
        "final": _number(result["final_reward"]),
        **_reevaluated(directory),
        **_story(directory.read_iterations(), pair),
        **(_calls(result) if result["model"] != NO_MODEL else {}),
        "episodes": f"{result['episodes']} ({result['steps']} steps)",
        "time": f"{clock(times.get('elapsed_s'))}, of which model {clock(times.get('llm_s'))}, "
        f"rollouts {clock(times.get('rollout_s'))}",
        "run directory": str(directory.path),
    }
    title = f"{result['method']} on {result['environment']}: {result['iterations']} iterations"
    return ["", *_lines(title, result, facts)]


def _best(result: Result) -> str:
    if result["best_reward"] is None:
        return "no policy worked"
    success = f", success {number(result['best_success'])}" if "best_success" in result else ""
    return f"{number(result['best_reward'])}{success} in iteration {result['best_iteration']}"


def _number(value: float | None) -> str:
    return "none" if value is None else number(value)


def _reevaluated(directory: RunDirectory) -> dict[str, str]:
    """Return a line on the rewards of accepted candidates on fresh episodes, if they are on record."""
    outcomes = directory.read_iterations_as(Outcome)
    with suppress(DamagedLog):  # a note said so
        logged = [(each["iteration"], each["reward"]) for each in outcomes if each["reward"] is not None]
        found = read_reevaluation(directory.reevaluation)
        rewards = fresh_rewards(found, logged) if found else None
        if rewards:
            return {"re-evaluated": f"mean {number(mean(rewards))}, final {number(rewards[-1])}, on fresh episodes"}
    return {}


def _story(records: Sequence[IterationRecord], pair: Pair | None) -> dict[str, str]:
    """Return lines on what became of the proposals, and of programs."""
    revised = told(logged_revisions(records, pair), pair, number) if pair else {}
    return {**revised, **_programs(records)}


def _programs(records: Sequence[IterationRecord]) -> dict[str, str]:
    """Return lines on programs that failed, were repaired or were tuned; none if policies are numbers."""
    candidates = [each for record in records for each in record["candidates"] if "source" in each]
    repairs = [each for each in candidates if REPAIR in each["stage"]]
    others = [each for each in candidates if REPAIR not in each["stage"] and not each["stage"].endswith(TUNED)]
    notes = [record.get("notes", {}).get("tuning") for record in records]
    tuned = [bool(note["kept"]) for note in notes if isinstance(note, dict) and "kept" in note]
    facts = {}
    if others:
        facts["programs"] = f"{len(others)} tried, {sum('failure' in each for each in others)} failed"
    if repairs:
        facts["repairs"] = f"{len(repairs)} tried, {sum('failure' not in each for each in repairs)} worked"
    if tuned:
        facts["tuning"] = f"better constants in {sum(tuned)} of {len(tuned)} rounds"
    return facts


def _lines(title: str, log: Mapping[str, Any], facts: Mapping[str, str]) -> list[str]:
    """Return a title, a warning if ``log`` says that a stand-in answers, and the facts in two columns."""
    columns = [f"  {name:<{FACT_WIDTH}}  {value}" for name, value in facts.items()]
    return [title, *([STAND_IN] if log["stand_in"] else []), *columns]


def _models(log: Mapping[str, Any]) -> dict[str, str]:
    """Return lines on the models; logs of earlier versions know of no other critic."""
    names = {"model": log["model"], "critic model": log.get("critic_model")}
    replay = f" (replay of {log['replay_of']})" if log.get("replay_of") else ""
    return {line: f"{name}{replay}" for line, name in names.items() if name}


def _calls(result: Result) -> dict[str, str]:
    """Return lines on the calls: in all, those of each role with their time and tokens, and the money."""
    unusable, failed = result["refused_replies"], result["failed_attempts"]
    facts = {"calls": f"{result['llm_calls']} ({unusable} unusable replies, {failed} failed attempts)"}
    accounts = result.get("accounting", {})  # runs of earlier versions have none
    for role, counts in accounts.items():
        tokens = (result["tokens"] or {}).get(role, {})
        facts[role] = (
            f"{counts['attempts']} attempts, {counts['failures']} failed; {counts['replies']} replies, "
            f"{counts['refused']} unusable, in {clock((result['times'] or {}).get('latency_s', {}).get(role))}"
        )
        written = tokens.get("cache_write_tokens")
        facts[f"{role} tokens"] = (
            f"{_count(tokens.get('prompt_tokens'))} in (cached {_count(tokens.get('cached_tokens'))}"
            f"{'' if written is None else f', written to the cache {written:,}'}), "
            f"{_count(tokens.get('completion_tokens'))} out (thinking {_count(tokens.get('reasoning_tokens'))})"
        )
    if accounts:
        costs = ", ".join(f"{role} {money(counts['cost'])}" for role, counts in accounts.items())
        facts["cost"] = "unknown" if result["cost"] is None else f"{money(result['cost'])} ({costs})"
    if result.get("differing_prompts"):
        facts["replay"] = f"{result['differing_prompts']} prompts differ from the recorded ones"
    return facts


def _count(count: int | None) -> str:
    return "unknown" if count is None else f"{count:,}"


def money(amount: float | None) -> str:
    """Write an amount of money; None is not known."""
    return "unknown" if amount is None else f"{amount:.6g}"


def clock(seconds: float | None) -> str:
    """Write a duration as hours, minutes and seconds; None is not known."""
    if seconds is None:
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
