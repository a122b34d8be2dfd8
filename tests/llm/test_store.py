"""The call store: prompts packed and unpacked, replies that survive a kill, keys that tell calls apart."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from r2po.llm.store import CallStore, call_key
from r2po.llm.types import AttemptFailed, Question, Reply
from r2po.llm.usage import Usage
from r2po.runlog.events import FILE, Requested, read_events
from r2po.runlog.jsonl import DamagedLog, iterate_lines

QUESTION = Question(3, "search", 0, 1, "prompt")
REPLY = Reply("params[0]: 1", "thought", "stop", Usage(10, 5, 3, None), {"num_ctx": 4096}, served={"model": "tiny"})


def question(prompt: str, role: str = "search", **changes: Any) -> Question:
    return dataclasses.replace(QUESTION, prompt=prompt, role=role, **changes)


def record(store: CallStore, asked: Question, reply: Reply = REPLY) -> str:
    """Ask and answer; return the key."""
    key = call_key("model", {}, asked)
    store.reply(store.request(key, asked), key, reply, "", 0.5)
    return key


heads = st.sampled_from(["", "You optimize. ", "You optimize. Trial 1: \N{SNOWMAN}\n", "x" * 300])


@given(st.lists(st.tuples(st.sampled_from(["search", "critic"]), st.tuples(heads, st.text())), max_size=6))
@settings(max_examples=50)
def test_every_prompt_comes_back(asked: list[tuple[str, tuple[str, str]]]) -> None:
    with TemporaryDirectory() as folder:
        half = len(asked) // 2
        # Over two processes: what the second packs against is read from the log of the first.
        for part in (asked[:half], asked[half:]):
            store = CallStore(Path(folder))
            for role, (head, tail) in part:
                store.request("key", question(head + tail, role))
            store.close()
        events = read_events(Path(folder, FILE))
        unpacked = [(event.role, event.prompt) for event in events if isinstance(event, Requested)]
        assert unpacked == [(role, head + tail) for role, (head, tail) in asked]


def test_a_prompt_that_repeats_most_of_the_one_before_takes_little_room(tmp_path: Path) -> None:
    store = CallStore(tmp_path)
    history = "".join(f"Trial {index}: params[0]: {index % 7}.{index % 10}\n" for index in range(2000))
    store.request("a", question(f"{history}Now 1"))
    store.close()
    store = CallStore(tmp_path)
    before = (tmp_path / FILE).stat().st_size
    store.request("b", question(f"{history}Trial 2000: params[0]: 1.0\nNow 2"))
    store.close()
    assert (tmp_path / FILE).stat().st_size - before < 600


def test_a_damaged_prompt_is_noticed(tmp_path: Path) -> None:
    store = CallStore(tmp_path)
    store.request("a", question("one"))
    store.close()
    event = next(iterate_lines(tmp_path / FILE))
    event["prompt_sha256"] = "0" * 64
    (tmp_path / FILE).write_text(json.dumps(event) + "\n")
    with pytest.raises(DamagedLog, match="call 1 is damaged"):
        list(read_events(tmp_path / FILE))


def change(path: Path, number: int, **changes: Any) -> None:
    """Change keys of an event; they count from 0."""
    events = list(iterate_lines(path))
    events[number] |= changes
    path.write_text("".join(json.dumps(event) + "\n" for event in events))


def test_an_event_of_an_unknown_kind_is_no_reply(tmp_path: Path) -> None:
    store = CallStore(tmp_path)
    record(store, QUESTION)
    store.close()
    change(tmp_path / FILE, 1, event="rumour")
    with pytest.raises(DamagedLog, match=r"llm_calls\.jsonl, line 2: call 1 has an unknown event 'rumour'"):
        list(read_events(tmp_path / FILE))


def test_unknown_counts_of_tokens_name_the_log(tmp_path: Path) -> None:
    store = CallStore(tmp_path)
    record(store, QUESTION)
    store.close()
    change(tmp_path / FILE, 1, usage={"words": 3})
    with pytest.raises(DamagedLog) as caught:
        CallStore(tmp_path)
    assert str(caught.value) == f"damaged log: {tmp_path / FILE}: call 1 has unknown counts of tokens"


@pytest.mark.parametrize("served", [7, None, ["tiny"], {"model": 7}])
def test_a_damaged_note_of_who_answered_is_noticed(served: object, tmp_path: Path) -> None:
    store = CallStore(tmp_path)
    record(store, QUESTION)
    store.close()
    change(tmp_path / FILE, 1, served=served)
    with pytest.raises(DamagedLog, match="call 1: served is"):
        list(read_events(tmp_path / FILE))


def test_a_reply_comes_back_whole(tmp_path: Path) -> None:
    store = CallStore(tmp_path)
    key = record(store, QUESTION)
    found = store.find(key, 3)
    store.close()
    again = CallStore(tmp_path)
    assert again.find(key, 3) == found
    assert found is not None
    assert (found.role, found.reply, found.refusal, found.latency_s) == ("search", REPLY, "", 0.5)
    assert again.replies == [found]
    assert again.find("another key", 3) is None
    again.close()


def test_replies_survive_a_tear_at_any_byte(tmp_path: Path) -> None:
    store = CallStore(tmp_path)
    keys = [record(store, question(prompt)) for prompt in ("one", "one two", "three")]
    interrupted_key = call_key("model", {}, question("four"))
    store.request(interrupted_key, question("four"))
    store.close()
    whole = (tmp_path / FILE).read_bytes()
    for cut in range(len(whole) + 1):
        (tmp_path / FILE).write_bytes(whole[:cut])
        events = [json.loads(line)["event"] for line in whole[:cut].split(b"\n")[:-1]]
        store = CallStore(tmp_path)
        assert [key for key in keys if store.find(key, 3)] == keys[: events.count("reply")]
        assert store.interrupted == events.count("request") - events.count("reply")
        store.close()
    # After a tear the log goes on with numbers and prompts that fit.
    (tmp_path / FILE).write_bytes(whole[:-5])
    store = CallStore(tmp_path)
    record(store, question("three and a half"))
    store.close()
    asked = [event for event in read_events(tmp_path / FILE) if isinstance(event, Requested)]
    assert [event.call for event in asked] == [1, 2, 3, 4]
    assert asked[-1].prompt == "three and a half"


def test_calls_that_were_under_way(tmp_path: Path) -> None:
    store = CallStore(tmp_path)
    failed = AttemptFailed("busy", retryable=True, status=503)
    lost, refused, late = (question(prompt) for prompt in ("lost", "refused", "late"))
    store.request(call_key("model", {}, late), late)  # interrupted, and answered by a later process
    call = store.request(call_key("model", {}, refused), refused)
    store.failure(call, 1, failed)
    store.gave_up(call)
    store.close()
    store = CallStore(tmp_path)
    assert (store.interrupted, store.failures) == (1, 1)
    record(store, late)
    store.failure(store.request(call_key("model", {}, lost), lost), 1, failed)
    store.close()
    store = CallStore(tmp_path)
    assert (store.interrupted, store.failures, len(store.replies)) == (1, 2, 1)
    store.close()


def test_one_reply_per_key_and_in_order(tmp_path: Path) -> None:
    store = CallStore(tmp_path)
    for prompt in ("b", "a", "c"):
        record(store, question(prompt), dataclasses.replace(REPLY, text=prompt))
    store.close()
    again = CallStore(tmp_path)
    assert [recorded.reply.text for recorded in again.replies] == ["b", "a", "c"]
    again.close()


def test_a_key_changes_with_every_part_that_shapes_the_reply() -> None:
    sampling = {"temperature": 0.0, "top_p": 0.5}
    keys = [
        call_key("model", sampling, QUESTION),
        call_key("other", sampling, QUESTION),
        call_key("model", {**sampling, "temperature": 1.0}, QUESTION),
        call_key("model", {"temperature": 0.0}, QUESTION),
        call_key("model", {}, QUESTION),
        call_key("model", sampling, question("another prompt")),
        call_key("model", sampling, question("prompt", sample=1)),
        call_key("model", sampling, question("prompt", attempt=2)),
    ]
    assert len(set(keys)) == len(keys)


def test_a_key_does_not_depend_on_the_order_of_the_settings() -> None:
    one, other = {"temperature": 0.0, "top_p": 0.5}, {"top_p": 0.5, "temperature": 0.0}
    assert call_key("model", one, QUESTION) == call_key("model", other, QUESTION)


def test_a_reply_with_half_a_surrogate_pair_is_recorded(tmp_path: Path) -> None:
    store = CallStore(tmp_path)
    key = record(store, QUESTION, Reply("params[0]: 1 \ud83d", thinking="\udc00"))
    store.close()
    again = CallStore(tmp_path)
    found = again.find(key, 3)
    again.close()
    assert found is not None
    assert (found.reply.text, found.reply.thinking) == ("params[0]: 1 \ud83d", "\udc00")


def test_a_prompt_with_half_a_surrogate_pair_is_recorded(tmp_path: Path) -> None:
    # A method may put what a provider outside the package replied into its next prompt.
    store = CallStore(tmp_path)
    record(store, question("You said \ud83d"), Reply("yes"))
    store.close()
    request, _ = read_events(store.path)
    assert isinstance(request, Requested)
    assert request.prompt == "You said \ud83d"
