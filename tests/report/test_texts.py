from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from r2po.report import texts
from r2po.report.packing import Values, unpack
from r2po.report.spent import spent_by_role
from r2po.report.texts import Asked, pack_texts, read_asked, without_rollouts
from r2po.runlog.events import read_calls
from r2po.runlog.packing import unfold
from tests.analysis.made_calls import write_calls

STEPS = "\n".join(f"[{k}.0, -1]->{k % 2}->[{k + 1}.0, -1]" for k in range(9))


def asked(prompt: str, iteration: int = 1, role: str = "search") -> Asked:
    return Asked(iteration, role, 0, 1, prompt, "a reply")


def prompts_of(block: Values) -> list[str]:
    """Return the prompts as the page puts them together."""
    found = []
    for call in block["calls"]:
        starts, lengths = call["p"][::2], call["p"][1::2]
        lines = [
            block["lines"][start + more]
            for start, length in zip(starts, lengths, strict=True)
            for more in range(length)
        ]
        text = "\n".join(lines)
        found.append(unfold(text) if call["folds"] else text)
    return found


def test_prompts_come_back_exactly(cartpole: Path) -> None:
    calls, problem = read_asked(cartpole)
    block = unpack(pack_texts(calls))
    assert problem == ""
    assert prompts_of(block) == [call.prompt for call in read_calls(cartpole)]
    assert [call["reply"] for call in block["calls"]] == [call.reply for call in read_calls(cartpole)]


@pytest.mark.parametrize(
    "prompt", ["", "\n\n", "a\r\nb\x00c", f"{STEPS}\n{STEPS}", "1->2->3\n3->4->5\n->\n", "\ud800\u2028x"]
)
def test_any_prompt_comes_back_exactly(prompt: str) -> None:
    assert prompts_of(unpack(pack_texts([asked("a\nb"), asked(prompt), asked("b\na")]))) == ["a\nb", prompt, "b\na"]


def test_each_line_stands_once() -> None:
    block = unpack(pack_texts([asked("a\nb\nc"), asked("a\nb\nc\nd")]))
    assert block["lines"] == ["a", "b", "c", "d"]
    assert [call["p"] for call in block["calls"]] == [[0, 3], [0, 4]]


def test_rollouts_are_left_out_as_one_line() -> None:
    assert without_rollouts(f"before\n{STEPS}\nafter 1->2\n") == "before\n\x019\nafter 1->2\n"
    tiny = "\n".join(f"[1.0, {k}e-05]->-1->[1.0, 9e-06]" for k in range(8))
    assert without_rollouts(f"{tiny}\nend") == "\x018\nend"
    compact = "\n".join(f"{f'{k}: ' if k % 10 == 0 else ''}1.{k} -.25 | 1" for k in range(20))
    assert without_rollouts(f"# History\n{compact}\n[ended]\n| a | b |") == "# History\n\x0120\n[ended]\n| a | b |"
    assert without_rollouts("1->0->2\n2->0->3") == "1->0->2\n2->0->3"


def test_only_old_prompts_of_large_pages_lose_their_rollouts(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = [asked(f"# A\n{STEPS}\nend", iteration) for iteration in range(1, 151)]
    assert prompts_of(unpack(pack_texts(calls))) == [call.prompt for call in calls]
    monkeypatch.setattr(texts, "LARGEST", 10)
    assert prompts_of(unpack(pack_texts(calls, whole=True))) == [call.prompt for call in calls]
    found = prompts_of(unpack(pack_texts(calls)))
    assert found == ["# A\n\x019\nend"] * 50 + [call.prompt for call in calls[50:]]


def test_what_calls_took_is_counted_by_role(tmp_path: Path) -> None:
    replies = [(1, "search", 100, 10), (1, "critic", 50, None), (2, "search", 200, 20), (2, "critic", 60, 6)]
    write_calls(tmp_path, replies, refused=[3])
    search, critic = spent_by_role(read_asked(tmp_path)[0], {"search": 0.25})
    assert (search["role"], search["asked"], search["replies"], search["refused"]) == ("search", 2, 2, 1)
    assert (search["seconds"], search["cost"]) == (2.0, 0.25)
    assert search["tokens"]["prompt_tokens"] == 300
    assert critic["tokens"] == {
        "prompt_tokens": 110,
        "cached_tokens": None,
        "completion_tokens": None,
        "reasoning_tokens": None,
    }
    assert critic["cost"] is None


@pytest.mark.parametrize(
    ("waited", "median"), [((1.0, 100.0), 50.5), ((7.0, 1.0, 100.0), 7.0), ((2.0, 1.0, 4.0, 9.0), 3.0)]
)
def test_the_median_of_what_replies_took(waited: Sequence[float], median: float) -> None:
    calls = [Asked(1, "search", sample, 1, "prompt", "reply", seconds=each) for sample, each in enumerate(waited)]
    assert spent_by_role(calls, {})[0]["median_s"] == median


def test_a_damaged_log_is_read_up_to_the_damage(tmp_path: Path) -> None:
    write_calls(tmp_path, [(1, "search", 1, 1), (2, "search", 1, 1)])
    log = tmp_path / "llm_calls.jsonl"
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join([*lines[:3], '{"event": "reply", "call": 9}\n']))
    calls, problem = read_asked(tmp_path)
    assert [call.iteration for call in calls] == [1, 2]
    assert calls[1].reply is None
    assert problem.startswith("damaged log: llm_calls.jsonl, line 4")
