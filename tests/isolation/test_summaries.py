"""Functions that summarize episodes run behind the same wall as policies do."""

from __future__ import annotations

import struct
from textwrap import dedent, indent
from typing import Any

import numpy as np
import pytest

from r2po.isolation import protocol
from r2po.isolation.attacks import ATTACKS
from r2po.isolation.limits import SUMMARY_CHARACTERS, TEXT_BYTES, Limits
from r2po.isolation.outcomes import Failure, PolicyFailed
from r2po.isolation.protocol import FAILURE, LOADED, SUMMARY, Signature, frame
from r2po.isolation.range import open_range
from r2po.isolation.summaries import Summaries
from tests.isolation.boxes import GRAPH, VECTOR
from tests.isolation.kernels import needs_seccomp
from tests.isolation.test_protocol import READY_FRAME, worker

OBSERVATIONS = np.arange(12.0).reshape(3, 4)
ACTIONS = np.array([[0.5, -1.0], [0.25, 2.0]])
REWARDS = np.array([1.0, -3.0])
STEP_1 = struct.pack("<I", 1)


def function(body: str, head: str = "") -> str:
    """Return the source of a function with these lines."""
    return f"{dedent(head)}\ndef summarize(observations, actions, rewards):\n{indent(dedent(body), ' ' * 4)}\n"


def summaries(source: str, count: int = 1, signature: Signature = VECTOR, **options: Any) -> list[str]:
    """Return what it says of the same episode, several times."""
    parts = [part.tobytes() for part in (OBSERVATIONS, ACTIONS, REWARDS)]
    with Summaries(**options) as box:
        box.load(source, signature)
        return [box.summarize(*parts) for _ in range(count)]


def fail(source: str, **options: Any) -> Failure:
    """Return how a function fails."""
    with pytest.raises(PolicyFailed) as caught:
        summaries(source, **options)
    return caught.value.failure


def test_what_the_function_is_given() -> None:
    body = "return repr((observations.tolist(), actions.tolist(), rewards.tolist()))"
    assert summaries(function(body)) == [repr((OBSERVATIONS.tolist(), ACTIONS.tolist(), REWARDS.tolist()))]


def test_numbers_of_states_and_actions() -> None:
    source = function("return f'{observations} {actions} {rewards} {observations.dtype}'")
    with Summaries() as box:
        box.load(source, Signature(None, 4, discrete=True))
        parts = (np.array([3, 1, 2]).tobytes(), np.array([0, 3]).tobytes(), REWARDS.tobytes())
        assert box.summarize(*parts) == "[3 1 2] [0 3] [ 1. -3.] int64"


def test_only_the_observations() -> None:
    with Summaries() as box:
        box.load("def summarize(observations):\n    return str(observations[-1])", VECTOR)
        assert box.summarize(OBSERVATIONS.tobytes()) == "[ 8.  9. 10. 11.]"


def test_an_episode_does_not_depend_on_those_before() -> None:
    head = "import random\nimport numpy as np\nseen = []"
    body = "seen.append(random.random() + np.random.rand())\nreturn str(seen)"
    first, second, third = summaries(function(body, head), 3)
    assert first == second == third
    assert first.count(",") == 0


@pytest.mark.parametrize(
    ("source", "kind", "text"),
    [
        ("def summarise(): pass", "policy", "NoPolicy: the source must define a function summarize"),
        (
            function("return len(rewards)"),
            "action",
            "In episode 1:\nIllegalAction: summarize must return a text that is not empty, not 2",
        ),
        (
            function("return '  '"),
            "action",
            "In episode 1:\nIllegalAction: summarize must return a text that is not empty, not '  '",
        ),
        (
            function("return 'mean ' + str(rewards[7])"),
            "error",
            "In episode 1:\nline 3, in summarize\n    return 'mean ' + str(rewards[7])\n"
            "IndexError: index 7 is out of bounds for axis 0 with size 2",
        ),
        ("x = = 2", "syntax", "line 1\n    x = = 2\nSyntaxError: invalid syntax"),
        ("#" * 32_001, "syntax", "the source has 32,001 bytes; it may have 32,000"),
        ("import os", "forbidden", "is not available to a policy"),
    ],
    ids=["missing", "number", "blank", "index", "syntax", "long", "import"],
)
def test_failures(source: str, kind: str, text: str) -> None:
    failure = fail(source)
    assert failure.kind == kind
    assert text in failure.text


