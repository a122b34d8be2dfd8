"""The loop: warm-up, iterations, held-out re-evaluation; stop and resume. One for all methods."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, cast

import numpy as np

from r2po.experiment.observer import Observer
from r2po.experiment.result import sum_up
from r2po.experiment.setting import Setting
from r2po.llm.client import Client
from r2po.llm.store import CallStore
from r2po.methods import Step
from r2po.rollout import Rollout
from r2po.rounding import exceeds
from r2po.runlog import RunDirectory
from r2po.runlog.intact import check_warmup_of
from r2po.runlog.jsonl import Appender, DamagedLog
from r2po.runlog.records import CandidateRecord, IterationRecord, Result, WarmupRecord
from r2po.runlog.trajectories import PARTS, TRAJECTORIES, Arrays, has_room, read_trajectory, write_trajectories
from r2po.seeding import derive_seed
from r2po.trial import Candidate, Trial


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
    warmup_sum: str = ""
    kept: dict[int, str] = field(default_factory=dict)
    """Checksums of the trajectories, by iteration."""

    def run(self) -> Result:
        """Run to the end and return the content of ``result.json``."""
        config = self.setting.config
        assert config.num_iterations is not None
        with closing(Appender(self.directory.iterations)) as log:  # first: it notices what others append from now on
            recorded = self.directory.read_iterations()
            check_replies(recorded, self.client.store)
            self.observer.started(self.setting, self.directory, self.client, recorded)
            self.warm_up()
            check_warmup_of(self.directory, recorded)
            for record in recorded:
                self.remember(record)
            for iteration in range(len(recorded) + 1, config.num_iterations + 1):
                record = self.iterate(iteration)
                log.append(record)
                self.remember(record)
                self.observer.iterated(record)
        result = self.conclude()
        self.directory.write_result(result)
        return result

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
        started, rollout_s = time.monotonic(), self.setting.engine.seconds
        step = Step(
            brief=self.setting.brief,
            history=self.history,
            iteration=iteration,
            asker=self.client,
            roll_out=lambda solution, number: self.setting.evaluate(solution, self.setting.seeds(iteration, number)),
            clip=self.setting.clips_solutions,
            seed=self.setting.seed,
            on_candidate=self.observer.evaluated,
            max_concurrent_calls=self.setting.config.max_concurrent_calls,
            config=dict(self.setting.config),
        )
        accepted = self.setting.method.iterate(step)
        needed = self._keep_for_history(accepted)
        kept = write_trajectories(self.directory.path, iteration, self._kept(iteration, step.candidates), sync=needed)
        lengths = [candidate.rollouts.lengths for candidate in step.candidates]
        best_before = self.best["reward"] if self.best else -np.inf
        record: IterationRecord = {
            "iteration": iteration,
            "reward": accepted.reward,
            "best_reward": max(accepted.reward, best_before),
            "accepted": step.candidates.index(accepted),
            "candidates": [self._candidate_record(candidate) for candidate in step.candidates],
            "episodes": self.episodes + sum(map(len, lengths)),
            "steps": self.steps + int(sum(map(np.sum, lengths))),
            "llm_calls": self.llm_calls + step.calls,
            "times": {
                "ended": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
                "elapsed_s": round(time.monotonic() - started, 6),
                "llm_s": round(step.llm_s, 6),
                "rollout_s": round(self.setting.engine.seconds - rollout_s, 6),
            },
            "sums": self._sums(kept),
        }
        if self.prompts_changed and self.setting.prompts is not None:
            record["prompts"] = self.setting.prompts
        return record

    def _sums(self, kept: str | None) -> dict[str, str]:
        """Return the checksums of the other files as they are now."""
        logs = {self.directory.warmup.name: self.warmup_sum, self.directory.calls.name: self.client.store.sum}
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

    def conclude(self) -> Result:
        """Re-evaluate the best policy on fresh episodes, outside the budget, and sum the run up."""
        assert self.best is not None
        seeds, policy = self.setting.heldout_seeds, self.setting.policy
        heldout = self.setting.evaluate(policy.load(self.best["solution"]), seeds).returns if seeds else np.array([])
        return sum_up(self.setting, self.client, self.directory.read_iterations(), self.best, heldout)

    def _warmup_trial(self, trial: int, seed: int) -> WarmupRecord:
        rng = np.random.default_rng(derive_seed(self.setting.seed, "warmup", trial, "policy"))
        solution = self.setting.policy.sample(rng)
        rollout = self.setting.roll_out(solution, seed, warmup=True)
        record = {
            "trial": trial + 1,
            **self.setting.policy.record(solution),
            "reward": rollout.total,
            "length": rollout.length,
            "end": rollout.end,
        }
        return cast("WarmupRecord", record)

    def _candidate_record(self, candidate: Candidate) -> CandidateRecord:
        policy, rollouts = self.setting.policy, candidate.rollouts
        raw = policy.record(candidate.raw) if candidate.raw != candidate.solution else {}
        record = {
            "stage": candidate.stage,
            "call": candidate.call,
            **policy.record(candidate.solution),
            **{f"raw_{key}": value for key, value in raw.items()},
            "reward": candidate.reward,
            "returns": rollouts.returns.tolist(),
            "lengths": rollouts.lengths.tolist(),
            "ends": list(rollouts.ends),
            "shown": sorted(candidate.shown),
        }
        return cast("CandidateRecord", record)

    def remember(self, record: IterationRecord) -> None:
        """Add the accepted candidate of an iteration to the history, whether it was just made or read from the log."""
        accepted = record["candidates"][record["accepted"]]
        for candidate in record["candidates"]:
            self._count(candidate["lengths"])
        self.llm_calls = record["llm_calls"]
        if TRAJECTORIES in record.get("sums", {}):
            self.kept[record["iteration"]] = record["sums"][TRAJECTORIES]
        if self.best is None or exceeds(record["reward"], self.best["reward"]):
            policy = self.setting.policy
            self.best = {key: record[key] for key in ("reward", "iteration")}
            self.best["solution"] = policy.record(policy.load(accepted))
        else:
            self.best["reward"] = max(self.best["reward"], record["reward"])
        seeds = self.setting.seeds(record["iteration"], record["accepted"])
        self._enter_history({**accepted, "reward": record["reward"]}, accepted["returns"], seeds, record["iteration"])

    def _enter_history(
        self, record: Mapping[str, Any], returns: Sequence[float], seeds: Sequence[int], iteration: int = 0
    ) -> None:
        """Append the trial of a logged candidate, or of a warm-up trial, whose iteration is 0."""
        policy = self.setting.policy
        solution = policy.load(record)
        shown = policy.load(_as_proposed(record)) if self.setting.brief.shows_replies else solution
        index = self._history_rollout(returns)
        rollout = None if index is None else self._rollout_again(record, index, seeds[index], iteration)
        self.history.append(Trial(solution, shown, record["reward"], iteration == 0, rollout))

    def _history_rollout(self, returns: Sequence[float]) -> int | None:
        """Return the index of the rollout that the method's history shows of a trial, if any."""
        show = self.setting.method.history_rollout
        return show(np.array(returns), self.setting.brief) if show else None

    def _rollout_again(self, record: Mapping[str, Any], index: int, seed: int, iteration: int) -> Rollout | None:
        """Roll out again from the seed; if the policy does not allow that, read the rollout from the log."""
        policy = self.setting.bind(self.setting.policy.load(record), warmup=iteration == 0)
        if policy.replayable:
            return self.setting.engine.roll_out(policy, seed)
        if iteration == 0:
            return None
        expected = self.kept.get(iteration)
        arrays = read_trajectory(self.directory.path, iteration, record["stage"], index, expected)
        return None if arrays is None else Rollout(seed=seed, end=record["ends"][index], **arrays)

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


def check_replies(recorded: Sequence[IterationRecord], store: CallStore) -> None:
    """Refuse a log of calls that lacks a reply from which logged parameters come."""
    for record in recorded:
        for candidate in record["candidates"]:
            key = candidate.get("call")
            if key and store.find(str(key), record["iteration"]) is None:
                raise DamagedLog(
                    f"damaged log: {store.path}: the reply that the {candidate['stage']} of iteration "
                    f"{record['iteration']} comes from is lost"
                )


def _as_proposed(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a candidate's record with the solution that was proposed in place of the one that was rolled out."""
    raw = {key.removeprefix("raw_"): value for key, value in record.items() if key.startswith("raw_")}
    return {**record, **raw}
