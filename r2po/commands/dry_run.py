"""What a run would do: its config, the first prompt of each role, and what to expect. No model is asked."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby
from pathlib import Path

import numpy as np
import yaml

from r2po.commands.prompt_sizes import Sizes, sizes_of
from r2po.config import Config
from r2po.errors import InputError
from r2po.experiment.loop import Experiment
from r2po.experiment.observer import Observer
from r2po.experiment.pricing import priced
from r2po.experiment.resolve import providers_of
from r2po.experiment.setting import Setting
from r2po.experiment.standing_in import stand_in
from r2po.llm.client import Client, Model
from r2po.llm.providers.context import LESS_IN_PROMPTS
from r2po.llm.providers.ollama import Ollama
from r2po.llm.store import CallStore
from r2po.llm.types import CRITIC, SEARCH, Provider, Question, Received, T
from r2po.methods import Step
from r2po.policies import Solution
from r2po.rollout import Rollouts
from r2po.runlog import RunDirectory
from r2po.runlog.records import IterationRecord
from r2po.trial import Trial

_FURTHER = 10
_WHICH_TOKENIZER = (
    "tokens: the smaller figures are for tokenizers that join up to three digits, the larger ones for those that give "
    "each digit a token; which one the model has, and how much room its server leaves to a prompt, is not asked here"
)


def preview(config: Config, environ: Mapping[str, str]) -> str:
    """Return the text of ``--dry-run``; ``environ`` has keys and base URLs, which say which server would be asked.

    The warm-up and the first iteration really run, with the stand-in in the model's place, in a temporary folder.
    """
    seed = 1 if config.seed is None else config.seed
    with closing(Setting(config, seed)) as setting, tempfile.TemporaryDirectory(prefix="r2po-dry-run-") as folder:
        setting.check_prompts()
        asked, sizes = _first_iteration(setting, Path(folder))
    resolved = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    parts = [_headline("resolved config"), resolved]
    if not setting.method.asks_model:
        parts += [_headline("what to expect"), "calls: none, the method asks no model", _episodes(setting)]
        return "\n".join(parts) + "\n"
    for first, last, question in _distinct(asked):
        which = f"prompt {first}" if first == last else f"prompts {first} to {last}, the same,"
        parts += [_headline(f"{which} of iteration 1: {question.role}"), question.prompt]
    parts += [
        _headline("what to expect"),
        *_expectations(setting, sizes),
        *_servers(setting, environ, sizes),
        "",
        f"The first prompt is exactly what the model would get with seed {seed}; later ones depend on its replies, "
        f"which {stand_in(setting)[0]} gave here in its place.",
    ]
    return "\n".join(parts) + "\n"


def _distinct(asked: Sequence[Question]) -> Iterator[tuple[int, int, Question]]:
    """Yield the prompts in order, equal ones once: the numbers of the first and the last of them, and the question."""
    last = 0
    for _, alike in groupby(asked, key=lambda question: question.prompt):
        group = list(alike)
        first, last = last + 1, last + len(group)
        yield first, last, group[0]


def _first_iteration(setting: Setting, folder: Path) -> tuple[list[Question], dict[str, Sizes]]:
    """Return the questions of the first iteration, and for each role how long prompts are and can be."""
    directory = RunDirectory.create(folder)
    with closing(CallStore(directory.path)) as store:
        name, provider = stand_in(setting)
        client = _Client({SEARCH: Model(provider, name, {})}, store, max_attempts=1, max_wait_s=0.0)
        experiment = Experiment(setting, directory, client, Observer())
        experiment.warm_up()
        history = list(experiment.history)
        with closing(experiment.evaluations):
            experiment.remember(experiment.iterate(1))
        asked = client.asked
        if not asked:
            return [], {}
        # Rollouts of two iterations are never written equally long. Over several trials, that weighs less.
        shown, further = 0, 1 if setting.policy.kind == "program" else _FURTHER
        longest = before = later = _with_long_rollouts(setting, client, history, [])
        if setting.expected_iterations > 1:
            # Behind so many trials, what prompts show of the latest ones no longer grows.
            trials = experiment.history[-1:] * (shown := _latest_shown(setting))
            before = _with_long_rollouts(setting, client, [*history, *trials], [])
            trials += experiment.history[-1:] * (further - 1)
            later = _with_long_rollouts(setting, client, [*experiment.history, *trials], experiment.records)
    return asked, sizes_of(asked, longest, before, later, shown, further)


def _latest_shown(setting: Setting) -> int:
    """Return of how many of the latest trials prompts show more than a line, or which they show at all."""
    window, excerpts = setting.config.history_window, setting.config.traj_history_last_n
    return max(excerpts if setting.method.shows_excerpts else 0, window.best + window.last if window else 0)


def _with_long_rollouts(
    setting: Setting, client: _Client, history: Sequence[Trial], records: Sequence[IterationRecord]
) -> list[Question]:
    """Return the questions of the iteration after some others, whose rollouts are as long as can be."""
    client.asked = []
    setting.method.iterate(
        Step(
            setting.brief,
            history,
            len(records) + 1,
            client,
            partial(_long_rollouts, setting),
            clip=False,
            seed=setting.seed,
            records=records,
            config={**dict(setting.config), "tune_evaluations": 0},  # tuning takes time, and asks nothing
        )
    )
    return client.asked


@dataclass
class _Client(Client):
    """Remembers what it was asked."""

    asked: list[Question] = field(default_factory=list)

    def ask(self, question: Question, read: Callable[[str], T]) -> Received[T]:
        self.asked.append(question)
        return super().ask(question, read)


def _long_rollouts(setting: Setting, solution: Solution, candidate: int) -> Rollouts:
    """Roll out a policy and stretch the rollouts to the most steps they can have, for the size of prompts."""
    length = setting.brief.longest_rollout
    return Rollouts.of(
        [
            replace(
                rollout,
                observations=np.resize(rollout.observations, (length + 1, *rollout.observations.shape[1:])),
                actions=np.resize(rollout.actions, (length, *rollout.actions.shape[1:])),
                rewards=np.resize(rollout.rewards, length),
            )
            for rollout in setting.evaluate(solution, setting.seeds(1, candidate))
        ]
    )


def _expectations(setting: Setting, sizes: Mapping[str, Sizes]) -> list[str]:
    config, iterations = setting.config, setting.expected_iterations
    each = setting.method.calls_per_iteration(dict(config))
    lines = [
        f"calls: {each * iterations} ({each} in each of {iterations} iterations), more if replies are unusable",
        _episodes(setting),
        f"rollout engine here: {setting.engine.name}",
    ]
    if config.critic_llm_model_name is not None:
        lines.append(f"models: {SEARCH} {config.llm_model_name}, {CRITIC} {config.critic_llm_model_name}")
    lines += [_lengths(role, each, iterations) for role, each in sizes.items()]
    usual, most = (
        _tokens(*map(sum, zip(*(_in_total(size, iterations, longest=longest) for size in sizes.values()), strict=True)))
        for longest in (False, True)
    )
    stretched = f", and {most} if all rollouts are as long as can be" if most != usual else ""
    lines.append(f"prompt tokens in total: about {usual} with rollouts as in the first iteration{stretched}")
    return [*lines, _WHICH_TOKENIZER]


def _in_total(size: Sizes, iterations: int, *, longest: bool) -> tuple[float, float]:
    """Return the fewest and the most tokens of all prompts of a role, which grow evenly from the first to the last."""
    first = max(size.first, size.longest) if longest else size.first
    fewest, most = size.tokens.of_length((first + size.last(iterations, longest=longest)) // 2)
    return size.prompts(iterations) * fewest, size.prompts(iterations) * most


def _servers(setting: Setting, environ: Mapping[str, str], sizes: Mapping[str, Sizes]) -> list[str]:
    """Say which servers a run would ask, or why it would not begin or not come to its end; none is contacted."""
    prices: list[str] = []
    try:
        priced(setting.config, None, prices.append)
        providers = providers_of(setting.config, environ)
    except InputError as error:
        return [f"a run would end at once: {error}"]
    servers = [f"server of {role}: {provider.address}" for role, provider in providers.items() if provider.address]
    return [*prices, *servers, *_outgrown(setting.config, providers, sizes, setting.expected_iterations)]


def _outgrown(config: Config, providers: Mapping[str, Provider], sizes: Mapping[str, Sizes], last: int) -> list[str]:
    """Say which prompts outgrow the context that the config asks for; what servers can hold is not known here."""
    lines = []
    for role, size in sizes.items():
        num_ctx = config.for_role(role).num_ctx
        if num_ctx is None or not isinstance(providers.get(role, providers[SEARCH]), Ollama):
            continue
        fewest, most = size.tokens.of_length(size.last(last, longest=True))
        if most > num_ctx:
            will = "will" if size.tokens.of_length(size.last(last, longest=False))[0] > num_ctx else "may"
            lines.append(
                f"{role} prompts {will} outgrow num_ctx, {num_ctx:,}, and the run would stop there: the longest may "
                f"have {_tokens(fewest, most)} tokens; raise num_ctx, or {LESS_IN_PROMPTS}"
            )
    return lines


def _lengths(role: str, size: Sizes, iterations: int) -> str:
    """Say how long the prompts of a role are, in its first iteration and in the last."""
    which = "first" if size.at_first else "second"
    first = _tokens(*size.tokens.of_length(size.first))
    said = f"{role} prompts: {size.first:,} characters in the {which} iteration ({first} tokens)"
    if not size.later:
        return f"{said}, none later"
    last, longest = (size.last(iterations, longest=longest) for longest in (False, True))
    usual, most = (_tokens(*size.tokens.of_length(length)) for length in (last, longest))
    stretched = f", {longest:,} with the longest rollouts ({most} tokens)" if longest > last else ""
    return f"{said}, about {last:,} in the last ({usual} tokens){stretched}"


def _episodes(setting: Setting) -> str:
    config = setting.config
    expected = setting.expected_iterations
    evaluations = setting.method.evaluations_per_iteration(dict(config)) * expected
    chooses = setting.method.needs_reevaluation(dict(config))
    again = config.reevaluation_episodes * expected if chooses else 0
    fresh = f", {again} of accepted candidates again" if again else ""
    return (
        f"episodes: {evaluations * config.num_evaluation_episodes} in evaluations, {config.warmup_episodes} in the "
        f"warm-up, {config.heldout_episodes} held-out{fresh}; at most {setting.brief.longest_rollout} steps each"
    )


def _tokens(fewest: float, most: float) -> str:
    """Write a range of tokens with two digits: no more are known."""
    return f"{float(f'{fewest:.2g}'):,.0f} to {float(f'{most:.2g}'):,.0f}"


def _headline(text: str) -> str:
    return f"===== {text} ====="
