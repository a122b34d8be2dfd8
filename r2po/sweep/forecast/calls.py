"""What the calls of runs to come take, from the pilot of their experiment and from what is on record."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate

from r2po.config import Config
from r2po.errors import InputError
from r2po.experiment.resolve import provider_of
from r2po.llm.budget import FIRST_COMPLETION_TOKENS
from r2po.llm.prices import BATCH, Prices
from r2po.llm.registry import kind_of
from r2po.llm.usage import Usage
from r2po.methods import METHODS
from r2po.sweep.forecast.amounts import (
    ASSUMED,
    BATCHED,
    GIVEN,
    LIMITED,
    OF_MODEL,
    RECORD,
    STAND_IN,
    UNKNOWN,
    Amounts,
    Basis,
)
from r2po.sweep.forecast.on_record import OnRecord, RoleRecord
from r2po.sweep.forecast.pilot import Pilot, RolePilot, is_stand_in

ModelRecord = RoleRecord
"""What the replies of a model took, whoever asked."""
FREE = Prices(input=0.0, output=0.0)
ENOUGH = 20
"""So many replies of an experiment tell how long its others are, where money depends on it."""
_FREE_KINDS = ("embedded", "replay")
"""Kinds of models that cost nothing."""


def models_of(config: Config, roles: Iterable[str]) -> dict[str, str]:
    """Return the name of the model that each role asks."""
    return {role: config.for_role(role).llm_model_name or "" for role in roles}


def amounts_of(
    config: Config,
    done: Sequence[int],
    pilot: Pilot,
    record: OnRecord,
    known: Mapping[str, ModelRecord],
    reply_s: float | None,
    environ: Mapping[str, str],
    batch_hours: float | None = None,
) -> tuple[Amounts, Basis, float | None]:
    """Return what runs to come take, what that rests on, and the seconds of the longest of them.

    Args:
        config: Config of the experiment.
        done: The iterations that each of these runs already has.
        pilot: Its pilot.
        record: What is on record of the experiment.
        known: What is on record of the models.
        reply_s: What a reply takes where none is on record.
        environ: Keys and base URLs, which say who would be asked.
        batch_hours: What a batch takes, if calls are sent in batches.
    """
    roles = [
        _Role(config.for_role(role), record.roles.get(role), known, reply_s, environ, pilot, role, record, batch_hours)
        for role in dict.fromkeys([*pilot.roles, *record.roles])
    ]
    left = sum(pilot.planned - each for each in done)
    new_runs = sum(each == 0 for each in done)
    each_s = _seconds_of_iteration(config, roles, pilot, record, in_batches=batch_hours is not None)
    if record.iterations:
        size = record.bytes / record.iterations * left
    else:
        size = pilot.bytes_before * new_runs + pilot.bytes_each * left
    amounts = sum((role.amounts(done) for role in roles), Amounts())
    amounts += Amounts(seconds=None if each_s is None else each_s * left, work_s=pilot.seconds * left, bytes=size)
    basis = Basis(
        pilot.stand_in,
        pilot.iterations,
        pilot.planned,
        len(record.done),
        record.iterations,
        record.replies,
        {role.name: role.reply_tokens[1] for role in roles},
        {role.name: role.latency[1] for role in roles},
        tuple(dict.fromkeys(role.model for role in roles if role.prices is None)),
        tuple(dict.fromkeys(role.model for role in roles if role.most_reply_tokens is None)),
    )
    longest = pilot.planned - min(done, default=pilot.planned)
    return amounts, basis, None if each_s is None else each_s * longest


def _seconds_of_iteration(
    config: Config, roles: Sequence[_Role], pilot: Pilot, record: OnRecord, *, in_batches: bool
) -> float | None:
    """Return what an iteration takes: as on record, or what its calls and its rollouts take; None if not known."""
    if not in_batches and record.iterations and record.elapsed_s and not record.was_in_batches:
        return record.elapsed_s / record.iterations
    waiting = [role.waiting_s(config, pilot.planned) for role in roles]
    known = [each for each in waiting if each is not None]
    return math.fsum(known) + pilot.seconds if len(known) == len(waiting) else None


class _Role:
    """What the calls of a role take."""

    def __init__(
        self,
        config: Config,
        own: RoleRecord | None,
        known: Mapping[str, ModelRecord],
        reply_s: float | None,
        environ: Mapping[str, str],
        pilot: Pilot,
        name: str,
        record: OnRecord,
        batch_hours: float | None,
    ) -> None:
        self.name = name
        self.model = config.llm_model_name or ""
        self._config, self._environ = config, environ
        self._own = own if own is not None and own.replies else None
        self._of_model = known.get(self.model)
        self._pilot = pilot.roles.get(name) or _like(self._own or RoleRecord(), record.iterations, pilot)
        each = [self._pilot.expected(iteration) for iteration in range(1, pilot.planned + 1)]
        self._each = each
        self._calls = [0.0, *accumulate(calls for calls, _ in each)]
        self._tokens = [0.0, *accumulate(tokens for _, tokens in each)]
        self._more_calls, self._more_tokens = self._corrections(record)
        self._batch_s = None if batch_hours is None else 3600 * batch_hours
        self.prices = _prices(config)
        self.reply_tokens = self._length_of_replies()
        self.most_reply_tokens = self._longest_reply()
        self.latency = self._latency(reply_s)

    def _corrections(self, record: OnRecord) -> tuple[float, float]:
        """Return by what factors calls, and tokens of a prompt, differ from the pilot's in the runs on record."""
        own = self._own
        if own is None:
            return 1.0, 1.0
        last = len(self._each)
        calls = sum(self._calls[min(done, last)] for done in record.done)
        places = [self._each[min(iteration, last) - 1] for iteration in own.iterations]
        expected = math.fsum(tokens / calls for calls, tokens in places if calls)
        counted = own.usage.prompt_tokens
        return own.replies / calls if calls else 1.0, counted / expected if counted and expected else 1.0

    def _length_of_replies(self) -> tuple[float, str]:
        """Return the tokens of a reply, and what they rest on."""
        for record, basis in ((self._own, RECORD), (self._of_model, OF_MODEL)):
            if record is not None and record.replies and record.usage.completion_tokens is not None:
                return record.usage.completion_tokens / record.replies, basis
        if is_stand_in(self._config):
            return self._pilot.reply_tokens, STAND_IN
        limit, assumed = self._config.max_output_tokens, max(FIRST_COMPLETION_TOKENS, self._pilot.reply_tokens)
        return (limit, LIMITED) if limit is not None and limit < assumed else (assumed, ASSUMED)

    def _longest_reply(self) -> float | None:
        """Return the tokens of a reply that are to be approved; None if nothing tells them."""
        tokens, basis = self.reply_tokens
        is_known = basis == STAND_IN or (basis == RECORD and self._own is not None and self._own.replies >= ENOUGH)
        return tokens if is_known or self.prices == FREE else self._config.max_output_tokens

    def _latency(self, given: float | None) -> tuple[float | None, str]:
        if self._batch_s is not None:
            return self._batch_s, BATCHED
        for record, basis in ((self._own, RECORD), (self._of_model, OF_MODEL)):
            if record is not None and record.timed:
                return record.latency_s / record.timed, basis
        if is_stand_in(self._config):
            return 0.0, STAND_IN
        return (None, UNKNOWN) if given is None else (given, GIVEN)

    def waiting_s(self, config: Config, planned: int) -> float | None:
        """Return how long an iteration waits for replies; None if that is not known."""
        latency = self.latency[0]
        if latency is None:
            return None
        method = METHODS.find(config.method)
        at_once = config.max_concurrent_calls if method.repeats_prompts or method.searches == "programs" else 1
        rounds = math.fsum(max(calls / at_once, min(calls, 1.0)) for calls, _ in self._each)
        return rounds / planned * self._more_calls * latency

    def amounts(self, done: Sequence[int]) -> Amounts:
        """Return what the calls take of runs that have so many iterations."""
        calls = sum(self._calls[-1] - self._calls[each] for each in done) * self._more_calls
        tokens = sum(self._tokens[-1] - self._tokens[each] for each in done) * self._more_calls * self._more_tokens
        cached = self._share_cached()
        out = calls * self.reply_tokens[0]
        most = None if self.most_reply_tokens is None else calls * self.most_reply_tokens
        usual, paid = self._cost(tokens, cached, out), self._cost(tokens, cached, out, self._share_paid)
        return Amounts(
            calls,
            tokens,
            None if cached is None else cached * tokens,
            out,
            paid,
            None if most is None else self._cost(tokens, cached, most, self._share_paid),
            saved=None if usual is None or paid is None else usual - paid,
        )

    @property
    def _share_paid(self) -> float | None:
        """The part of the prices that calls cost; None for all of them."""
        if self._batch_s is None or self.prices is None:
            return None
        return BATCH if self.prices.batch is None else self.prices.batch

    def _share_cached(self) -> float | None:
        """Return the part of prompts that is read from the provider's cache; None if no server told that."""
        usage = self._own.usage if self._own else None
        if self._batch_s is not None and usage and usage.cache_write_tokens:
            return 0.0  # what wrote them was marked, and nothing is in batches
        if usage and usage.prompt_tokens and usage.cached_tokens is not None:
            return usage.cached_tokens / usage.prompt_tokens
        return 0.0 if is_stand_in(self._config) else None

    def _cost(self, tokens: float, cached: float | None, out: float, share: float | None = None) -> float | None:
        """Return what tokens cost; where it is not known what a cache saves, it saves nothing."""
        if self.prices is None:
            return None
        read = tokens * (cached or 0.0)
        usage = Usage(round(tokens), round(read), round(out), None, round(self._share_written() * tokens))
        return self.prices.cost(usage if share is None else usage.at(share, self._cached_share_paid()))

    def _cached_share_paid(self) -> float | None:
        try:
            return provider_of(self._config, self._environ).cached_price_share
        except InputError:  # as below
            return None

    def _share_written(self) -> float:
        """Return the part of prompts that is written to the provider's cache: none in batches."""
        if self._batch_s is not None:
            return 0.0
        usage = self._own.usage if self._own else None
        if usage and usage.prompt_tokens:
            return (usage.cache_write_tokens or 0) / usage.prompt_tokens
        try:
            writes = provider_of(self._config, self._environ).writes_cache
        except InputError:  # a key is missing, say; a run would tell
            writes = self._config.prompt_cache is not False
        return self._pilot.stable_share if writes else 0.0


def _prices(config: Config) -> Prices | None:
    """Return the prices of a role's model; None if they are not known."""
    if config.known_prices is not None:
        return config.known_prices
    name = config.llm_model_name
    return FREE if name is None or kind_of(name).name in _FREE_KINDS else None


def _like(own: RoleRecord, iterations: int, pilot: Pilot) -> RolePilot:
    """Return a role that only runs on record have, such as one that repairs what a model wrote."""
    calls = own.replies / iterations if iterations else 0.0
    asked = math.fsum(sum(role.calls) for role in pilot.roles.values())
    usual = math.fsum(sum(role.tokens) for role in pilot.roles.values()) / asked if asked else 0.0
    replies = max((role.reply_tokens for role in pilot.roles.values()), default=0.0)
    return RolePilot((calls,), (calls * usual,), 0.0, replies, 0.0)
