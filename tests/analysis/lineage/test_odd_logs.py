"""``r2po show`` of logs that are damaged, and of logs that no method writes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from r2po.errors import InputError
from tests.analysis.lineage.lineages import GOOD, iteration, shown, write_log


@st.composite
def damages(draw: st.DrawFn) -> list[tuple[str, float, bytes, int]]:
    """Draw what happens to files: where, by what it is replaced, how much of it."""
    names = st.sampled_from(["run.yaml", "iterations.jsonl", "evaluations.jsonl", "llm_calls.jsonl", "warmup.jsonl"])
    texts = st.sampled_from([b"", b"\n", b"null", b"-1", b"1e999", b'"', b"{}", b"\x00", b"\xff", b"[[", b"9" * 400])
    damage = st.tuples(names, st.floats(0, 1), texts, st.integers(0, 40))
    return draw(st.lists(damage, min_size=1, max_size=4))


@given(damage=damages())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.slow
def test_whatever_happens_to_the_files_it_prints_or_refuses(
    real: Path, tmp_path: Path, damage: list[tuple[str, float, bytes, int]]
) -> None:
    run = tmp_path / "run_1"
    shutil.rmtree(run, ignore_errors=True)
    shutil.copytree(real, run)
    for name, share, text, length in damage:
        data = (run / name).read_bytes()
        start = int(share * len(data))
        (run / name).write_bytes(data[:start] + text + data[start + length :])
    for options in ({}, {"diff": True, "sources": True}, {"iteration": 1}):
        assert _shown_or_refused(run, **options)


def _shown_or_refused(run: Path, **options: Any) -> str:
    try:
        return shown(run, **options)
    except InputError as error:
        told = str(error)
    # There may be no such iteration, or a version that is not known.
    assert options.get("iteration") or "schema" in told
    return told


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
ODD = st.sampled_from([0.0, -1.5, 1e308, -1e308, float("nan"), float("inf"), 10**400, -(10**400)])
STAGES = st.sampled_from(
    ["proposal", "revision", "candidate_1", *(f"candidate_1_repair_{n}" for n in range(4)), "", "_"]
)
candidates = st.one_of(
    st.builds(
        lambda stage, returns, params: {"stage": stage, "returns": returns, "params": params},
        st.sampled_from(
            ["proposal", "revision", "candidate_1", "candidate_1_repair_1", "candidate_1_repair_3", "", "_"]
        ),
        st.lists(ODD.filter(lambda value: abs(value) != 10**400), min_size=1, max_size=3),
        st.lists(ODD, max_size=3),
    ),
    st.builds(
        lambda stage, source, text: {"stage": stage, "source": source, "failure": {"kind": text, "text": text}},
        STAGES,
        st.sampled_from(["", GOOD, "\n", "\r\n\t"]),
        st.text(max_size=8),
    ),
)


@given(
    made=st.lists(st.lists(candidates, max_size=5), max_size=4),
    notes=st.dictionaries(
        st.sampled_from(["feedback", "reflection", "equal", "tuning", "summaries", "x"]), json_values
    ),
    accepted=st.integers(0, 5),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_odd_logs_are_shown(
    tmp_path: Path, made: list[list[dict[str, Any]]], notes: dict[str, Any], accepted: int
) -> None:
    shutil.rmtree(tmp_path / "run_1", ignore_errors=True)
    records = [
        {
            **iteration(number, [{**each, "reward": 1.0} for each in several], None, None, notes=notes),
            **({"accepted": accepted, "reward": 1.0, "best_reward": 1.0} if accepted < len(several) else {}),
        }
        for number, several in enumerate(made, 1)
    ]
    run = write_log(tmp_path, "r2po", records)
    for options in ({}, {"diff": True, "sources": True}, {"best": True}):
        text = shown(run, **options)
        assert f"{len(made)} of 10 iterations" in text
        assert "not as written" not in text
