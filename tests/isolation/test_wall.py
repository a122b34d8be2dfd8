"""Which layers there are, and what happens where one is missing."""

from __future__ import annotations

import platform
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from r2po.cli import main
from r2po.errors import InputError
from r2po.isolation import landlock, seccomp, wall
from r2po.isolation.attacks import ATTACKS
from r2po.isolation.box import Box
from r2po.isolation.outcomes import NoWallError
from r2po.isolation.protocol import Layers
from r2po.isolation.seccomp import ALLOW, ALLOWED, KILL, MACHINES, NUMBER_AT, REFUSE
from tests.isolation import kernels
from tests.isolation.kernels import needs_landlock, needs_seccomp


def verdict(machine: str, number: int, word: int | None = None) -> int:
    """Run a filter as the kernel does."""
    data = {NUMBER_AT: number, seccomp.WORD_AT: MACHINES[machine].word if word is None else word}
    program = seccomp.allow_list(MACHINES[machine])
    at, value = 0, 0
    while True:
        code, if_true, if_false, operand = program[at]
        at += 1
        if code == seccomp.RETURN:
            return operand
        if code == seccomp.LOAD:
            value = data[operand]
        else:
            at += if_true if value == operand else if_false


@pytest.mark.parametrize("machine", MACHINES)
def test_the_filter_allows_what_is_listed(machine: str) -> None:
    listed = {numbers[MACHINES[machine].column] for numbers in ALLOWED.values()}
    for number in range(1000):
        assert verdict(machine, number) == (ALLOW if number in listed else REFUSE)
        assert verdict(machine, number | 0x40000000) == REFUSE  # x32
        assert verdict(machine, number, 0x40000003) == KILL  # 32 bits


@pytest.mark.parametrize(
    ("machine", "header"),
    [("x86_64", "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), ("aarch64", "/usr/include/asm-generic/unistd.h")],
)
def test_the_numbers_are_those_of_the_kernels_headers(machine: str, header: str) -> None:
    if not Path(header).exists():
        pytest.skip("the kernel's headers are not installed")
    text = Path(header).read_text(encoding="utf-8")
    numbers = dict(re.findall(r"^#define __NR(?:3264)?_(\w+)\s+(\d+)", text, re.MULTILINE))
    column = MACHINES[machine].column
    assert {name: int(numbers[name]) for name in ALLOWED} == {name: row[column] for name, row in ALLOWED.items()}


@pytest.mark.parametrize(
    ("version", "length", "files"),
    [(1, 8, 13), (2, 8, 14), (3, 8, 15), (4, 16, 15), (5, 16, 16), (6, 24, 16), (9, 24, 16)],
)
def test_the_rights_that_each_version_of_landlock_knows(version: int, length: int, files: int) -> None:
    rights = landlock.rights(version)
    assert len(rights) == length
    assert int.from_bytes(rights[:8], "little") == 2**files - 1
    assert rights[8:] in {b"", b"\3" + bytes(7), b"\3" + bytes(7) + b"\3" + bytes(7)}


class TestInForce:
    def test_the_record(self) -> None:
        with Box() as box:
            record = box.in_force.record()
        assert record == {
            "asked": "auto",
            "seccomp": True,
            "landlock": landlock.abi(),
            "limits": True,
            "bubblewrap": False,
        }

    @needs_seccomp
    def test_without_landlock_auto_runs_and_says_so(self) -> None:
        assert kernels.without("landlock", "auto") == {**kernels.HERE.record(), "asked": "auto", "landlock": 0}

    @pytest.mark.parametrize("refused", ["seccomp", "seccomp,landlock"])
    def test_without_seccomp_auto_refuses_in_one_line(self, refused: str) -> None:
        name, code, text = kernels.without(refused, "auto")
        assert (name, code) == ("NoWallError", 2)
        assert text == (
            "isolation: auto needs seccomp, which this system does not grant; "
            "isolation: limits runs policies without that wall: they could then read your keys and files"
        )

    def test_without_seccomp_limits_runs_and_says_so(self) -> None:
        record = kernels.without("seccomp", "limits")
        assert record == {**kernels.HERE.record(), "asked": "limits", "seccomp": False}

    def test_without_both_limits_runs_and_says_so(self) -> None:
        record = kernels.without("seccomp,landlock", "limits")
        assert record == {**kernels.HERE.record(), "asked": "limits", "seccomp": False, "landlock": 0}

    @needs_landlock
    def test_landlock_is_used_where_it_is(self) -> None:
        assert kernels.HERE.landlock == landlock.abi() > 0

    def test_other_machines_have_no_filter(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(platform, "machine", lambda: "riscv64")
        assert seccomp.this_machine() is None
        with pytest.raises(NoWallError):
            wall.check("auto", Layers(seccomp=False, landlock=7, limits=True))

    def test_bubblewrap_that_is_not_installed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(shutil, "which", lambda _name: None)
        with pytest.raises(InputError, match=r"^isolation: bubblewrap needs the program bwrap: install bubblewrap, or"):
            Box("bubblewrap")

    def test_bubblewrap(self) -> None:
        if shutil.which("bwrap") is None:
            pytest.skip("bubblewrap is not installed")
        with Box("bubblewrap") as box:
            assert box.in_force.bubblewrap
            assert box.in_force.seccomp


class TestDoctor:
    @needs_seccomp
    def test_all_attacks_are_tried_and_stopped(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        quick = [attack for attack in ATTACKS if attack.name in {"read", "signal", "tcp"}]
        monkeypatch.setattr("r2po.commands.isolation.ATTACKS", quick)
        assert main(["doctor", "--isolation"]) == 0
        lines = [line.split(maxsplit=2) for line in capsys.readouterr().out.splitlines()]
        assert [what.rstrip(":") for verdict, what, _ in lines if verdict == "ok"][-3:] == ["signal", "read", "tcp"]

    def test_an_attack_that_is_not_stopped_is_a_failure(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        gentle = type(ATTACKS[0])("gentle", "wants nothing", "return True")
        monkeypatch.setattr("r2po.commands.isolation.ATTACKS", [gentle])
        assert main(["doctor", "--isolation"]) == 2
        said = capsys.readouterr().out.splitlines()[-1]
        assert said == "FAILED  gentle:    a policy that wants nothing: it got what it wanted"

    def test_no_wall(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        def refuse(_asked: str, _layers: Layers) -> Any:
            raise NoWallError("isolation: auto needs seccomp")

        monkeypatch.setattr("r2po.isolation.channel.check", refuse)
        assert main(["doctor", "--isolation"]) == 2
        assert capsys.readouterr().out == "FAILED  wall:      isolation: auto needs seccomp\n"


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (None, "none"),
        ({"asked": "limits", "seccomp": False, "landlock": 0, "limits": False, "bubblewrap": False}, "none"),
        (
            {"asked": "bubblewrap", "seccomp": True, "landlock": 7, "limits": True, "bubblewrap": True},
            "seccomp, landlock 7, limits, bubblewrap",
        ),
        (
            {"asked": "limits", "seccomp": False, "landlock": 3, "limits": True, "bubblewrap": False},
            "landlock 3, limits",
        ),
    ],
)
def test_a_wall_in_words(record: dict[str, Any] | None, words: str) -> None:
    assert wall.told(record) == words
