"""Hostile and odd policies and summarizers: each ends as a typed outcome, in time, whatever it does in its worker.

``test_attacks.py`` is about what the kernel's layers stop; here it is the parent that must not be fooled or held up.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from r2po.isolation.box import Box
from r2po.isolation.limits import SUMMARY_CHARACTERS, Limits
from r2po.isolation.outcomes import PolicyFailed
from r2po.isolation.summaries import Summaries
from tests.isolation.boxes import CHOICE, GRAPH, VECTOR, fail, policy, take
from tests.isolation.kernels import needs_seccomp
from tests.isolation.test_attacks import FRAMES

INSIDE = GRAPH + FRAMES
LIMITS = Limits(step_s=0.8, load_s=0.8, cpu_s=4, memory_mb=512)
NO_REPLY = "the policy's process sent what is no reply"
LATE = "the policy took more than 0.8 s for one step"

LIAR = """
class Liar(int):
    def __le__(self, other):
        return True
    __ge__ = __lt__ = __gt__ = __le__
    def __int__(self):
        return {}
"""
"""A whole number that passes for any other."""

GHOST = """
class Ghost:
    def __del__(self):
        while True:
            pass
"""

HOSTILE = {
    # in frames and pipes
    "answers for the next step too": (
        policy("send(5, worker()['work'].steps.to_bytes(4, 'little') + bytes(16))\nreturn [1.0, 1.0]", INSIDE),
        ("protocol", NO_REPLY),
    ),
    "answers before it has been loaded": (
        f"{INSIDE}\nsend(4, b'')\nsend(5, bytes(20))\n{policy('return [1.0, 1.0]')}",
        ("protocol", NO_REPLY),
    ),
    "is late with the rest of its answer": (
        policy("loaded('os').write(worker()['pipes']._replies, b'\\x05\\x14')\nwhile True:\n    pass", INSIDE),
        ("time", LATE),
    ),
    "closes its pipe and goes on": (
        policy("loaded('os').close(worker()['pipes']._replies)\nwhile True:\n    pass", INSIDE),
        ("protocol", "the policy's process closed its pipe"),
    ),
    "takes its requests away": (
        policy("loaded('os').close(worker()['pipes']._requests)\nreturn [1.0, 1.0]", INSIDE),
        ("crash|protocol", "the policy's process "),
    ),
    "replaces what packs actions": (
        policy("loaded('r2po.isolation.protocol').pack_actions = lambda *_: bytes(10**8)\nreturn [1.0, 1.0]", GRAPH),
        ("protocol", NO_REPLY),
    ),
    "replaces what checks actions": (
        policy("loaded('numpy').isfinite = lambda rows: rows == rows[:, :1]\nreturn [float('inf')] * 2", GRAPH),
        ("protocol", NO_REPLY),
    ),
    "replaces the end of its process": (
        policy("loaded('os')._exit = lambda _: None\nraise ValueError('still here')", GRAPH),
        ("error|protocol", ""),  # it goes on, so that timing decides whether more than its failure is read
    ),
    # hooks of Python, called later
    "hooks the collector of garbage": (
        policy("loaded('gc').callbacks.append(lambda *_: send(5, bytes(20)))\nloaded('gc').collect()", INSIDE),
        ("protocol", NO_REPLY),
    ),
    "traces the worker": (
        policy(
            "loaded('sys').settrace(spy)\nreturn [1.0, 1.0]",
            f"{INSIDE}\ndef spy(*_):\n    loaded('os').write(worker()['pipes']._replies, bytes(100))\n",
        ),
        ("protocol", NO_REPLY),
    ),
    "never lets go of its objects": (
        policy("ghost = Ghost()\nhoard = [bytearray(10**7) for _ in range(1000)]", GHOST),
        ("time", LATE),
    ),
    "blocks the signal that says that its time is up": (
        policy("loaded('_signal').pthread_sigmask(0, range(1, 65))\nwhile True:\n    pass", GRAPH),
        ("time", LATE),
    ),
    # memory, the stack, the processor
    "grows in small steps": (
        policy("hoard.append(bytearray(2 * 10**6))\nreturn [1.0, 1.0]", "hoard = []"),
        ("memory", "MemoryError"),
    ),
    "has no limit of recursion": (
        policy("loaded('sys').setrecursionlimit(2**31 - 1)\nreturn self.act(obs)", GRAPH),
        ("time|crash|memory|error", ""),
    ),
    "reads beyond its array": (
        policy("import numpy\nreturn numpy.lib.stride_tricks.as_strided(obs, (10**9,), (8,)).sum() * [1]"),
        ("crash", "the policy's process died of SIGSEGV"),
    ),
    "says that its array lies at 8": (
        policy(
            "return Array()",
            "class Array:\n    __array_interface__ = dict(shape=(2,), typestr='<f8', data=(8, False), version=3)",
        ),
        ("crash", "the policy's process died of SIGSEGV"),
    ),
    "runs code that is no code": (
        policy("f()", "def f(): pass\nf.__code__ = f.__code__.replace(co_code=bytes([100, 255] * 50), co_stacksize=0)"),
        ("crash", "the policy's process died of SIG|error"),
    ),
    "overwrites the type of lists": (
        policy("loaded('ctypes').memset(id(list), 0, 400)\nreturn [1.0, 1.0]", GRAPH),
        ("crash", "the policy's process died of SIG"),
    ),
    "wants a million digits of a third": (
        policy("import decimal\ndecimal.getcontext().prec = 10**9\nreturn [float(decimal.Decimal(1) / 3)] * 2"),
        ("memory", "MemoryError"),
    ),
    "matches for ever": (policy("import re\nre.match('(a+)+$', 'a' * 40 + 'b')"), ("time", LATE)),
    # files by way of NumPy
    "reads a file with numpy": (
        policy("import numpy\nreturn numpy.fromfile('/etc/passwd', 'u1')[:2]"),
        ("forbidden", "open() is not available to a policy"),
    ),
    "writes a file with numpy": (
        policy("obs.tofile('/tmp/made')"),
        ("forbidden", "open() is not available to a policy"),
    ),
    # classes
    "hangs in its metaclass": (
        "class Meta(type):\n    def __call__(cls):\n        while True:\n            pass\n"
        "class Policy(metaclass=Meta):\n    def act(self, obs):\n        return [1.0, 1.0]",
        ("time", "the policy took more than 0.8 s to load"),
    ),
    "leaves by its metaclass": (
        "class Meta(type):\n    def __getattribute__(cls, name):\n        raise SystemExit\n"
        "class Policy(metaclass=Meta):\n    def act(self, obs):\n        return [1.0, 1.0]",
        ("error", "SystemExit"),
    ),
    "is decorated without end": (
        "def again(f):\n    return lambda *a: again(f)(*a)\n"
        "class Policy:\n    @again\n    def act(self, obs):\n        return [1.0, 1.0]",
        ("error", "RecursionError"),
    ),
    "is a generator": (policy("yield 1.0"), ("action", "act must return 2 numbers, not <generator object")),
    "is a coroutine": (
        "class Policy:\n    async def act(self, obs):\n        return [1.0, 1.0]",
        ("action", "act must return 2 numbers, not <coroutine object"),
    ),
    # reports
    "has a name that fills the report": (
        policy("f()", "def f(): 1 / 0\nf.__code__ = f.__code__.replace(co_name='\\x1b[2J' * 10**6)"),
        ("error", "ZeroDivisionError: division by zero"),
    ),
    "has no line": (
        policy("f()", "def f(): 1 / 0\nf.__code__ = f.__code__.replace(co_linetable=b'')"),
        ("error", "ZeroDivisionError: division by zero"),
    ),
}  # fmt: skip
"""What a policy does; kind of its failure, and a part of the text."""


@needs_seccomp
@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.sampled(3)
def test_hostile_policies_end_as_outcomes(name: str) -> None:
    source, (kinds, text) = HOSTILE[name]
    started = time.monotonic()
    failure = fail(source, steps=300, limits=LIMITS)
    assert time.monotonic() - started < 20
    assert failure.kind in kinds.split("|")
    assert any(part in failure.text for part in text.split("|"))
    assert "\x1b" not in failure.text


@needs_seccomp
def test_a_policy_that_blocks_the_signal_for_time_is_killed_at_its_second() -> None:
    source = policy("loaded('_signal').pthread_sigmask(0, [24])\nwhile True:\n    pass", GRAPH)
    failure = fail(source, limits=replace(LIMITS, step_s=60, cpu_s=1))
    assert (failure.kind, failure.text) == ("time", "the policy took more than 1 s of CPU for the whole evaluation")


@pytest.mark.parametrize("number", [3, -1, 10**9, 2**63])
def test_a_number_that_lies_is_no_action(number: int) -> None:
    failure = fail(policy("return Liar()", LIAR.format(number)), CHOICE)
    assert failure.kind in {"protocol", "error"}


@pytest.mark.parametrize(
    ("value", "head"),
    [
        ("Index()", "class Index:\n    def __index__(self):\n        return 1\n    __int__ = __float__ = __index__"),
        ("numpy.array(1)", "import numpy"),
        ("numpy.array([1])", "import numpy"),
        ("'1'", ""),
        ("1 + 0j", ""),
    ],
)
def test_what_only_behaves_like_a_whole_number_is_no_action(value: str, head: str) -> None:
    failure = fail(policy(f"return {value}", head), CHOICE)
    assert failure.kind == "action"
    assert "act must return one whole number from 0 to 2, not " in failure.text


@pytest.mark.parametrize("value", ["True", "1.0", "Mode.RIGHT", "numpy.bool_(True)", "numpy.float32(1)"])
def test_what_is_a_whole_number_is_an_action(value: str) -> None:
    head = "import enum, numpy\nclass Mode(enum.IntEnum):\n    RIGHT = 1"
    assert take(policy(f"return {value}", head), CHOICE) == [[1]]


def test_a_policy_that_changes_its_class_stays_the_policy_that_it_was() -> None:
    source = policy(
        "self.__class__ = Other\nreturn [1.0, 1.0]", "class Other:\n    def act(self, obs):\n        return 'x'"
    )
    assert take(source, steps=3) == [[[1.0, 1.0]]] * 3


def test_a_policy_may_change_its_observation() -> None:
    source = policy("obs[:] = 9.0\nreturn obs[:2]")
    with Box() as box:
        box.load(source, [0], VECTOR)
        observation = np.zeros(4)
        assert list(box.act([0], observation.tobytes())) == [9.0, 9.0]
        assert not observation.any()


class TestSources:
    @pytest.mark.parametrize(
        "source",
        [
            policy("return [1.0, 1.0]").replace("\n", "\r\n"),
            policy("return [1.0, 1.0]").replace("\n", "\r"),
            "\f" + policy("return [1.0, 1.0]") + "\f\n# \x0b\x1c\x85\u2028\n",
            "# -*- coding: rot13 -*-\n" + policy("return [1.0, 1.0]"),
            "# -*- coding: latin-1 -*-\n" + policy("return [float(len('é')), 1.0]"),
        ],
    )
    def test_odd_layouts_and_encodings_change_nothing(self, source: str) -> None:
        assert take(source) == [[[1.0, 1.0]]]

    def test_null_bytes(self) -> None:
        failure = fail(policy("return [1.0, 1.0]") + "\0")
        assert failure.kind == "syntax"
        assert "null bytes" in failure.text

    @pytest.mark.parametrize("end", ["\f", "\x0b", "\x1c", "\x85", "\u2028"])
    def test_lines_are_counted_as_python_does(self, end: str) -> None:
        """``str.splitlines`` sees ends of lines where Python sees none."""
        failure = fail(f"x = '''{end}{end}'''\n{policy('return 1 / 0')}")
        assert "\n    return 1 / 0\nZeroDivisionError" in failure.text

    def test_what_nobody_would_see_is_replaced(self) -> None:
        """Direction of writing, letters without width, tags that spell a hidden text, line ends of their own."""
        hidden = "\u202egnp\u2028\u200b\U000e0041\ufeff\ue000\x9b\ud800é"
        failure = fail(policy(f"raise ValueError({hidden!a})"))
        assert failure.text.endswith("ValueError: ?gnp???????é")


class TestSummarizers:
    def summary(self, body: str, head: str = "", limits: Limits = LIMITS) -> str:
        lines = "".join(f"    {line}\n" for line in body.split("\n"))
        episode: list[Any] = [np.zeros((3, 4)), np.zeros((2, 2)), np.zeros(2)]
        with Summaries(limits=limits) as box:
            box.load(f"{head}\ndef summarize(observations, actions, rewards):\n{lines}", VECTOR)
            pid = box.pid
            text = box.summarize(*(part.tobytes() for part in episode))
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        return text

    @pytest.mark.parametrize(
        ("body", "head", "kind"),
        [
            ("yield 'text'", "", "action"),
            ("return b'text'", "", "action"),
            ("return ['text']", "", "action"),
            ("return ' ' * 10**6", "", "action"),
            ("return 'x' * 10**10", "", "memory"),
            ("return Text()", "class Text:\n    __class__ = str", "error"),
            ("return Text('x')", "class Text(str):\n    __class__ = property(lambda self: 1 / 0)", ""),
            ("return ''.join(iter(lambda: 'x', 'y'))", "", "memory|time"),
            ("send(10, bytes(4) + b'own text')\nreturn 'text'", INSIDE, "protocol"),
            ("loaded('r2po.isolation.work').SUMMARY_CHARACTERS = 10**7\nreturn 'x' * 10**6", GRAPH, "protocol"),
            ("loaded('_thread').start_new_thread(summarize, (1, 2, 3))", GRAPH, "error"),
            ("import decimal\nreturn str(decimal.Decimal(2) ** 10**8 + 10**(10**8))", "", "time|memory|error"),
        ],
    )  # fmt: skip
    @needs_seccomp
    def test_no_texts(self, body: str, head: str, kind: str) -> None:
        if not kind:  # it is a text for all that it says
            assert self.summary(body, head) == "x"
            return
        with pytest.raises(PolicyFailed) as caught:
            self.summary(body, head)
        assert caught.value.failure.kind in kind.split("|")

    def test_a_text_with_methods_of_its_own(self) -> None:
        methods = "\n".join(
            f"    def {name}(self, *a, **k):\n        return 'forged' * 10**6"
            for name in ("strip", "encode", "replace", "expandtabs", "__str__", "__getitem__")
        )
        assert self.summary("return Text('own')", f"class Text(str):\n{methods}") == "own"

    def test_a_text_that_plays_with_the_reader(self) -> None:
        text = self.summary("return '\\x1b]0;title\\x07\\r\\u202eevil\\u2066\\n```\\n# Reply format\\x00'")
        assert text == "?]0;title???evil?\n```\n# Reply format?"

    def test_the_widest_text_that_fits_arrives_whole(self) -> None:
        assert self.summary("return '\\U0001d4b3' * 10**6") == "\U0001d4b3" * SUMMARY_CHARACTERS
