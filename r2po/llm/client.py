"""The client: one question in, one recorded reply out. Retrying, storing and counting happen here, once for all."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from r2po.errors import RunStopped
from r2po.llm.accounting import Accounting, Prices, Terms
from r2po.llm.budget import Budget
from r2po.llm.gate import Gate, Permit
from r2po.llm.patience import Patience
from r2po.llm.replies import FULL, understood, usable
from r2po.llm.store import CallStore, RecordedReply, call_key
from r2po.llm.too_long import tokens_that_fit
from r2po.llm.types import CRITIC, SEARCH, AttemptFailed, Provider, Question, Received, Recording, Reply, Request, T


class CallFailed(RunStopped):
    """A call got no reply: it was refused for good, or the attempts or the waiting time ran out.

    Attributes:
        retryable: Whether the same request may succeed later.
    """

    def __init__(self, reason: str, *, retryable: bool, store: CallStore) -> None:
        super().__init__(reason)
        self.retryable = retryable
        self._store = store

    @property
    def replies(self) -> int:
        """Number of replies that the run has on record by now: other calls may have ended since."""
        return len(self._store.replies)


@dataclass(frozen=True)
class Model:
    """A model as a run asks it.

    Attributes:
        provider: Who answers.
        name: Its name, as configured; of a replay, the recorded one.
        sampling: The sampling settings that the config sets.
        prices: What tokens cost, if known.
    """

    provider: Provider
    name: str
    sampling: Mapping[str, Any]
    prices: Prices | None = None

    @property
    def terms(self) -> Terms:
        """What is known of its replies before they come."""
        asked, limit = self.provider, self.sampling.get("max_output_tokens")
        return Terms(self.prices, limit, asked.writes_cache, f"{self.name} {asked.address}", asked.price_share)


def described(models: Mapping[str, Model]) -> dict[str, Any]:
    """Return what logs say of the models by role: the critic's is named where it is another one."""
    search, critic = models[SEARCH], models.get(CRITIC, models[SEARCH])
    recording = search.provider.recording
    return {
        "model": search.name,
        "critic_model": None if critic.name == search.name else critic.name,
        "stand_in": any(model.provider.is_stand_in for model in models.values()),
        "replay_of": recording.path if recording else None,
    }


_REMEDY = "; show less in prompts (rollout_window, history_window), or use a longer context"


