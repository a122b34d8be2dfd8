"""Without PyTorch and Stable-Baselines3 everything else works, and their suites say what is missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.baselines.sb3.suites import SUITES

HIDE = """
import sys
from importlib.abc import MetaPathFinder

HIDDEN = {"torch", "stable_baselines3", "sb3_contrib"}

class Hider(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in HIDDEN:
            raise ModuleNotFoundError(f"No module named {name!r}")
        return None

sys.meta_path.insert(0, Hider())
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name in HIDDEN else found(name, package)
"""


def run_hidden(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = f"{HIDE}\nfrom r2po.cli import main\nsys.exit(main({[*arguments]!r}))"
    return subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False)


def test_one_line_says_what_to_install(tmp_path: Path) -> None:
    suite = str(SUITES / "nim_sb3.yaml")
    done = run_hidden(tmp_path, "sb3_baselines", "--config", suite, "--set", "zoo_hyperparams_dir=null")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: the Stable-Baselines3 baselines need torch, stable-baselines3, sb3-contrib")
    assert "pip install 'r2po[sb3]'" in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_everything_else_works(tmp_path: Path) -> None:
    config = str(SUITES.parent / "nim/nim_props.yaml")
    small = ["num_iterations=1", "llm_model_name=embedded/search", "heldout_episodes=1"]
    assert run_hidden(tmp_path, "run", "--config", config, "--quiet", "--set", *small).returncode == 0
    assert run_hidden(tmp_path, "paper_results_tables", "--formats", "csv").returncode == 0


def test_help_loads_no_pytorch() -> None:
    program = (
        "import sys\nfrom r2po.cli import main\n"
        "try: main(['sb3_baselines', '--help'])\n"
        "except SystemExit: sys.exit(bool({'torch', 'stable_baselines3'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
