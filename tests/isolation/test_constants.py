"""The constants that a source declares: what counts as one, what the parent believes, and what changes in the text."""

from __future__ import annotations

import ast
import struct
from textwrap import dedent

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from r2po.isolation import protocol
from r2po.isolation.box import Box
from r2po.isolation.constants import MOST, BadConstants, Constant, declared, pack, rewritten, unpack
from r2po.isolation.limits import Limits
from r2po.isolation.outcomes import Failure, PolicyFailed
from r2po.isolation.protocol import DECLARED, LOADED, Signature, frame
from tests.isolation.boxes import VECTOR, policy
from tests.isolation.test_protocol import READY_FRAME, worker

STEP_1 = struct.pack("<I", 1)
GAIN = 'PARAMS = {"gain": (1.0, 0.0, 5.0)}\n'
ACTS = policy("return [PARAMS['gain'][0], 0]", GAIN)


def read(source: str) -> tuple[Constant, ...]:
    """Return what a real worker reads."""
    with Box() as box:
        return box.constants(source, VECTOR)


def refused(source: str) -> Failure:
    """Return why a real worker refuses."""
    with pytest.raises(PolicyFailed) as caught:
        read(source)
    return caught.value.failure


def told(source: str) -> list[tuple[str, float, float, float, bool]]:
    return [(each.name, each.value, each.low, each.high, each.whole) for each in declared(source)]


def test_what_a_worker_reads() -> None:
    source = dedent('''
        """A policy — with a wave."""
        PARAMS: dict = {
            "gain": (-1.5e-1, -2, 5.0),  # the "gain": (9, 9, 9)
            'steps': [20, 5, 1_000],
        }
    ''')
    expected = [("gain", -0.15, -2.0, 5.0, False), ("steps", 20.0, 5.0, 1000.0, True)]
    assert told(source) == expected
    assert read(f"{source}\nclass Policy: pass") == declared(source)
    encoded = source.encode()
    assert [encoded[each.start : each.end] for each in declared(source)] == [b"-1.5e-1", b"20"]


def test_a_source_without_constants_has_none() -> None:
    for source in ("x = 1", "def f():\n    PARAMS = {1: 2}", "PARAMS: dict"):
        assert declared(source) == ()
    assert read("x = 1") == ()
    assert declared("PARAMS = {}") == ()


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("PARAMS = dict(gain=(1, 0, 5))", "must be written out as a dict"),
        ("PARAMS = None", "must be written out as a dict"),
        ("PARAMS = {'gain': (1, 0, 5), **{}}", "keys of PARAMS must be names in quotes"),
        ("PARAMS = {3: (1, 0, 5)}", "keys of PARAMS must be names in quotes"),
        ("PARAMS = {'gain': 1.0}", r"PARAMS\['gain'\] must be \(value, low, high\)"),
        ("PARAMS = {'gain': (1.0, 0.0)}", r"PARAMS\['gain'\] must be \(value, low, high\)"),
        ("PARAMS = {'gain': (1.0, 0.0, 2 * 3)}", "three numbers written out in decimals"),
        ("PARAMS = {'gain': (0x10, 0.0, 20)}", "three numbers written out in decimals"),
        ("PARAMS = {'gain': (True, 0, 1)}", "three numbers written out in decimals"),
        ("PARAMS = {'gain': (1j, 0, 1)}", "three numbers written out in decimals"),
        ("PARAMS = {'gain': (nan, 0, 1)}", "three numbers written out in decimals"),
        ("PARAMS = {'gain': ('1', 0, 1)}", "three numbers written out in decimals"),
        ("PARAMS = {'gain': (float('nan'), 0, 1)}", "three numbers written out in decimals"),
        ("PARAMS = {'gain': (1e999, 0, 1)}", "must be finite and at most 1e.100"),
        ("PARAMS = {'gain': (1, 0, 1e200)}", "must be finite and at most 1e.100"),
        (f"PARAMS = {{'gain': (1, 0, 1{'0' * 400})}}", "must be finite and at most 1e.100"),
        ("PARAMS = {'gain': (6.0, 0.0, 5.0)}", "expected low <= value <= high, found 0, 6, 5"),
        ("PARAMS = {'gain': (1.0, 5.0, 0.0)}", "expected low <= value <= high, found 5, 1, 0"),
        ("PARAMS = {'a b': (1, 0, 5)}", "a name must be an ASCII identifier"),
        ("PARAMS = {'größe': (1, 0, 5)}", "a name must be an ASCII identifier"),
        (f"PARAMS = {{'{'x' * 65}': (1, 0, 5)}}", "a name must be an ASCII identifier of at most 64"),
        ("PARAMS = {'gain': (1, 0, 5), 'gain': (2, 0, 5)}", "PARAMS names 'gain' more than once"),
        ("PARAMS = {}\nPARAMS = {'gain': (1, 0, 5)}", "PARAMS is assigned 2 times"),
        (f"PARAMS = {dict.fromkeys(map(str, range(21)), (1, 0, 5))}", "has 21 entries; at most 20"),
    ],
)  # fmt: skip
def test_what_is_no_declaration_is_told(written: str, said: str) -> None:
    with pytest.raises(BadConstants, match=said):
        declared(written)


