"""Checksums: what happens to a line is seen, and where; what a kill leaves is no damage."""

from __future__ import annotations

import bz2
import json
import threading
import tracemalloc
from base64 import b85encode
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from r2po.errors import InputError
from r2po.llm.store import CallStore
from r2po.llm.types import Question, Reply
from r2po.llm.usage import MOST_TOKENS, Usage
from r2po.runlog import RunDirectory, RunLockedError, list_runs, open_run
from r2po.runlog.chain import origin
from r2po.runlog.jsonl import Appender, DamagedLog, iterate_lines, sums_of
from r2po.runlog.packing import LARGEST, pack, unpack
from tests.unsealed import unseal

Lines = list[bytes]
CHANGES: dict[str, tuple[Callable[[Lines], Lines], int]] = {
    "lost": (lambda lines: [lines[0], *lines[2:]], 2),
    "first lost": (lambda lines: lines[1:], 1),
    "doubled": (lambda lines: [*lines[:2], *lines[1:]], 3),
    "swapped": (lambda lines: [lines[0], lines[2], lines[1], lines[3]], 2),
    "a digit": (lambda lines: [*lines[:2], lines[2].replace(b'"n":2', b'"n":7'), lines[3]], 3),
    "without a checksum": (lambda lines: [*lines[:3], b'{"n":3}\n'], 4),
    "no comma": (lambda lines: [lines[0].replace(b',"sum"', b'"sum"'), *lines[1:]], 1),
    "another checksum": (lambda lines: [lines[0][:-5] + b'00"}\n', *lines[1:]], 1),
}


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """A described run with a log of four lines."""
    directory = RunDirectory.create(tmp_path / "logs")
    directory.write_description({"seed": 1, "protocol": "published", "model": "m", "stand_in": False, "config": {}})
    write(directory.warmup, range(4))
    return directory


def write(path: Path, numbers: range) -> None:
    log = Appender(path)
    for number in numbers:
        log.append({"n": number})
    log.close()


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_log_is_refused_at_the_line(name: str, run: RunDirectory) -> None:
    change, number = CHANGES[name]
    damaged = b"".join(change(run.warmup.read_bytes().splitlines(keepends=True)))
    run.warmup.write_bytes(damaged)
    for read in (lambda: list(iterate_lines(run.warmup)), lambda: Appender(run.warmup)):
        with pytest.raises(DamagedLog, match=rf"warmup\.jsonl, line {number}: (it|not a JSON)"):
            read()
    assert run.warmup.read_bytes() == damaged


def test_checksums_are_no_part_of_a_record_and_go_on_after_a_tear(run: RunDirectory) -> None:
    whole = run.warmup.read_bytes()
    run.warmup.write_bytes(whole[:-9])
    write(run.warmup, range(3, 4))
    assert run.warmup.read_bytes() == whole
    assert list(iterate_lines(run.warmup)) == [{"n": number} for number in range(4)]


def test_a_torn_line_stays_until_something_is_appended(run: RunDirectory) -> None:
    torn = run.warmup.read_bytes() + b'{"n":'
    run.warmup.write_bytes(torn)
    Appender(run.warmup).close()
    assert run.warmup.read_bytes() == torn


def test_a_changed_seed_is_seen_in_the_description_and_in_each_log(run: RunDirectory) -> None:
    path = run.path / "run.yaml"
    text = path.read_text()
    path.write_text(text.replace("seed: 1", "seed: 2"))
    with pytest.raises(DamagedLog, match=r"run\.yaml is damaged: it was changed since it was written"):
        run.read_description()
    with pytest.raises(DamagedLog, match=r"warmup\.jsonl, line 1"):
        list(iterate_lines(run.warmup))
    path.write_text("".join(line for line in text.splitlines(keepends=True) if not line.startswith("sum:")))
    with pytest.raises(DamagedLog, match=r"run\.yaml is damaged: it has no checksum, which schema 5 has"):
        run.read_description()


def test_what_is_appended_to_an_older_log_covers_it(run: RunDirectory) -> None:
    unseal(run.path)
    write(run.warmup, range(4, 6))
    assert [record["n"] for record in iterate_lines(run.warmup)] == list(range(6))
    run.warmup.write_bytes(run.warmup.read_bytes().replace(b'"n":1', b'"n":8'))
    with pytest.raises(DamagedLog, match=r"line 5: .*changed, or a line before it or run\.yaml was"):
        list(iterate_lines(run.warmup))
    assert not origin(run.path)[1]


