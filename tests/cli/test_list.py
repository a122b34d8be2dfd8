"""``r2po list`` and ``main.py --list``: whatever a config may name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from r2po.cli import main
from r2po.llm.registry import usages
from r2po.methods import METHODS
from r2po.policies import FAMILIES
from r2po.tasks import TASKS
from tests.builders import CONFIGS

ROOT = CONFIGS.parent


def listed(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    assert main(["list", *options]) == 0
    return capsys.readouterr().out


def words(text: str) -> set[str]:
    return set(text.split())


def test_everything_has_its_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    text = listed(capsys)
    assert {task.gym_id for task in TASKS.values()} <= words(text)
    assert set(METHODS) <= words(text)
    assert set(FAMILIES) <= words(text)
    for form, provider, available in usages():
        assert any(
            line.startswith(form) and provider in line and line.endswith(available)
            for line in map(str.strip, text.splitlines())
        ), form
    configs = {path.stem for path in CONFIGS.glob("*/*.yaml")}
    assert len(configs) >= 99
    assert configs <= words(text)
    assert {folder.name for folder in CONFIGS.iterdir() if folder.is_dir()} <= words(text)


def test_a_row_of_each_table(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [line.split() for line in listed(capsys).splitlines()]
    assert ["Swimmer-v5", "linear", "1000", "250", "0.1", "230", "100"] in rows
    assert ["maze-sample-3x3-v0", "tabular", "20", "0.9", "-", "0.9", "20"] in rows
    assert any(row[:4] == ["critic_only", "CriticOnly", "1", "200"] for row in rows)
    assert any(row[:4] == ["r2po", "R2PO", "2", "100"] for row in rows)


def test_configs_elsewhere_or_nowhere(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "my_experiment.yaml").touch()
    assert "my_experiment" in listed(capsys, "--configs", str(tmp_path))
    assert "cartpole_props" not in listed(capsys, "--configs", str(tmp_path / "nowhere"))


def test_main_py_lists_the_same_without_a_config() -> None:
    outputs = [
        subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=True)
        for command in (["main.py", "--list"], ["-m", "r2po", "list"])
    ]
    assert outputs[0].stdout == outputs[1].stdout
    assert "cartpole_tau_c_sensitivity_half" in outputs[0].stdout
    assert [output.stderr for output in outputs] == ["", ""]
