"""What is said of a policy that fails: its kind, and a text fit for the model that is to repair it."""

from __future__ import annotations

import pytest

from r2po.isolation import report
from r2po.isolation.episode import FILE, Episode, allowed_modules
from r2po.isolation.limits import TEXT_BYTES
from r2po.isolation.outcomes import Failure, clean
from r2po.isolation.protocol import KINDS
from tests.isolation.boxes import policy


def reported(source: str) -> Failure:
    """Run a policy as a worker does, but in this process, and return what its parent would know."""
    step = 0
    try:
        code = compile(source, FILE, "exec")
        episode = Episode(code, 0, allowed_modules())
        step = 1
        episode.act([0.0])
    except SyntaxError as error:
        content = report.syntax_failure(error, source)
    except BaseException as error:  # noqa: BLE001 - as a worker does
        content = report.failure(error, source, step)
    assert len(content) <= 1 + TEXT_BYTES
    return Failure(KINDS[content[0]], clean(content[1:]))


@pytest.mark.parametrize(
    ("source", "kind", "text"),
    [
        ("x = = 2", "syntax", "line 1\n    x = = 2\nSyntaxError: invalid syntax"),
        ("x = 1\n", "policy", "NoPolicy: the source must define one class Policy with a method act(self, obs)"),
        ("1 / 0", "error", "line 1, in <module>\n    1 / 0\nZeroDivisionError: division by zero"),
        (
            policy("return self.helper(obs)"),
            "error",
            "In step 1 of an episode:\nline 4, in act\n    return self.helper(obs)\n"
            "AttributeError: 'Policy' object has no attribute 'helper'",
        ),
        (
            policy("return open('/etc/passwd').read()"),
            "forbidden",
            "In step 1 of an episode:\nline 4, in act\n    return open('/etc/passwd').read()\n"
            "Forbidden: open() is not available to a policy",
        ),
        (policy("raise SystemExit(0)"), "error", "raise SystemExit(0)\nSystemExit: 0"),
        (policy("return self.act(obs)"), "error", "RecursionError: maximum recursion depth exceeded"),
        (policy("raise ValueError(self)"), "error", "<policy.Policy object at 0x...>"),
    ],
)
def test_kind_and_text(source: str, kind: str, text: str) -> None:
    failure = reported(source)
    assert failure.kind == kind
    assert text in failure.text


@pytest.mark.parametrize(
    "body",
    [
        "class Odd(Exception):\n    def __str__(self): raise SystemExit\nraise Odd",
        "class Odd(Exception):\n    def __str__(self): return 'x' * 10**7\nraise Odd",
        "raise type('X' * 10**6, (Exception,), {})",
        "exception = ValueError()\nexception.__cause__ = exception\nraise exception",
        "raise ValueError('\\x1b[2J\\0 \\ud800 \\r')",
    ],
)
def test_exceptions_that_attack_the_report(body: str) -> None:
    failure = reported(policy(body))
    assert failure.kind == "error"
    assert len(failure.text.encode()) <= TEXT_BYTES + 100
    assert not set(failure.text) & set("\x1b\0\r")


def test_only_the_end_of_a_long_traceback_is_shown() -> None:
    text = reported(policy("return self.act(obs)")).text
    assert text.count("in act") == report.FRAMES
    assert text.startswith("In step 1 of an episode:\n...\nline 4, in act")


def test_a_text_that_is_too_long_keeps_its_end() -> None:
    content = report.pack("error", "x" * 10_000 + "the end")
    assert len(content) == 1 + TEXT_BYTES
    assert content.endswith(b"the end")
