"""The whole salience analysis: experiments in, analyses and ``episodes.csv`` out."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from itertools import chain
from typing import Any

from r2po.analysis.logs.built_in import method_order, task_facts
from r2po.analysis.logs.experiments import Cohort, ExperimentLogs
from r2po.analysis.logs.parallel import in_parallel
from r2po.analysis.logs.replies import RunReplies
from r2po.analysis.logs.revisions import has_critic
from r2po.analysis.logs.run_data import Floats
from r2po.analysis.output.tables import csv_cell
from r2po.analysis.salience.counts import TOGETHER, Counts, Salience, analyse
from r2po.analysis.salience.edits import RULES, EditRules
from r2po.analysis.salience.returns import Direction
from r2po.analysis.salience.revisions import Revision, read_revisions
from r2po.analysis.salience.signs import DIRECTIONS, Comparison, Share
from r2po.analysis.salience.tables import reward_groups


@dataclass(frozen=True)
class Found:
    """An experiment, its iterations in which two policies were tried, and a line for each thing that is missing."""

    experiment: ExperimentLogs
    revisions: tuple[Revision, ...]
    problems: tuple[str, ...]


def collect(experiments: Sequence[ExperimentLogs], rules: EditRules = RULES) -> list[Found]:
    """Read the iterations of all methods that have a proposal and a revision."""
    chosen = [each for each in experiments if each.facts["pair"]]
    return [
        Found(each, *content)
        for each, content in zip(chosen, in_parallel(partial(_collect, rules=rules), chosen), strict=True)
    ]


def _collect(experiment: ExperimentLogs, rules: EditRules) -> tuple[tuple[Revision, ...], tuple[str, ...]]:
    revisions: list[Revision] = []
    problems: list[str] = []
    for run in experiment.runs:
        replies = RunReplies(run)
        found = read_revisions(run, replies, rules)
        revisions += found
        where = f"{experiment.path}: {run.name}"
        if left := run.num_iterations - len(found):
            out = f"left out {left} of {run.num_iterations} iterations, two policies not on record"
            problems.append(f"{where}: {out}{f' ({run.unread})' if run.unread else ''}")
        if replies.problem and has_critic(run.facts):
            problems.append(f"{where}: no replies: {replies.problem}")
    return tuple(revisions), tuple(problems)


def analyses_of(found: Sequence[Found], mode: str, *, as_published: bool = False) -> list[Salience]:
    """Analyse each experiment, and then each method over all its environments if it has several."""
    count = partial(analyse, mode=mode, as_published=as_published)
    single = [count(each.revisions, each.experiment.task, each.experiment.facts) for each in found]
    together = []
    methods = {each.experiment.method: each.experiment.facts for each in found}
    places = {each.experiment.method: each.experiment.place for each in found}
    for name in sorted(methods, key=lambda name: (places[name], method_order(name))):
        members = [each.revisions for each in found if each.experiment.method == name]
        if len(members) > 1:
            together.append(count([*chain(*members)], task_facts(TOGETHER), methods[name]))
    return single + together


def episodes_csv(parts: Sequence[tuple[Cohort | None, Sequence[Found]]]) -> str:
    """Return a row for each iteration, at least one; what is not on record is empty."""
    rows = [
        {
            "model": cohort.model if cohort else "",
            "critic_model": cohort.critic if cohort else "",
            "protocol": cohort.protocol if cohort else "",
            **_episode(revision),
        }
        for cohort, found in parts
        for each in found
        for revision in each.revisions
    ]
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        [{key: csv_cell(value) if isinstance(value, str) else value for key, value in row.items()} for row in rows]
    )
    return buffer.getvalue()


def _episode(each: Revision) -> dict[str, Any]:
    shown, change, edit, halves = each.shown, each.change, each.edit, each.halves
    row = {
        "environment": each.environment,
        "method": each.method,
        "run": each.run,
        "iteration": each.iteration,
        "initial_reward": each.initial,
        "revised_reward": each.revised,
        "delta": each.delta,
        "direction": each.direction,
        "accepted": each.accepted,
        "worst_reward": shown and shown.worst,
        "median_reward": shown and shown.median,
        "best_reward": shown and shown.best,
        "reward_group": shown and shown.group,
        "old_proxy": shown and shown.old_proxy,
        "strict_proxy": shown and shown.strict_proxy,
        "half_strict_proxy": halves and halves.shown.strict_proxy,
        "half_level": halves and halves.level,
        "half_direction": halves and halves.direction,
        "mentions_word": each.says_worst,
        "mentions_phrase": each.says_phrase,
        "change_low": change and change.low,
        "change_high": change and change.high,
        "paired": change and each.paired,
        "beyond_noise": each.beyond_noise,
        "edit_distance": edit and edit.count,
        "l2_distance": edit and edit.l2,
        "abs_max_change": edit and edit.largest,
        "changed_indices": edit and ",".join(map(str, edit.changed)),
        "category": each.category,
        "initial_params": _vector(each.initial_params),
        "revised_params": _vector(each.revised_params),
    }
    return {key: int(value) if isinstance(value, bool) else value for key, value in row.items()}


def _vector(params: Floats | None) -> str | None:
    return None if params is None else json.dumps(params.tolist())


def to_records(analyses: Sequence[Salience], found: Sequence[Found]) -> list[dict[str, Any]]:
    """Return the analyses as JSON objects, with reward groups and edit patterns."""
    members = {(each.experiment.environment, each.experiment.method): each.revisions for each in found}
    return [_record(each, members.get((each.environment, each.method), ())) for each in analyses]


def _record(analysis: Salience, revisions: Sequence[Revision]) -> dict[str, Any]:
    record: dict[str, Any] = {
        "environment": analysis.environment,
        "method": analysis.method,
        "has_critic": analysis.has_critic,
        "runs": analysis.runs,
        "iterations": analysis.iterations,
    }
    for direction in DIRECTIONS:
        record[direction] = _counts_record(analysis.counts[direction]) | _share_record(analysis.same.shares[direction])
    main = analysis.main.to_improvements
    record["odds_ratio_to_improvements"] = main and asdict(main)
    record["split_rollouts"] = analysis.split and {
        "left_out": analysis.split.left_out,
        "strict_proxy": _comparison_record(analysis.split.proxy),
        "strict_mention": analysis.split.mention and _shares_record(analysis.split.mention),
    }
    record["same_rollouts"] = _comparison_record(analysis.same)
    others = analysis.same.to_others
    record["same_rollouts"]["odds_ratio_to_others"] = others and asdict(others)
    if revisions:
        record["reward_groups"] = [_group_record(*group) for group in reward_groups(revisions)]
        record["edit_patterns"] = _edit_record(revisions)
    return record


def _counts_record(counts: Counts) -> dict[str, Any]:
    """Return the counts, and of how many iterations each is known."""
    shares = {field.name: getattr(counts, field.name) for field in fields(counts)}
    numbers = {name: each.count if isinstance(each, Share) else each for name, each in shares.items()}
    return numbers | {"known": {name: each.known for name, each in shares.items() if isinstance(each, Share)}}


def _share_record(share: Share) -> dict[str, Any]:
    interval = share.interval
    return {"share": share.value, "share_interval": list(interval) if interval else None}


def _comparison_record(comparison: Comparison) -> dict[str, Any]:
    ratio = comparison.to_improvements
    return _shares_record(comparison.shares) | {"odds_ratio_to_improvements": ratio and asdict(ratio)}


def _shares_record(shares: Mapping[Direction, Share]) -> dict[str, Any]:
    return {
        direction: {"count": share.count, "known": share.known, "unknown": share.unknown, **_share_record(share)}
        for direction, share in shares.items()
    }


def _group_record(key: str, number: int, known: int, means: Sequence[float]) -> dict[str, Any]:
    names = ("worst_reward", "median_reward", "best_reward", "initial_reward", "revised_reward", "delta")
    record = {"reward_group": key, "episodes": number, "pct": 100 * number / known}
    return record | {f"mean_{name}": mean for name, mean in zip(names, means, strict=True)}


def _edit_record(revisions: Sequence[Revision]) -> dict[str, Any]:
    known = [each for each in revisions if each.edit is not None]
    record: dict[str, Any] = {
        "iterations": len(known),
        "without_parameters": len(revisions) - len(known),
        "thresholds": revisions[0].limits and asdict(revisions[0].limits),
    }
    for direction in DIRECTIONS:
        members = [each for each in known if each.direction == direction]
        categories = Counter(each.category for each in members if each.category)
        record[direction] = {"count": len(members), "categories": categories, **_edit_sizes(members)}
    return record


def _edit_sizes(members: Sequence[Revision]) -> dict[str, float | None]:
    sizes = [(each.delta, each.edit.count, each.edit.l2) for each in members if each.edit is not None]
    means = [sum(column) / len(sizes) for column in zip(*sizes, strict=True)] or [None] * 3
    return dict(zip(("mean_delta", "mean_edit_distance", "mean_l2_distance"), means, strict=True))