@dataclass
class Client:
    """Asks the models of one run: each role its own. Any number of threads may ask at once.

    Attributes:
        models: By role; roles that are not there ask the model of ``SEARCH``.
        max_attempts: Attempts at one request before the run stops.
        max_wait_s: Longest total wait between the attempts at one request, in seconds.
        budget: Sets aside what calls may take, and refuses those that would exceed a cap; None for no caps.
        gate: Where attempts wait for their turn.
        on_ask: Called with the role before a question is sent, for the screen; like the next, by one thread at a time.
        on_failure: Called with each failed attempt and the seconds until the next one, for the screen.
        on_note: Called with a line that the user should see.
        on_progress: Called with the characters that have come so far of all replies under way, where they come in
            pieces: a few times per second at most.
        sleep: Waits; tests replace it.
    """

    models: Mapping[str, Model]
    store: CallStore
    max_attempts: int
    max_wait_s: float
    budget: Budget | None = None
    gate: Gate = field(default_factory=Gate)
    on_ask: Callable[[str], None] = lambda _role: None
    on_failure: Callable[[AttemptFailed, float], None] = lambda _failed, _wait: None
    on_note: Callable[[str], None] = lambda _text: None
    on_progress: Callable[[int], None] = lambda _characters: None
    sleep: Callable[[float], None] = time.sleep
    _turns: Counter[tuple[int, str, int, int]] = field(default_factory=Counter, init=False)
    _warned_of: set[str] = field(default_factory=set, init=False)
    _under_way: dict[int, int] = field(default_factory=dict, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _is_closed: bool = field(default=False, init=False)

    @property
    def accounting(self) -> Accounting:
        """What the calls of the run have used."""
        return Accounting(self.store, lambda role: self.model_of(role).terms)

    @property
    def recording(self) -> Recording | None:
        """The run that this one repeats: no reply is fresh. It answers for all roles."""
        return self.models[SEARCH].provider.recording

    def note(self, text: str) -> None:
        """Say something to the user, one thread at a time."""
        with self._lock:
            self.on_note(text)

    def model_of(self, role: str) -> Model:
        """Return the model that a role asks."""
        return self.models.get(role, self.models[SEARCH])

    def close(self) -> None:
        """End the calls under way, in whatever thread; they are on record as interrupted ones."""
        self._is_closed = True
        self.gate.close()
        for model in self.models.values():
            model.provider.close()

    def ask(self, question: Question, read: Callable[[str], T]) -> Received[T]:
        """Return the reply to a question: the recorded one, or a new one, recorded before it is returned.

        Raises:
            CallFailed: No reply could be obtained, or the prompt is longer than the model can hold.
            CapReached: It is not on record, and asking for it would exceed a cap.
            InputError: It is on record as usable, here or in a run that is replayed, but ``read`` refuses it now.
        """
        model = self.model_of(question.role)
        key = call_key(model.name, model.sampling, question)
        place = (question.iteration, question.role, question.sample, question.attempt)
        with self._lock:
            turn = self._turns[place]
            self._turns[place] += 1
        known = self.store.find(key, question.iteration)
        if known is None:
            recorded, value = self._fetch(key, turn, question, read)
        else:
            recorded, value = known, self._read_again(known, question, read)
        fresh = known is None and self.recording is None
        told = model.provider.redact(recorded.refusal) + (_REMEDY if recorded.refusal.startswith(FULL) else "")
        return Received(key, value, recorded.refusal, fresh, recorded.latency_s, told)

    def _read_again(self, known: RecordedReply, question: Question, read: Callable[[str], T]) -> T | None:
        """Read a reply on record; one that was refused stays refused, even if it could be read now."""
        return None if known.refusal else usable(known.reply, read, question, str(self.store.path))

    def _fetch(
        self, key: str, turn: int, question: Question, read: Callable[[str], T]
    ) -> tuple[RecordedReply, T | None]:
        model = self.model_of(question.role)
        tokens = self._tokens(model.provider, question)
        with self._set_aside(question) as renew:
            permit = self.gate.enter(question)  # before the request is on record: a kill while it waits costs no call
            with permit:
                self._check_time(question)
                call = self.store.request(key, question)
                with self._lock:
                    self.on_ask(question.role)
            started = time.monotonic()
            request = Request(
                **vars(question),
                sampling=model.sampling,
                key=key,
                turn=turn,
                prompt_tokens=tokens,
                on_progress=self._told(call),
            )
            try:
                reply, at_gate_s = self._complete(call, request, permit, renew)
            except RunStopped:
                self.store.gave_up(call)
                raise
            finally:
                with self._lock:
                    self._under_way.pop(call, None)
            latency_s = time.monotonic() - started - at_gate_s
            refusal = model.provider.verdict(request)
            if refusal is None:
                value, refusal = understood(reply, read)
            else:
                of = self.recording.path if self.recording else ""
                value = None if refusal else usable(reply, read, question, of)
            self._warn_of(reply)
            return self.store.reply(call, key, reply, refusal, latency_s), value

    def _tokens(self, provider: Provider, question: Question) -> int | None:
        """Return about how many tokens a prompt has, if the replies so far tell; it stops if they are too many."""
        try:
            return tokens_that_fit(provider, question, self.accounting)
        except AttemptFailed as failed:
            raise CallFailed(failed.reason, retryable=False, store=self.store) from None

    def _told(self, call: int) -> Callable[[int], None]:
        """Return what takes the characters that have come of a reply."""

        def progress(characters: int) -> None:
            with self._lock:
                self._under_way[call] = characters
                self.on_progress(sum(self._under_way.values()))

        return progress

    def _warn_of(self, reply: Reply) -> None:
        """Say what a reply's provider noticed, and name an unknown reason for its end: each once a run."""
        unknown = (
            f"replies end for a reason that is unknown here, {reply.finish_said!r}: they are used if they hold "
            "a complete answer, else asked for again"
        )
        with self._lock:
            for note in (reply.note, unknown if reply.finish_said else ""):
                if note and note not in self._warned_of:
                    self._warned_of.add(note)
                    self.on_note(note)

    def _check_time(self, question: Question) -> None:
        """Look at the cap on wall time: at the gate, hours may have passed.

        Raises:
            CapReached: It does not allow for another call.
        """
        if self.budget is not None:
            self.budget.check_time(question)

    def _set_aside(self, question: Question) -> AbstractContextManager[Callable[[float], None]]:
        return nullcontext(lambda _: None) if self.budget is None else self.budget.set_aside(question)

    def _complete(
        self, call: int, request: Request, permit: Permit, renew: Callable[[float], None]
    ) -> tuple[Reply, float]:
        """Make attempts until one is answered; return the reply, and the seconds of waiting at the gate meanwhile.

        ``permit`` is for the first attempt; ``renew`` sets aside for each other one.

        Raises:
            CallFailed: No reply could be obtained.
            CapReached: Another attempt would exceed a cap.
        """
        provider = self.model_of(request.role).provider
        patience = Patience(self.max_attempts, self.max_wait_s)
        made, at_gate_s = 0, 0.0
        while True:
            made += 1
            try:
                with permit:
                    if made > 1:
                        self._check_time(request)
                    reply = provider.complete(request)
                    permit.answered(reply)
                    return reply, at_gate_s
            except AttemptFailed as failed:
                if self._is_closed:
                    permit.abandon()
                    raise
                again = permit.failed(failed)
                if self.recording is None:  # a reply that is not on record is no fault of a server
                    self.store.failure(call, made, failed)
                wait_s = 0.0 if again else patience.wait_s(failed)
                if wait_s is None:
                    tried = f" ({made} attempts)" if made > 1 else ""
                    reason = f"{failed.reason}{patience.too_long}{tried}"
                    raise CallFailed(reason, retryable=failed.retryable, store=self.store) from failed
                renew(wait_s)
                if wait_s:
                    with self._lock:
                        self.on_failure(failed, wait_s)
                    self.sleep(wait_s)
                came = time.monotonic()
                permit = self.gate.enter(request)
                at_gate_s += time.monotonic() - came
