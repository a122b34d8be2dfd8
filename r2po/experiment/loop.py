"""The loop: warm-up, iterations, fresh episodes at the end; stop and resume. One for all methods."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import partial
from typing import Any, cast

import numpy as np

from r2po.errors import RunStopped
from r2po.experiment.best import better
from r2po.experiment.ending import conclude
from r2po.experiment.evaluations import Evaluations
from r2po.experiment.observer import Observer
from r2po.experiment.recorded import as_proposed, candidate_record, check_replies, failure_line, kept_candidate
from r2po.experiment.setting import Setting
from r2po.experiment.tuning import Tuning, tuning_facts
from r2po.llm.client import Client
from r2po.methods import Step
from r2po.policies import Solution
from r2po.rollout import EvaluationFailed, Rollout, Rollouts
from r2po.runlog import RunDirectory
from r2po.runlog.intact import check_warmup_of
from r2po.runlog.jsonl import Appender, dump
from r2po.runlog.records import IterationRecord, Result, WarmupRecord
from r2po.runlog.trajectories import PARTS, TRAJECTORIES, Arrays, has_room, read_trajectory, write_trajectories
from r2po.seeding import derive_seed
from r2po.trial import Candidate, Trial, moved


@dataclass
class Experiment:
    """One run of one experiment, from wherever its run directory stands to its end."""

    setting: Setting
    directory: RunDirectory
    client: Client
    observer: Observer
    prompts_changed: bool = False
    history: list[Trial] = field(default_factory=list)
    episodes: int = 0
    steps: int = 0
    llm_calls: int = 0
    best: dict[str, Any] | None = None
    """Reward, success, iteration and record of the best policy; None as long as none worked."""
    records: list[IterationRecord] = field(default_factory=list)
    evaluations: Evaluations = field(init=False)
    warmup_sum: str = ""
    kept: dict[int, str] = field(default_factory=dict)
    """Checksums of the trajectories, by iteration."""

    def __post_init__(self) -> None:
        """Prepare the evaluations; their log is opened when a program is first rolled out."""
        self.evaluations = Evaluations(self.setting, self.directory, self.observer.note)

    def run(self) -> Result:
        """Run to the end and return the content of ``result.json``."""
        config = self.setting.config
        assert config.num_iterations is not None
        with (
            closing(self.evaluations),
            closing(Appender(self.directory.iterations)) as log,
        ):  # first: it notices what others append from now on
            recorded = self.directory.read_iterations()
            check_replies(recorded, self.client.store)
            self.observer.started(self.setting, self.directory, self.client, recorded)
            self.warm_up()
            check_warmup_of(self.directory, recorded)
            for record in recorded:
                self.remember(record)
            for iteration in range(len(recorded) + 1, config.num_iterations + 1):
                if self._is_spent():
                    break
                record = self.iterate(iteration)
                log.append(record)
                self.remember(record)
                self.observer.iterated(record)
            return conclude(self.setting, self.directory, self.client, self.observer, self.evaluations, self.best)

    def _is_spent(self) -> bool:
        """Whether the method has used up what it may spend, before the last iteration."""
        is_spent = self.setting.method.is_spent
        return is_spent is not None and is_spent(dict(self.setting.config), self.records)

    def warm_up(self) -> None:
        """Try random policies, one rollout each; those on record are not tried again."""
        with closing(Appender(self.directory.warmup)) as log:
            recorded = self.directory.read_warmup()
            for trial in range(self.setting.config.warmup_episodes or 0):
                seed = derive_seed(self.setting.seed, "warmup", trial, "rollout", 0)
                if trial < len(recorded):
                    record = recorded[trial]
                else:
                    record = self._warmup_trial(trial, seed)
                    log.append(record)
                self._count([record["length"]])
                self._enter_history(record, [record["reward"]], [seed])
            self.warmup_sum = log.sum

    def iterate(self, iteration: int) -> IterationRecord:
        """Run one iteration of the method and return its line for the log."""
        started, rollout_s = time.monotonic(), self.setting.rollout_s
        step = Step(
            brief=self.setting.brief,
            history=self.history,
            iteration=iteration,
            asker=self.client,
            roll_out=partial(self._evaluate, iteration),
            clip=self.setting.clips_solutions,
            seed=self.setting.seed,
            on_candidate=self.observer.evaluated,
            evaluation_workers=self.setting.evaluation_workers,
            records=tuple(self.records),
            max_concurrent_calls=self.setting.config.max_concurrent_calls,
            config=dict(self.setting.config),
            open_tuning=partial(Tuning, self.setting, self.evaluations, iteration),
        )
        accepted = self.setting.method.iterate(step)
        needed = self._keep_for_history(accepted)
        kept = write_trajectories(self.directory.path, iteration, self._kept(iteration, step.candidates), sync=needed)
        lengths = [candidate.rollouts.lengths for candidate in step.candidates] + step.tuned
        record: IterationRecord = {
            "iteration": iteration,
            "reward": None if accepted.failure else accepted.reward,
            "best_reward": None,
            "accepted": None if accepted.failure else step.candidates.index(accepted),
            "candidates": [candidate_record(self.setting.policy, candidate) for candidate in step.candidates],
            "episodes": self.episodes + sum(map(len, lengths)),
            "steps": self.steps + int(sum(map(np.sum, lengths))),
            "llm_calls": self.llm_calls + step.calls,
            "times": {
                "ended": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
                "elapsed_s": round(time.monotonic() - started, 6),
                "llm_s": round(step.llm_s, 6),
                "rollout_s": round(self.setting.rollout_s - rollout_s, 6),
            },
            "sums": self._sums(kept),
        }
        if accepted.success is not None:
            record["success"] = accepted.success
        best = better(self.setting, self.best, record)
        record["best_reward"] = best["reward"] if best else None
        if step.notes:
            record["notes"] = step.notes
        if step.tuned:
            record["tuning"] = tuning_facts(step.tuned)
        if self.prompts_changed and self.setting.prompts is not None:
            record["prompts"] = self.setting.prompts
        self.evaluations.forget()
        return record

    def _evaluate(self, iteration: int, solution: Solution, number: int) -> Rollouts:
        name = f"iteration {iteration}, candidate {number}"
        return self.evaluations.evaluate(name, solution, self.setting.seeds(iteration, number))

    def _sums(self, kept: str | None) -> dict[str, str]:
        """Return the checksums of the other files as they are now."""
        logs = {self.directory.warmup.name: self.warmup_sum, self.directory.calls.name: self.client.store.sum}
        logs |= self.evaluations.sums
        return logs if kept is None else {**logs, TRAJECTORIES: kept}

    def _kept(self, iteration: int, candidates: Sequence[Candidate]) -> Iterator[tuple[str, int, Arrays]]:
        """Yield the rollouts to keep as trajectories: all, those that prompts show, or none."""
        keep = self.setting.config.keep_trajectories
        if keep == "none" or (keep == "auto" and not has_room(self.directory.path, iteration)):
            return
        for candidate in candidates:
            for index in range(len(candidate.rollouts)) if keep == "all" else sorted(candidate.shown):
                rollout = candidate.rollouts[index]
                yield candidate.stage, index, {part: getattr(rollout, part) for part in PARTS}

    def _warmup_trial(self, trial: int, seed: int) -> WarmupRecord:
        rng = np.random.default_rng(derive_seed(self.setting.seed, "warmup", trial, "policy"))
        solution = self.setting.policy.sample(rng)
        try:
            rollout = self.setting.roll_out(solution, seed, warmup=True)
        except EvaluationFailed as failed:  # it is ours, so this machine is to blame
            raise RunStopped(f"warm-up trial {trial + 1} failed: {failed.failure.line}") from None
        record = {
            "trial": trial + 1,
            **self.setting.policy.record(solution),
            "reward": rollout.total,
            "length": rollout.length,
            "end": rollout.end,
        }
        return cast("WarmupRecord", record)

    def remember(self, record: IterationRecord) -> None:
        """Add the accepted candidate of an iteration to the history, whether it was just made or read from the log."""
        kept = kept_candidate(record)
        candidate_kept = record["candidates"][kept]
        for candidate in record["candidates"]:
            self._count(candidate["lengths"])
        if "tuning" in record:
            self.episodes += record["tuning"]["episodes"]
            self.steps += record["tuning"]["steps"]
        self.llm_calls = record["llm_calls"]
        if TRAJECTORIES in record.get("sums", {}):
            self.kept[record["iteration"]] = record["sums"][TRAJECTORIES]
        self.best = better(self.setting, self.best, record)
        self.records.append(json.loads(dump(record)))  # as it will be read if the run is resumed
        seeds = self.setting.seeds(record["iteration"], kept)
        reward = -math.inf if record["reward"] is None else record["reward"]
        tried = {**candidate_kept, "reward": reward}
        self._enter_history(tried, candidate_kept.get("returns", []), seeds, record["iteration"])

    def _enter_history(
        self, record: Mapping[str, Any], returns: Sequence[float], seeds: Sequence[int], iteration: int = 0
    ) -> None:
        """Append the trial of a logged candidate, or of a warm-up trial, whose iteration is 0."""
        policy = self.setting.policy
        solution = policy.load(record)
        proposed = policy.load(as_proposed(record))
        shown = proposed if self.setting.brief.shows_proposals else solution
        index = self._history_rollout(returns)
        failure = failure_line(record)
        rollout = None if index is None else self._rollout_again(record, index, seeds[index], iteration)
        trial = Trial(solution, shown, record["reward"], iteration == 0, rollout, failure, moved(proposed, solution))
        self.history.append(trial)

    def _history_rollout(self, returns: Sequence[float]) -> int | None:
        """Return the index of the rollout that the method's history shows of a trial, if any; none if it failed."""
        show = self.setting.method.history_rollout
        return show(np.array(returns), self.setting.brief) if show and len(returns) else None

    def _rollout_again(self, record: Mapping[str, Any], index: int, seed: int, iteration: int) -> Rollout | None:
        """Roll out again from the seed; if the policy does not allow that, read the rollout from the log."""
        policy = self.setting.bind(self.setting.policy.load(record), warmup=iteration == 0)
        if policy.replayable:
            return self.setting.engine.roll_out(policy, seed)
        if iteration == 0:
            return None
        expected = self.kept.get(iteration)
        arrays = read_trajectory(self.directory.path, iteration, record["stage"], index, expected)
        if arrays is None:
            return None
        states, actions, rewards = (arrays[part] for part in PARTS)
        return Rollout(seed, states, actions, rewards, record["ends"][index])

    def _keep_for_history(self, accepted: Candidate) -> bool:
        """Mark the rollout that the history will show to be kept in the log, if it cannot be rolled out again."""
        index = self._history_rollout(accepted.rollouts.returns.tolist())
        if index is None or self.setting.bind(accepted.solution).replayable:
            return False
        accepted.show(index)
        return True

    def _count(self, lengths: Sequence[int]) -> None:
        self.episodes += len(lengths)
        self.steps += sum(lengths)
