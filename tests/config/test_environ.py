"""``.env``: which one is used is told, and none of somebody else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from r2po.config.environ import read_environ
from r2po.errors import InputError

STRANGER = 54_321


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working directory, two levels below ``tmp_path``."""
    for name in ("SOME_API_KEY", "SOME_BASE_URL", "OTHER_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    below = tmp_path / "project/here"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    return below


def give_away(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a file belong to somebody else; without the right to do so, let us be somebody else."""
    try:
        os.chown(path, STRANGER, -1)
    except PermissionError:
        monkeypatch.setattr(os, "geteuid", lambda: STRANGER)


@pytest.mark.parametrize("above", ["here", "project", ""])
def test_a_file_of_somebody_else_is_refused(above: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = {"here": folder, "project": folder.parent, "": folder.parent.parent}[above] / ".env"
    path.write_text("SOME_BASE_URL=http://evil.example\n")
    give_away(path, monkeypatch)
    with pytest.raises(InputError) as caught:
        read_environ()
    message = str(caught.value)
    assert message.startswith(f"{path} belongs to ")
    assert "not to you" in message
    assert f"make one in {folder}" in message
    assert "evil" not in message


def test_a_file_of_ones_own_comes_before_that_of_somebody_else(folder: Path) -> None:
    (folder.parent / ".env").write_text("SOME_API_KEY=theirs\n")
    (folder / ".env").write_text("")
    if os.geteuid() == 0:
        os.chown(folder.parent / ".env", STRANGER, -1)
    assert "SOME_API_KEY" not in read_environ()


def test_a_file_of_the_administrator_is_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / ".env"
    path.write_text("SOME_API_KEY=x\n")
    if path.stat().st_uid:
        pytest.skip("it takes an administrator to make one")
    monkeypatch.setattr(os, "geteuid", lambda: STRANGER)
    assert read_environ()["SOME_API_KEY"] == "x"


def test_the_file_that_is_used_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder.parent / ".env"
    path.write_text(
        "SOME_API_KEY=hidden\nSOME_BASE_URL=http://hidden\nOTHER_API_KEY=hidden\nEMPTY_API_KEY=\nEDITOR2=vi\n"
    )
    monkeypatch.setenv("OTHER_API_KEY", "mine")
    notes: list[str] = []
    environ = read_environ(notes.append)
    assert (environ["SOME_API_KEY"], environ["OTHER_API_KEY"], environ["EDITOR2"]) == ("hidden", "mine", "vi")
    assert notes == [f"SOME_API_KEY, SOME_BASE_URL: from {path}"]
    assert "SOME_API_KEY" not in os.environ


@pytest.mark.parametrize("text", [None, "", "OTHER_API_KEY=hidden\n", "EDITOR=vi\n"])
def test_nothing_is_told_of_a_file_that_decides_nothing(
    text: str | None, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTHER_API_KEY", "mine")
    if text is not None:
        (folder / ".env").write_text(text)
    notes: list[str] = []
    assert read_environ(notes.append)["OTHER_API_KEY"] == "mine"
    assert notes == []


@pytest.mark.parametrize("also", ["", "mine.example"])
def test_no_file_says_which_hosts_may_be_sent_keys(also: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("R2PO_KEY_HOSTS", raising=False)
    if also:
        monkeypatch.setenv("R2PO_KEY_HOSTS", also)
    (folder / ".env").write_text("R2PO_KEY_HOSTS=evil.example\n")
    notes: list[str] = []
    assert read_environ(notes.append).get("R2PO_KEY_HOSTS", "") == also
    told = f"R2PO_KEY_HOSTS in {folder / '.env'} has no effect: which hosts may be sent keys is for the environment"
    assert [note.startswith(told) for note in notes] == ([] if also else [True])
