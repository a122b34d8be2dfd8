"""Rooms can be imported without what they must not need; ``make lint`` checks which rooms they name (import-linter)."""

from __future__ import annotations

import subprocess
import sys

import pytest

READ_LOGS = ["import r2po.analysis.logs.load", "from r2po import load_runs"]


def import_without(missing: list[str], code: str) -> None:
    """Run code in a process where importing some modules fails; pandas imports fcntl, too, but does without."""
    script = f"import sys; sys.modules.update(dict.fromkeys({missing})); {code}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode == 0


def test_asking_a_model_takes_no_environment() -> None:
    code = "import r2po.llm.client, r2po.llm.providers.replay, r2po.llm.registry, r2po.llm.store"
    import_without(["gymnasium", "jinja2"], code)


@pytest.mark.parametrize("code", READ_LOGS)
def test_reading_logs_takes_no_environment_no_template_and_no_lock(code: str) -> None:
    import_without(["gymnasium", "jinja2", "fcntl"], code)