def test_threads_write_one_chain(tmp_path: Path) -> None:
    store = CallStore(tmp_path)

    def ask(sample: int) -> None:
        for attempt in range(10):
            question = Question(1, "search", sample, attempt, f"prompt {sample} {attempt}")
            store.reply(store.request(f"{sample} {attempt}", question), f"{sample} {attempt}", Reply("yes"), "", 0.1)

    threads = [threading.Thread(target=ask, args=(sample,)) for sample in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.close()
    assert sums_of(store.path)[-1] == store.sum
    with closing(CallStore(tmp_path)) as again:
        assert len(again.replies) == 80


def test_an_append_by_another_process_is_noticed_before_the_next_write(run: RunDirectory) -> None:
    # As where flock excludes nobody: two appenders of one file.
    ours, theirs = Appender(run.warmup), Appender(run.warmup)
    theirs.append({"n": 4})
    before = run.warmup.read_bytes()
    with pytest.raises(RunLockedError, match=r"is being run by another process too: it has written to warmup\.jsonl"):
        ours.append({"n": 4})
    assert run.warmup.read_bytes() == before
    theirs.append({"n": 5})
    assert len(list(iterate_lines(run.warmup))) == 6
    ours.close()
    theirs.close()


def test_a_failed_write_is_no_other_process(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Appender(run.warmup)

    class Full:
        """A disk without room."""

        def __getattr__(self, name: str) -> object:
            return getattr(log_file, name)

        def write(self, data: bytes) -> None:
            log_file.write(data[:5])
            log_file.flush()
            raise OSError(28, "No space left on device")

    log_file = log._file._file
    monkeypatch.setattr(log._file, "_file", Full())
    for expected in ("No space left", "an earlier write to .* failed"):
        with pytest.raises(OSError, match=expected):
            log.append({"n": 4})
    log_file.close()


# ---- Texts and counts that are too large ----


def test_few_bytes_that_stand_for_gigabytes_are_refused() -> None:
    bomb = {"bz2_b85": b85encode(bz2.compress(b"\0" * 3 * LARGEST)).decode()}
    assert len(bomb["bz2_b85"]) < 1000
    tracemalloc.start()
    with pytest.raises(ValueError, match="a packed text is damaged"):
        unpack(bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2.5 * LARGEST


def test_a_text_that_could_not_be_unpacked_is_not_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("r2po.runlog.packing.LARGEST", 5000)
    for length in (4999, 5000, 5001, 20000):
        text = "x" * length
        assert unpack(pack(text)) == text


@pytest.mark.parametrize("count", [10**400, MOST_TOKENS + 1, -1], ids=["huge", "large", "negative"])
def test_a_count_that_no_reply_can_have_is_unknown(count: int, tmp_path: Path) -> None:
    usage = Usage(prompt_tokens=count, completion_tokens=3)
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total) == (None, 3, None)
    store = CallStore(tmp_path)
    store.reply(store.request("key", Question(1, "search", 0, 1, "p")), "key", Reply("yes"), "", 0.1)
    store.close()
    # As earlier versions recorded it.
    events = list(iterate_lines(store.path))
    events[1]["usage"]["prompt_tokens"] = count
    store.path.write_text("".join(json.dumps(event) + "\n" for event in events))
    with closing(CallStore(tmp_path)) as again:
        (reply,) = again.replies
    assert reply.reply.usage.prompt_tokens is None


# ---- Paths ----


@pytest.mark.parametrize("name", ["x" * 300, "a\0b", "self/run_1"])
def test_a_path_that_cannot_be_looked_at_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / "self").symlink_to("self")
    # From Python 3.13 on, a link to itself is no folder, and no error of its own.
    with pytest.raises(InputError, match=r"cannot read '|self/run_1 is not a run directory"):
        open_run(tmp_path / name)


def test_a_folder_that_cannot_be_listed_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read '.*': File name too long"):
        list_runs(tmp_path / ("x" * 300))


@pytest.mark.parametrize("name", ["run.yaml", "iterations.jsonl", "result.json"])
def test_a_folder_in_place_of_a_file_is_named(name: str, run: RunDirectory) -> None:
    path = run.path / name
    path.unlink(missing_ok=True)
    path.mkdir()
    readers = {
        "run.yaml": run.read_description,
        "iterations.jsonl": run.read_iterations,
        "result.json": run.read_result,
    }
    with pytest.raises(DamagedLog, match=f"cannot read .*{name}: Is a directory"):
        readers[name]()
