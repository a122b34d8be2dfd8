"""How many tokens compact prompts take against published ones: ``python -m benchmarks.prompt_tokens``.

Needs the tokenizer o200k_base: ``pip install bpe-openai``. Full runs with the embedded stand-in, which reads published
prompts. At each iteration, the method also writes its compact prompts, from the same history, replies and rollouts, so
that both styles tell the same trials. Prints the tables and writes them to docs/prompt-tokens.md. A candidate has 3
rollouts instead of 20, since the size of prompts does not depend on their number.
"""

from __future__ import annotations

import argparse
import importlib
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from r2po.config import load_config
from r2po.experiment.loop import Experiment
from r2po.experiment.observer import Observer
from r2po.experiment.setting import Setting
from r2po.llm.client import Client, Model
from r2po.llm.providers.embedded import NAME, EmbeddedSearch
from r2po.llm.store import CallStore
from r2po.llm.types import SEARCH, Asker, Question, Received
from r2po.methods import Step
from r2po.prompts import Wording
from r2po.runlog import RunDirectory
from r2po.trial import Candidate, Trial

ROOT = Path(__file__).parents[1]
ROLLOUTS = 3
PAGE = ROOT / "docs" / "prompt-tokens.md"
R2PO = "reflective_prompted_policy_optimization"

Count = Callable[[str], int]
"""Counts the tokens of a text."""


@dataclass(frozen=True)
class Case:
    """An experiment.

    Attributes:
        config: Its config, below ``configs/``.
        most: What compact prompts may take of the published ones' tokens; None if nothing is promised.
        largest: What the largest compact prompt may take; None likewise.
    """

    config: str
    most: float | None = None
    largest: int | None = None

    @property
    def name(self) -> str:
        """Name in tables."""
        return self.config.rpartition("/")[2].replace(R2PO, "r2po")


CASES = (
    Case(f"mountaincarcontinuous/mountaincar_continuous_{R2PO}", 0.55),
    Case(f"swimmer/swimmer_{R2PO}", 0.55, 75_000),
    Case(f"cartpole/cartpole_{R2PO}", 0.6),
    Case(f"maze/maze_{R2PO}"),
    Case("cartpole/cartpole_props", 0.7),
    Case("swimmer/swimmer_props", 0.7),
    Case("maze/maze_props", 0.7),
    Case("frozenlake/frozenlake_propsp"),
    Case("cartpole/cartpole_reptraj"),
    Case("cartpole/cartpole_three_traj"),
    Case("cartpole/cartpole_critic_only"),
)


@dataclass
class Tokens:
    """Tokens of the prompts of a role in both styles.

    Attributes:
        prompts: How many prompts there are.
        published: Tokens of all of them.
        compact: Tokens of all compact ones.
        largest: Tokens of the largest prompt of each style.
        sections: Tokens by style and heading; the text before the first heading is "role".
    """

    prompts: int = 0
    published: int = 0
    compact: int = 0
    largest: tuple[int, int] = (0, 0)
    sections: tuple[Counter[str], Counter[str]] = field(default_factory=lambda: (Counter(), Counter()))

    def add(self, published: str, compact: str, count: Count) -> None:
        """Count a prompt in both styles."""
        sizes = count(published), count(compact)
        self.prompts += 1
        self.published += sizes[0]
        self.compact += sizes[1]
        self.largest = max(self.largest[0], sizes[0]), max(self.largest[1], sizes[1])
        for text, counts in zip((published, compact), self.sections, strict=True):
            counts.update(_by_section(text, count))


def _by_section(prompt: str, count: Count) -> Counter[str]:
    found: Counter[str] = Counter()
    for part in re.split(r"^# ", f"# role\n{prompt}", flags=re.MULTILINE)[1:]:
        name = part.partition("\n")[0].partition(":")[0]
        found[name] += count(part)
    return found


@dataclass
class _Listening:
    """Passes questions on, and keeps them with their replies."""

    asker: Asker
    asked: list[tuple[Question, Received[Any]]] = field(default_factory=list)

    def ask(self, question: Question, read: Callable[[str], Any]) -> Received[Any]:
        received = self.asker.ask(question, read)
        self.asked.append((question, received))
        return received


@dataclass
class _Again:
    """Gives the replies of another style's prompts, in their order, and keeps its own questions."""

    received: list[Received[Any]]
    asked: list[Question] = field(default_factory=list)

    def ask(self, question: Question, _read: Callable[[str], Any]) -> Received[Any]:
        self.asked.append(question)
        return self.received[len(self.asked) - 1]


def measure(case: Case, count: Count, **changes: Any) -> dict[str, Tokens]:
    """Run an experiment and count the tokens of its prompts in both styles, by role."""
    found: dict[str, Tokens] = {}
    for role, published, compact in prompts(case.config, **changes):
        found.setdefault(role, Tokens()).add(published, compact, count)
    return found


def prompts(name: str, **changes: Any) -> list[tuple[str, str, str]]:
    """Run an experiment and return its prompts in their order: the role, and the prompt in each style."""
    config = load_config(ROOT / "configs" / f"{name}.yaml", ["llm_model_name=embedded/search"])
    config = config.model_copy(update={"heldout_episodes": 0, "reevaluation_episodes": 0, **changes})
    found: list[tuple[str, str, str]] = []
    with closing(Setting(config, seed=1)) as setting, tempfile.TemporaryDirectory() as folder:
        method = setting.method

        def in_both_styles(step: Step) -> Candidate:
            listening = _Listening(step.asker)
            step.asker = listening
            accepted = method.iterate(step)
            again = _Again([received for _, received in listening.asked])
            method.iterate(_compact(step, again))
            for (question, _), other in zip(listening.asked, again.asked, strict=True):
                found.append((question.role, question.prompt, other.prompt))
            return accepted

        setting.method = replace(method, iterate=in_both_styles)
        _run(setting, Path(folder))
    return found


