"""A run whose output is closed, full, or read by nobody."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.process.processes import MAIN, NIM, environ, write_config


def run(folder: Path, redirection: str) -> subprocess.CompletedProcess[str]:
    write_config(folder, {**NIM, "llm_model_name": "embedded/search", "num_iterations": 2})
    command = f'"{sys.executable}" "{MAIN}" --config config.yaml {redirection}'
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=folder,
        env=environ(),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("redirection", [">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.sampled(3)
def test_without_a_stream_a_run_goes_to_its_end(redirection: str, tmp_path: Path) -> None:
    done = run(tmp_path, redirection)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "logs/run_1/result.json").exists()
    # None of the files of the run got the number of a closed stream, and so what was printed.
    assert "iteration 1/2" not in "".join(path.read_text() for path in (tmp_path / "logs/run_1").glob("*.json*"))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")  # noqa: PTH110
def test_a_full_disk_below_the_output_is_not_blamed_on_the_run(tmp_path: Path) -> None:
    done = run(tmp_path, ">/dev/full")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: cannot write the output: No space left on device; to continue: python ")
    assert line.endswith("--config config.yaml --resume 1")


def test_when_nobody_reads_any_more_the_run_says_how_to_continue(tmp_path: Path) -> None:
    done = run(tmp_path, "| head -1")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: stopped, since nobody reads the output any more; to continue: python ")