def test_time() -> None:
    failure = fail(function("while True: pass"), limits=Limits(step_s=0.3))
    assert (failure.kind, failure.text) == ("time", "the function took more than 0.3 s for one episode")
    failure = fail("while True: pass", limits=Limits(load_s=0.3))
    assert (failure.kind, failure.text) == ("time", "the function took more than 0.3 s to load")


def test_memory() -> None:
    body = "hoard = []\nwhile True:\n    hoard.append([0] * 10**6)"
    assert fail(function(body), limits=Limits(memory_mb=300)).kind == "memory"


@pytest.mark.parametrize("text", ["'x' * 10**7", "'\\U0001f600' * 10**6", "'\\t' * 10**6 + 'x'"])
def test_a_long_text_is_cut(text: str) -> None:
    (said,) = summaries(function(f"return 'mean 3 ' + {text}"))
    assert said.startswith("mean 3")
    assert len(said) <= SUMMARY_CHARACTERS


def test_a_text_that_plays_with_the_terminal_is_cleaned() -> None:
    (said,) = summaries(function(r"return '\x1b[2Jgone\x07\tmean\r\nlast \x00 \x9b \ud800 end'"))
    assert said == "?[2Jgone?" + " " * 3 + "mean\nlast ? ? ? end"


def test_a_text_that_only_says_it_is_one() -> None:
    head = "class Text(str):\n    def encode(self, *_): return b'x' * 10**8\n    def strip(self, *_): return self"
    assert summaries(function("return Text('mean')", head)) == ["mean"]


@pytest.mark.parametrize(
    "reply",
    [
        frame(SUMMARY, STEP_1),
        frame(SUMMARY),
        frame(SUMMARY, bytes(4) + b"mean"),
        frame(SUMMARY, STEP_1 + b"mean") + b"more",
        frame(protocol.ACTIONS, STEP_1 + bytes(16)),
        frame(LOADED),
        struct.pack("<BI", SUMMARY, 2**32 - 1),
        struct.pack("<BI", SUMMARY, 4 + 4 * SUMMARY_CHARACTERS + 1),
        frame(FAILURE, bytes(TEXT_BYTES + 2)),
        b"\x80\x04\x95 a pickle",
    ],
)
def test_bytes_that_are_no_summary(reply: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    start = f"send({READY_FRAME!r}); receive(); send({frame(LOADED)!r}); receive()"
    worker(monkeypatch, start, f"send({reply!r}); time.sleep(60)")
    failure = fail("")
    assert (failure.kind, failure.text) == ("protocol", "the function's process sent what is no reply")


@needs_seccomp
@pytest.mark.slow
def test_hostile_functions_get_nothing() -> None:
    body = "return 'got it' if Policy().act(observations[0])[0] else 'nothing'"
    with open_range() as place:
        for attack in ATTACKS:
            outcome = _what_it_gets(function(body, attack.source(place.target)))
            assert outcome not in {"got it", "syntax", "policy", "action"}, attack.name
            assert place.trace() == "", attack.name


def _what_it_gets(source: str) -> str:
    try:
        return summaries(source, limits=Limits(step_s=2.0, memory_mb=512))[0]
    except PolicyFailed as failed:
        return failed.failure.kind


@needs_seccomp
def test_the_parent_is_not_reached_through_objects() -> None:
    assert fail(function('return str(loaded("os").listdir("/"))', GRAPH)).kind == "forbidden"
