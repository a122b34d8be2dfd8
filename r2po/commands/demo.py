"""The demo: a few iterations of R2PO and ProPS+ on CartPole, with their prompts and replies and a learning curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from r2po.config import Config
from r2po.config.load import resolve
from r2po.experiment.launch import launch
from r2po.experiment.screen import Lines
from r2po.llm.providers.embedded import NAME as STAND_IN
from r2po.runlog import RunDirectory
from r2po.runlog.events import Call, read_calls
from r2po.runlog.records import IterationRecord, Result
from r2po.serving import SMOLLM2, ServerSettings, find_model, serve
from r2po.trial import Candidate

CONTEXT = 8192
"""What SmolLM2 was made for."""
METHODS = ("r2po", "propsp")
ITERATIONS = 5
COMMON: Mapping[str, Any] = {"gym_env_name": "CartPole-v1", "num_evaluation_episodes": 20, "heldout_episodes": 100}
SMALL_MODEL: Mapping[str, Any] = {
    "structured_output": True,
    "temperature": 0.7,
    "max_output_tokens": 120,
    "rollout_window": {"first": 8, "last": 8},
    "history_window": {"best": 5, "last": 5},
}
"""Settings under which every prompt fits into the context, with room for the reply, and replies come soon."""

ABOUT = """\
SmolLM2-135M-Instruct runs on this machine's processor. It has 135 million parameters, about a hundredth of what a small
model for such tasks has, and understands little of its prompts: the server holds it to the legal values, and luck
decides much of what it reaches. So this shows that everything works with a real language model, and how; what it
reaches says nothing about the methods. The model takes 8,192 tokens, so prompts show only parts of rollouts and of the
history (rollout_window, history_window).
"""
_SHOWN_LINES = 12
_WIDTH = 40
_LONGEST_LINE = 160


def config_of(method: str, model: str, logdir: Path, iterations: int) -> Config:
    """Return the config of a run of the demo."""
    small = {} if model == STAND_IN else SMALL_MODEL
    values = {**COMMON, **small, "method": method, "llm_model_name": model, "logdir": str(logdir / method)}
    return resolve({**values, "num_iterations": iterations}, "the demo")


def run_with_stand_in(logdir: Path, iterations: int) -> list[Path]:
    """Run R2PO without a language model; returns the log directories."""
    launch(config_of("r2po", STAND_IN, logdir, iterations), None, {}, Shown())
    return [logdir / "r2po"]


def run_with_model(logdir: Path, iterations: int) -> list[Path]:
    """Serve SmolLM2 for as long as R2PO and ProPS+ take; returns the log directories."""
    # Search and critic each keep a slot, and with it what their prompts have in common.
    with serve(ServerSettings(find_model(SMOLLM2), context=CONTEXT, slots=2)) as served:
        for method in METHODS:
            launch(config_of(method, served.name, logdir, iterations), None, served.environ, Shown())
    return [logdir / method for method in METHODS]


class Shown(Lines):
    """Shows the prompts of the first iteration in part, all replies, and the learning curve."""

    def opened(self, directory: RunDirectory) -> None:
        """Remember where the calls are."""
        super().opened(directory)
        self._directory = directory
        self._rewards: list[float] = []
        self._calls_shown = 0

    def evaluated(self, candidate: Candidate) -> None:
        """Show the calls that led to it."""
        super().evaluated(candidate)
        calls = read_calls(self._directory.path)
        for call in calls[self._calls_shown :]:
            self._show(call)
        self._calls_shown = len(calls)

    def iterated(self, record: IterationRecord) -> None:
        """Remember what the iteration kept."""
        super().iterated(record)
        assert record["reward"] is not None  # only programs can fail
        self._rewards.append(record["reward"])

    def finished(self, directory: RunDirectory, result: Result) -> None:
        """Draw the learning curve."""
        super().finished(directory, result)
        for line in curve(self._rewards):
            self.say(line)

    def _show(self, call: Call) -> None:
        if call.iteration == 1:
            lines = call.prompt.splitlines()
            self.say(f"\n----- prompt of the {call.role}, {len(lines)} lines, of which the first and the last:")
            for line in excerpt(lines):
                self.say(line)
        outcome = f"refused: {call.refusal}" if call.refusal else "used"
        self.say(f"----- reply to the {call.role}, {outcome}:")
        self.say(_short(" ".join((call.reply or "").split())))


def excerpt(lines: Sequence[str]) -> list[str]:
    """Return the first and the last lines of a prompt, no line longer than a screen is wide."""
    half = _SHOWN_LINES // 2
    if len(lines) <= _SHOWN_LINES:
        return [_short(line) for line in lines]
    left_out = f"      ... {len(lines) - 2 * half} lines ..."
    return [*map(_short, lines[:half]), left_out, *map(_short, lines[-half:])]


def curve(rewards: Sequence[float]) -> list[str]:
    """Return a bar for the mean return of each iteration's policy: CartPole's are from 0 to 500."""
    bars = [
        f"  iteration {number:>3}  {'#' * round(_WIDTH * reward / 500):<{_WIDTH}}  {reward:.1f}"
        for number, reward in enumerate(rewards, 1)
    ]
    return ["", "mean return of the policy that each iteration kept, of at most 500:", *bars]


def _short(line: str) -> str:
    return line if len(line) <= _LONGEST_LINE else f"{line[: _LONGEST_LINE - 4]} ..."
