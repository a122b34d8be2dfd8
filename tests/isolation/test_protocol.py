"""A worker that sends wrong bytes, reads nothing or ends: its parent fails the policy, and never waits or swells."""

from __future__ import annotations

import struct
import time

import pytest

from r2po.isolation import process, protocol
from r2po.isolation.box import Box
from r2po.isolation.limits import TEXT_BYTES, Limits
from r2po.isolation.outcomes import PolicyFailed, WorkerNotReadyError
from r2po.isolation.protocol import ACTIONS, BROKEN, FAILURE, LOADED, READY, Signature, frame
from tests.isolation.boxes import VECTOR

STEP_1 = struct.pack("<I", 1)
READY_FRAME = frame(READY, protocol.pack_layers(protocol.Layers(True, 7, True)))
HEAD = """
import os, struct, sys, time

def send(data):
    os.write(1, data)

def receive():
    data = b""
    while len(data) < 5 or len(data) < 5 + struct.unpack_from("<I", data, 1)[0]:
        data += os.read(0, 1 << 16)
"""


def worker(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    """Let the next workers run these lines instead of the real ones."""
    monkeypatch.setattr(process, "_START", "\n".join((HEAD, *lines)))


def replying(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    """Let the next workers load whatever they get, receive one step, and then run these lines."""
    worker(monkeypatch, f"send({READY_FRAME!r}); receive(); send({frame(LOADED)!r}); receive()", *lines)


def one_step(limits: Limits | None = None, signature: Signature = VECTOR, slots: int = 1) -> PolicyFailed:
    with Box(limits=limits) as box:
        box.load("", list(range(slots)), signature)
        with pytest.raises(PolicyFailed) as caught:
            box.act(list(range(slots)), bytes(signature.observation_bytes * slots))
    return caught.value


def test_frames_are_read_as_they_were_written() -> None:
    for signature in (VECTOR, Signature(None, 5, True, 1)):
        assert protocol.unpack_load(protocol.pack_load(b"x", [1, 2**64 - 1], signature)) == (
            b"x",
            [1, 2**64 - 1],
            signature,
        )
    slots, rows = protocol.unpack_act(protocol.pack_act([0, 7, 65_535], b"rows"))
    assert (slots, bytes(rows)) == ((0, 7, 65_535), b"rows")


@pytest.mark.parametrize(
    "reply",
    [
        frame(ACTIONS, STEP_1 + bytes(15)),
        frame(ACTIONS, STEP_1 + bytes(17)),
        frame(ACTIONS),
        frame(LOADED),
        frame(READY, bytes(3)),
        frame(BROKEN, b"\2no"),
        frame(0),
        frame(FAILURE),
        frame(FAILURE, b"\x63no such kind"),
        frame(FAILURE, bytes(TEXT_BYTES + 2)),
        struct.pack("<BI", ACTIONS, 2**32 - 1),
        struct.pack("<BI", FAILURE, 2**32 - 1),
        frame(ACTIONS, bytes(20)),
        frame(ACTIONS, STEP_1 + bytes(16)) + b"more",
        frame(ACTIONS, STEP_1 + struct.pack("<dd", 1.0, float("nan"))),
        b"\x80\x04\x95 a pickle",
        b"x" * 10**5,
    ],
)
def test_bytes_that_are_no_reply(reply: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    # What is longer than a line of a command is repeated by the worker.
    text = repr(reply) if len(reply) < 10**4 else f"{reply[:1]!r} * {len(reply)}"
    replying(monkeypatch, f"send({text}); time.sleep(60)")
    assert one_step().failure.kind == "protocol"


def test_an_action_out_of_range(monkeypatch: pytest.MonkeyPatch) -> None:
    reply = frame(ACTIONS, STEP_1 + struct.pack("<q", 3))
    replying(monkeypatch, f"send({reply!r}); time.sleep(60)")
    assert one_step(signature=Signature(4, 3, discrete=True)).failure.kind == "protocol"


@pytest.mark.parametrize("reply", [b"", frame(ACTIONS, STEP_1 + bytes(16))[:-1], frame(ACTIONS)[:3]])
def test_a_reply_that_does_not_come(reply: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    replying(monkeypatch, f"send({reply!r}); time.sleep(60)")
    assert one_step(Limits(step_s=0.2)).failure.kind == "time"


def test_one_byte_after_the_other_does_not_prolong_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    replying(monkeypatch, f"for byte in {frame(ACTIONS, STEP_1 + bytes(16))!r}: send(bytes([byte])); time.sleep(0.1)")
    started = time.monotonic()
    assert one_step(Limits(step_s=0.4)).failure.kind == "time"
    assert time.monotonic() - started < 5


def test_a_worker_that_reads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    worker(monkeypatch, f"send({READY_FRAME!r}); receive(); send({frame(LOADED)!r}); time.sleep(60)")
    failed = one_step(Limits(step_s=0.3), Signature(1000, 2, discrete=False), slots=100)
    assert failed.failure.text == "the policy took more than 0.3 s for one step"


def test_a_worker_that_closes_its_pipe_and_lives_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_LEAVE_S", 0.1)
    replying(monkeypatch, "os.close(1); time.sleep(60)")
    assert one_step().failure.kind == "protocol"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("sys.exit(3)", "a policy's process ended itself with exit code 3 before it was ready"),
        ("os.kill(os.getpid(), 9)", "a policy's process was killed, perhaps for lack of memory before it was ready"),
        ("send(b'garbage')", "a policy's process sent something else than that it is ready"),
        (f"send({frame(BROKEN, b'%c' % 2 + b'no NumPy')!r})", "a policy's process could not be made ready: no NumPy"),
        ("time.sleep(60)", "a policy's process was not ready after 0.5 s"),
    ],
)
def test_a_worker_that_does_not_start_is_no_policys_fault(
    lines: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker(monkeypatch, lines)
    with pytest.raises(WorkerNotReadyError) as caught:
        Box(limits=Limits(start_s=0.5))
    assert str(caught.value) == said
