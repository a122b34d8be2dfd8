"""Whether a node sees the folder of a sweep, and not just one of the same name."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from r2po.errors import InputError
from r2po.sweep.cluster.seeing import obstacle_here
from r2po.sweep.cluster.token import token_in


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)  # and back, after a look has changed it
    (tmp_path / "logs/sweep-1").mkdir(parents=True)
    return tmp_path


def test_a_node_that_sees_the_folder_can_make_runs(project: Path) -> None:
    with token_in(Path("logs/sweep-1")) as token:
        assert token.is_absolute()
        assert obstacle_here(str(project), str(token)) == ""
        assert Path.cwd() == project
    assert list((project / "logs/sweep-1").iterdir()) == []


def test_a_folder_of_the_same_name_on_another_disk_is_noticed(project: Path) -> None:
    shutil.copytree(project, project / "node")
    with token_in(Path("logs/sweep-1")) as token:
        there = project / "node" / token.relative_to(project)  # where the same path leads on another disk
        said = obstacle_here(str(project), str(there), patience_s=0.3)
    assert said == f"{there.parent} on this node is another folder: a file that was just made there is missing"


def test_a_file_that_is_seen_late_is_waited_for(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = project / "logs/sweep-1/.ray-1"
    monkeypatch.setattr("r2po.sweep.cluster.seeing.time.sleep", lambda _: token.touch())
    assert obstacle_here(str(project), str(token)) == ""


def test_what_is_missing_on_a_node_is_named(project: Path) -> None:
    gone = project / "elsewhere"
    with token_in(Path("logs/sweep-1")) as token:
        assert obstacle_here(str(gone), str(token)) == f"{gone} is not on this node (No such file or directory)"
        assert obstacle_here(str(project), str(gone / "x/.ray-1")) == f"{gone / 'x'} is not on this node"


def test_a_folder_in_which_nothing_can_be_made_is_an_error(project: Path) -> None:
    with (
        pytest.raises(InputError, match=r"cannot write to nowhere: No such file or directory"),
        token_in(Path("nowhere")),
    ):
        pass