def test_a_worker_refuses_in_one_line() -> None:
    failure = refused("PARAMS = {'gain': (6.0, 0.0, 5.0)}\nclass Policy: pass")
    assert failure == Failure(
        "policy", "In reading 1:\nBadConstants: PARAMS['gain']: expected low <= value <= high, found 0, 6, 5"
    )
    assert refused("PARAMS = {").kind == "syntax"
    assert refused(f"x = {'-' * 20_000}1").kind in ("syntax", "error", "memory", "crash")


def test_reading_runs_no_code() -> None:
    hostile = "import os\nos._exit(3)\nwhile True:\n    pass\n"
    assert [each.value for each in read(f"{hostile}{GAIN}")] == [1.0]


numbers = st.floats(-1e6, 1e6, allow_nan=False) | st.integers(-(10**6), 10**6)
triples = st.tuples(numbers, numbers, numbers).map(sorted)
names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,63}", fullmatch=True)


@given(st.dictionaries(names, triples, max_size=MOST), st.data())
@settings(max_examples=60, deadline=None)
def test_other_values_change_nothing_else(entries: dict[str, list[float]], data: st.DataObject) -> None:
    shown = {name: (middle, low, high) for name, (low, middle, high) in entries.items()}
    head, tail = "# größer — \U0001f600\n", "  # end ß\nclass Policy: pass\n"
    source = f"{head}PARAMS = {shown!r}{tail}"
    found = declared(source)
    assert unpack(pack(found), source) == found
    assert {each.name: (each.value, each.low, each.high) for each in found} == shown
    assert (
        ast.literal_eval(rewritten(source, found, [each.value for each in found])[len(head) + 9 : -len(tail)]) == shown
    )
    values = [each.near(data.draw(st.floats(each.low - 1, each.high + 1))) for each in found]
    assert all(each.low <= value <= each.high for each, value in zip(found, values, strict=True))
    again = rewritten(source, found, values)
    assert again.startswith(f"{head}PARAMS = {{")
    assert again.endswith(f"}}{tail}")
    told_again = declared(again)
    assert [each.value for each in told_again] == values
    assert [(each.name, each.low, each.high, each.whole) for each in told_again] == [
        (each.name, each.low, each.high, each.whole) for each in found
    ]


def test_values_are_short_and_whole_ones_stay_whole() -> None:
    gain, steps = declared('PARAMS = {"gain": (1.0, 0.0, 1.2345678), "steps": (20, 5, 60)}')
    assert (gain.near(1 / 3), gain.near(9.0), gain.near(-9.0)) == (0.333333, 1.2345678, 0.0)
    assert (steps.near(30.4), steps.near(99.0)) == (30.0, 60.0)
    assert (gain.written(2.0), steps.written(30.0)) == ("2.0", "30")


START = len('PARAMS = {"gain": (')