def _run(setting: Setting, folder: Path) -> None:
    directory = RunDirectory.create(folder)
    with closing(CallStore(directory.path)) as store:
        model = Model(EmbeddedSearch(), NAME, {})
        client = Client({SEARCH: model}, store, max_attempts=1, max_wait_s=0.0)
        Experiment(setting, directory, client, Observer()).run()


def _compact(step: Step, asker: Asker) -> Step:
    """Return the same iteration with compact prompts; its rollouts are those that were made."""
    return Step(
        replace(step.brief, wording=Wording("compact")),
        [_tried(trial) for trial in step.history],
        step.iteration,
        asker,
        lambda _, number: step.candidates[number].rollouts,
        clip=step.clip,
        seed=step.seed,
        records=step.records,
        config=step.config,
    )


def _tried(trial: Trial) -> Trial:
    return trial if trial.shown == trial.solution else replace(trial, shown=trial.solution)


def report(results: Sequence[tuple[Case, dict[str, Tokens]]]) -> str:
    """Return the page."""
    lines = [
        "# Tokens of compact prompts",
        "",
        "Written by `python -m benchmarks.prompt_tokens` (o200k_base). Full runs with the embedded stand-in; both "
        "styles tell the same",
        "trials and rollouts, 3 per candidate. *largest*: tokens of the largest prompt. *at most*: what is promised.",
        "",
        "| experiment | role | prompts | published | compact | compact / published | at most | largest published | "
        "largest compact |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for case, roles in results:
        lines += [_row(case.name, role, tokens) for role, tokens in roles.items()]
        if len(roles) > 1:
            lines.append(_row(case.name, "all", _total(roles.values()), case.most))
        elif case.most is not None:
            lines[-1] = _row(case.name, *next(iter(roles.items())), case.most)
    lines += ["", *_shortfalls(results), "## By section", "", "Tokens per prompt, on average.", ""]
    lines += ["| experiment | role | section | published | compact |", "|---|---|---|---:|---:|"]
    for case, roles in results:
        if case.most is not None:
            lines += [line for role, tokens in roles.items() for line in _sections(case.name, role, tokens)]
    return "\n".join(lines) + "\n"


def _total(all_tokens: Iterable[Tokens]) -> Tokens:
    total = Tokens()
    for each in all_tokens:
        total.prompts += each.prompts
        total.published += each.published
        total.compact += each.compact
        total.largest = max(total.largest[0], each.largest[0]), max(total.largest[1], each.largest[1])
    return total


def _row(name: str, role: str, tokens: Tokens, most: float | None = None) -> str:
    ratio = tokens.compact / tokens.published
    cells = [name, role, f"{tokens.prompts}", f"{tokens.published:,}", f"{tokens.compact:,}", f"{ratio:.3f}"]
    cells += ["" if most is None else f"{most:g}", *(f"{size:,}" for size in tokens.largest)]
    return f"| {' | '.join(cells)} |"


def _sections(name: str, role: str, tokens: Tokens) -> list[str]:
    published, compact = tokens.sections
    return [
        f"| {name} | {role} | {section} | {published[section] / tokens.prompts:,.0f} | "
        f"{compact[section] / tokens.prompts:,.0f} |"
        for section in {**published, **compact}
    ]


def _shortfalls(results: Sequence[tuple[Case, dict[str, Tokens]]]) -> list[str]:
    """Say what was promised and is not kept."""
    lines = []
    for case, roles in results:
        total = _total(roles.values())
        ratio = total.compact / total.published
        if case.most is not None and ratio > case.most:
            lines.append(f"Missed: {case.name} takes {ratio:.3f}, more than {case.most:g}.")
        if case.largest is not None and total.largest[1] > case.largest:
            lines.append(
                f"Missed: {case.name} has a prompt of {total.largest[1]:,} tokens, more than {case.largest:,}."
            )
    return [*lines, ""] if lines else []


def counter() -> Count:
    """Return what counts tokens of o200k_base."""
    try:
        bpe_openai = importlib.import_module("bpe_openai")
    except ImportError:
        sys.exit("error: this benchmark needs a tokenizer: pip install bpe-openai")
    encoding = bpe_openai.get_encoding("o200k_base")
    return lambda text: len(encoding.encode_ordinary(text))


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.prompt_tokens", description=__doc__)
    parser.add_argument(
        "--only", metavar="TEXT", default="", help="only experiments whose name has this text; writes nothing"
    )
    parser.add_argument("--iterations", type=int, metavar="N", help="fewer iterations; writes nothing")
    parser.add_argument("--rollouts", type=int, metavar="K", default=ROLLOUTS, help="per candidate (3)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="where to write the page, whatever it covers")
    options = parser.parse_args()
    changes = {} if options.iterations is None else {"num_iterations": options.iterations}
    count = counter()
    results = []
    for case in CASES:
        if options.only in case.name:
            results.append((case, measure(case, count, num_evaluation_episodes=options.rollouts, **changes)))
            print(_row(case.name, "all", _total(results[-1][1].values()), case.most), file=sys.stderr, flush=True)
    text = report(results)
    print(text)
    whole = None if changes or options.only else PAGE
    if page := options.output or whole:
        page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
