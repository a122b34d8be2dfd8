"""Analyses read logs: they need neither what made them nor, to read them, what draws."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOM = Path(__file__).parents[2] / "r2po" / "analysis"
MODULES = [
    ".".join(("r2po", "analysis", *path.relative_to(ROOM).with_suffix("").parts))
    for path in sorted(ROOM.rglob("*.py"))
    if path.name != "__init__.py"
]
ROOMS = ("methods", "baselines", "config", "experiment", "llm", "policies", "prompts", "rollout", "tasks.spaces")
MAKERS = [f"r2po.{name}" for name in ROOMS]


@pytest.mark.parametrize(
    ("modules", "absent"),
    [
        (MODULES, ["gymnasium", "jinja2", "matplotlib", "pandas", *MAKERS]),
        ([name for name in MODULES if name.startswith("r2po.analysis.logs.")], ["fcntl", "scipy"]),
    ],
    ids=["all", "logs"],
)
def test_importing_loads_neither_makers_nor_what_draws(modules: list[str], absent: list[str]) -> None:
    program = f"import sys\nimport {', '.join(modules)}\nprint([name for name in {absent} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