def entry(name: bytes, *numbers: float, start: int = START, end: int = START + 3, whole: bool = False) -> bytes:
    return struct.pack("<B3d2I?", len(name), *numbers, start, end, whole) + name


@pytest.mark.parametrize(
    "content",
    [
        b"\x01",
        b"\x01" + entry(b"gain", 1.0, 0.0, 5.0)[:-1],
        b"\x01" + entry(b"gain", 1.0, 0.0, 5.0) + b"x",
        b"\x00" + entry(b"gain", 1.0, 0.0, 5.0),
        b"\x02" + 2 * entry(b"gain", 1.0, 0.0, 5.0),
        b"\x01" + entry(b"gain", float("nan"), 0.0, 5.0),
        b"\x01" + entry(b"gain", 1.0, float("-inf"), 5.0),
        b"\x01" + entry(b"gain", 1.0, 2.0, 5.0),
        b"\x01" + entry(b"gain", 2.0, 0.0, 5.0),
        b"\x01" + entry(b"gain", 1.0, 0.0, 5.0, start=0, end=3),
        b"\x01" + entry(b"gain", 1.0, 0.0, 5.0, end=9_000),
        b"\x01" + entry(b"gain", 1.0, 0.0, 5.0, start=START + 3, end=START),
        b"\x01" + entry(b"gain", 1.0, 0.5, 5.0, whole=True),
        b"\x01" + entry("gäin".encode(), 1.0, 0.0, 5.0),
        b"\x01" + entry(b"a b", 1.0, 0.0, 5.0),
        b"\x01" + entry(b"", 1.0, 0.0, 5.0),
        b"\xff" + 21 * entry(b"gain", 1.0, 0.0, 5.0),
    ],
)
def test_the_parent_believes_nothing(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(unpack(b"\x01" + entry(b"gain", 1.0, 0.0, 5.0), GAIN)) == 1
    reply = frame(DECLARED, STEP_1 + content)
    worker(
        monkeypatch, f"send({READY_FRAME!r}); receive(); send({frame(LOADED)!r}); receive(); send({reply!r}); receive()"
    )
    with Box() as box, pytest.raises(PolicyFailed) as caught:
        box.constants(GAIN, VECTOR)
    assert caught.value.failure.kind == "protocol"


def test_one_worker_loads_one_source_after_the_other() -> None:
    with Box() as box:
        (gain,) = box.constants(ACTS, VECTOR)
        pids = set()
        for value in (0.5, 2.0, 1.0):
            box.load(rewritten(ACTS, [gain], [value]), [1, 2], VECTOR)
            for _ in range(2):
                assert list(box.act([0, 1], np.zeros(8).tobytes())) == [value, 0.0] * 2
            pids.add(box.pid)
        assert len(pids) == 1
        box.load(policy("return obs[:2]"), [1], VECTOR)
        assert list(box.act([0], np.arange(4.0).tobytes())) == [0.0, 1.0]
        with pytest.raises(PolicyFailed) as caught:
            box.load(policy("return [1, 2]", "x = y"), [1], VECTOR)
        assert caught.value.failure.kind == "error"
        assert box.failed


def test_episodes_of_one_source_know_nothing_of_those_before() -> None:
    head = "import random\nimport numpy as np\nclass Other:\n    count = 0"
    source = policy("Other.count += 1\nreturn [Other.count, random.random() + np.random.rand()]", head)
    rows = []
    with Box() as box:
        for _ in range(3):
            box.load(source, [7], VECTOR)
            rows.append(list(box.act([0], np.zeros(4).tobytes())))
    assert rows[0] == rows[1] == rows[2]


def test_a_worker_answers_nothing_but_what_it_loaded() -> None:
    with Box(limits=Limits(step_s=2.0)) as box:
        box.constants(ACTS, VECTOR)
        with pytest.raises(PolicyFailed):  # no policy is loaded yet
            box._ask(frame(protocol.SUMMARIZE, bytes(8)), protocol.SUMMARY, range(1, 9))


def test_other_signatures() -> None:
    with Box() as box:
        assert len(box.constants(GAIN, Signature(None, 3, discrete=True))) == 1
