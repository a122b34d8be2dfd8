"""``r2po init``: copies what is not there, and never writes over anything."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from r2po.cli import main
from r2po.commands.init import next_steps
from tests.builders import CONFIGS

SOME = Path("configs/nim/nim_props.yaml")


def files(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_new_folder_has_all_configs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "deep" / "mine"
    assert main(["init", str(folder)]) == 0
    there = {Path("configs") / path: text for path, text in files(CONFIGS).items() if path.suffix == ".yaml"}
    assert files(folder) == {**there, Path(".env.example"): (CONFIGS.parent / ".env.example").read_bytes()}
    assert capsys.readouterr().out.startswith(f"{folder}: {len(there) + 1} files copied\nnext:\n  cd {folder}\n")


def test_what_is_there_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["init", str(tmp_path)])
    (tmp_path / SOME).write_text("mine\n")
    (tmp_path / ".env.example").unlink()
    before = files(tmp_path)
    capsys.readouterr()
    assert main(["init", str(tmp_path)]) == 0
    assert {path: text for path, text in files(tmp_path).items() if path in before} == before
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{tmp_path}: 1 file copied, {len(before) - 1} there already"
    assert lines[1] == f"kept as it is, since it differs from ours: {tmp_path / SOME}"


def test_a_file_is_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert main(["init", str(tmp_path / "file")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: cannot copy into {tmp_path / 'file'}: ")


def test_the_commands_that_come_next_are_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    main(["init", "."])
    steps = next_steps(Path())
    assert "cd " not in steps
    commands = [
        shlex.split(line, comments=True)
        for line in steps.replace("\\\n", "").splitlines()
        if "r2po" in line.split()[:1]
    ]
    assert [command[1] for command in commands] == ["list", "run", "eval", "doctor"]
    assert main([*commands[1][1:], "heldout_episodes=2", "num_evaluation_episodes=2", "--quiet"]) == 0
    assert main(commands[2][1:]) == 0
