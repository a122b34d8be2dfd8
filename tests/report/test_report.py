from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from r2po.cli import main
from r2po.errors import InputError
from r2po.report import motion, report
from r2po.report.blocks import Wanted, blocks_of
from r2po.report.frame import run_page
from r2po.report.packing import unpack
from r2po.report.report import find_runs, write_report
from r2po.runlog import open_run
from tests.analysis.made_logs import write_run

BARE = Wanted(motion="none")


def test_the_command(cartpole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "new" / "page.html"
    assert main(["report", str(cartpole), "--output", str(output)]) == 0
    page = output.read_bytes()
    assert capsys.readouterr().out == f"R2PO on CartPole: {output} ({len(page) / 1e6:.1f} MB; open it in a browser)\n"
    assert b'<h1 id="title">R2PO on CartPole</h1>' in page
    assert b"<svg" in page  # the curve for those who see no scripts


def test_the_same_log_gives_the_same_bytes(frozenlake: Path, tmp_path: Path) -> None:
    pages = []
    for name in ("one.html", "two.html"):
        write_report([str(frozenlake)], tmp_path / name, Wanted())
        pages.append((tmp_path / name).read_bytes())
    assert pages[0] == pages[1]


def test_a_log_directory_stands_for_its_runs(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / "a", number, [1.0]) for number in (1, 2)]
    found = find_runs([str(tmp_path / "a"), str(runs[1])])
    assert [each.path for each in found] == runs


def test_runs_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    write_run(tmp_path / "a", 1, [1.0])
    write_run(tmp_path / "a", 2, [1.0])
    (tmp_path / "a" / "run_3").mkdir()
    told: list[str] = []
    (line,) = write_report([str(tmp_path / "a")], tmp_path / "page.html", BARE, told.append)
    assert line.startswith("2 runs side by side: ")
    assert "run_3" in told[0]
    assert "2 runs side by side</h1>" in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "a/run_3 is left out: nothing of it can be read" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_one_run_that_can_be_read_is_not_several(tmp_path: Path) -> None:
    write_run(tmp_path / "a", 1, [1.0])
    (tmp_path / "a" / "run_2").mkdir()
    (line,) = write_report([str(tmp_path / "a")], tmp_path / "page.html", BARE)
    assert line.startswith("1 run side by side: ")


def test_many_large_runs_get_files_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (1, 2):
        write_run(tmp_path / "a", number, [1.0])
    monkeypatch.setattr(report, "LARGEST", 10)
    lines = write_report([str(tmp_path / "a")], tmp_path / "page #2 5%25.html", BARE)
    files = sorted(path.name for path in (tmp_path / "page #2 5%25_runs").iterdir())
    assert files == ["run1-a-run-1.html", "run2-a-run-2.html"]
    assert "keep them beside it" in lines[1]
    (block,) = re.findall('id="data-overview">([^<]+)<', (tmp_path / "page #2 5%25.html").read_text(encoding="utf-8"))
    links = [each["file"] for each in unpack(block)["runs"]]
    assert links == [f"page%20%232%205%2525_runs/{file}" for file in files]


@pytest.mark.parametrize(
    ("paths", "output", "message"),
    [
        (["run_1"], "page.txt", "expected a file name that ends in .html"),
        (["nothing"], "page.html", "is not a run directory"),
    ],
)
def test_what_cannot_be_written(
    paths: list[str], output: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        write_report(paths, Path(output), BARE)


def test_seconds_are_a_number(capsys: pytest.CaptureFixture[str]) -> None:
    for text in ("nan", "-1", "inf", "soon"):
        with pytest.raises(SystemExit, match=r"^2$"):
            main(["report", "run_1", "--motion-s", text])
        assert "--motion-s" in capsys.readouterr().err


def test_nothing_of_any_run_can_be_read(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / "a" / f"run_{number}").mkdir(parents=True)
    with pytest.raises(InputError, match="none of the 2 runs can be read"):
        write_report([str(tmp_path / "a")], tmp_path / "page.html", BARE)


def test_the_places_of_the_machine_do_not_reach_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither by settings nor by an error: whoever is sent a page need not know where it was made."""

    def fails(*_: object) -> None:
        raise FileNotFoundError(2, "No such file or directory", "/srv/someone/my models/a.xml")

    monkeypatch.setattr(motion, "Setting", fails)
    run = write_run(tmp_path / "a", 1, [1.0], config={"env_kwargs": {"xml_file": "../../someone/models/a.xml"}})
    lines = [json.loads(line) for line in (run / "iterations.jsonl").read_text().splitlines()]
    lines[0]["candidates"][1]["params"] = [0.0] * 10
    (run / "iterations.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    found = blocks_of(open_run(run), Wanted(), lambda _: None)
    assert "No such file or directory: '…/a.xml'" in found.core["motion"]
    assert dict(found.core["settings"])["env_kwargs"] == "xml_file: …/a.xml"
    told = [run_page(found.core, found.packed), *(str(unpack(block)) for block in found.packed.values())]
    assert not [each for each in told if "someone" in each or str(tmp_path) in each]


def test_a_password_in_an_address_does_not_reach_the_page(tmp_path: Path) -> None:
    """r2po refuses a config that has one; somebody else's log may."""
    run = write_run(tmp_path / "a", 1, [1.0], config={"base_url": "http://user:s3cret@127.0.0.1:9/v1"})
    found = blocks_of(open_run(run), BARE, lambda _: None)
    assert dict(found.core["settings"])["base_url"] == "http://127.0.0.1:9/v1"
    assert not any("s3cret" in str(unpack(block)) for block in found.packed.values())
    write_report([str(run)], tmp_path / "page.html", BARE)
    assert "s3cret" not in (tmp_path / "page.html").read_text(encoding="utf-8")
