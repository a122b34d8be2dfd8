"""The script around the foreign servers, and what the table says of them; no foreign server is started."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.documents import DOCS, read_table
from tests.foreign.__main__ import TABLE
from tests.foreign.servers import Foreign, openai
from tests.foreign.trials import TRIALS, cut, doctor
from tests.real_server import byte_model, needs_server

ROOT = Path(__file__).parents[2]
GONE = Foreign(
    "nobody", "OpenAI", "local", "remote", "OPENAI_API_KEY", {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}, "none"
)


def script(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [str(ROOT / "tools/foreign_servers"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environ})


def test_help_installs_nothing() -> None:
    said = script("--help")
    assert (said.returncode, said.stderr) == (0, "")
    assert "tools/foreign_servers [DIR] [-- OPTIONS]" in said.stdout
    assert "#" not in said.stdout
    assert not (ROOT / "--help").exists()


@pytest.mark.parametrize(
    ("arguments", "named"), [(["--model", "smollm2"], "--model"), (["folder", "smollm2"], "smollm2")]
)
def test_what_is_not_understood_is_one_line(arguments: list[str], named: str) -> None:
    said = script(*arguments)
    assert said.returncode == 2
    assert said.stderr.startswith(f"error: {named} is ")
    assert said.stderr.count("\n") == 1


def test_a_missing_environment_is_named(tmp_path: Path) -> None:
    said = script(VENV=str(tmp_path))
    assert (said.returncode, said.stdout) == (2, "")
    assert f"there is no {tmp_path}/bin/python: run make setup" in said.stderr


def test_a_doctor_that_fails_says_why() -> None:
    assert doctor(GONE).startswith("FAILED at server: cannot reach OpenAI")
    claude = replace(GONE, model="claude-local", environ={})
    assert doctor(claude).startswith("FAILED at key: ANTHROPIC_API_KEY is not set")


@needs_server
def test_a_reply_is_cut_whatever_the_model_writes() -> None:
    with openai(byte_model().path) as foreign:
        assert {cut(foreign) for _ in range(5)} == {"a reply, ended by 'length'"}


def test_the_table_has_every_trial_in_every_format() -> None:
    header, _, *rows = read_table(DOCS / "providers.md", TABLE).strip().splitlines()
    assert [cell.split(":")[0].strip() for cell in header.strip("|").split("|")[1:]] == [
        "OpenAI",
        "Anthropic",
        "Gemini",
        "Ollama",
    ]
    lines = [row.strip("|").split("|") for row in rows if row.startswith("|")]
    assert [line[0].strip() for line in lines] == list(TRIALS)
    assert all(len(line) == 5 and all(cell.strip() for cell in line) for line in lines)
    assert "FAILED" not in "".join(rows)
    assert lines[list(TRIALS.values()).index(cut)][1].strip() == "a reply, ended by 'length'"
    assert rows[-1].startswith("Seen on 20")
