"""``r2po track``: a tracker that does not answer holds nobody up; and the command that notes name."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from r2po.commands.track import send_runs
from r2po.errors import InputError, RunStopped
from r2po.installation import call
from r2po.plugins import Place, Plugin
from r2po.registry import Source, registering_for
from r2po.trackers import TRACKERS, Tracker, TrackerUnavailableError, later
from r2po.trackers.later import how_to_send
from tests.builders import register
from tests.trackers.runs import Make
from tests.trackers.test_guard import LONG, Troubled


def fail(error: Exception) -> Callable[[], object]:
    def failing() -> None:
        raise error

    return failing


def send(sink: Troubled, runs: list[Path], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Send runs to a tracker that takes none of them; return what was told."""
    register(TRACKERS, Tracker("troubled", sink.opened), monkeypatch)
    said: list[str] = []
    with pytest.raises(RunStopped, match=f"{len(runs)} were not sent"):
        list(send_runs([*map(str, runs)], ["troubled"], {}, said.append, replace(LONG, reaching=0.2)))
    return said


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (None, "it did not answer within 0.2 s"),
        (ConnectionRefusedError("nobody there"), "ConnectionRefusedError: nobody there"),
        (TrackerUnavailableError("it is switched off"), "it is switched off"),
    ],
)
def test_a_tracker_that_cannot_be_reached_is_tried_once(
    error: Exception | None, why: str, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    ever = threading.Event()
    sink = Troubled("sent", ever.wait if error is None else fail(error))
    runs = [make(name=name) for name in ("one", "two", "three")]
    assert send(sink, runs, monkeypatch) == [
        "sending 3 runs to troubled",
        f"{runs[0]} to troubled: not sent: {why}",
        "2 more runs not sent to troubled, for the same reason",
    ]
    ever.set()
    assert sink.calls == ["open", "sent"]


@pytest.mark.parametrize(
    ("at", "error"),
    [("sent", FileNotFoundError(2, "gone", "events")), ("sent", InputError("its file is damaged")), ("log", OSError())],
)
def test_what_goes_wrong_with_one_run_stops_no_other(
    at: str, error: Exception, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = Troubled(at, fail(error))
    runs = [make(name=name) for name in ("one", "two")]
    said = send(sink, runs, monkeypatch)
    assert [line.split(": not sent")[0] for line in said[1:]] == [f"{run} to troubled" for run in runs]


def test_the_command_of_a_note_names_the_plugin_of_its_tracker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "beside.py").touch()
    (tmp_path / "plug ins").mkdir()
    (tmp_path / "plug ins/byfolder.py").touch()
    places = {
        "beside": Place("beside", "beside", folder=str(tmp_path)),
        "./by file.py": Place("by file", "by file", str(tmp_path / "by file.py"), str(tmp_path)),
        "package": Place("package", "package", str(tmp_path / "elsewhere/package/__init__.py")),
        "plug ins/byfolder.py": Place("byfolder", "byfolder", folder=str(tmp_path / "plug ins")),
        "": Place("point", "point", installed=True),
    }
    loaded = [Plugin(place, None, "", told=True) for place in places.values()]
    monkeypatch.setattr(later, "loaded", lambda: loaded)
    monkeypatch.setattr(TRACKERS, "_items", dict(TRACKERS))
    monkeypatch.setattr(TRACKERS, "_sources", {})
    for told, place in places.items():
        with registering_for(Source(place.name)):
            TRACKERS.register(Tracker(place.name, Troubled("", fail(OSError())).opened))
        told = "elsewhere/package" if told == "package" else told
        plugin = f" --plugin {shlex.quote(told)}" if told else ""
        command = how_to_send(Path("my logs/run_1"), [place.name])
        assert command == f"{call('track')} 'my logs/run_1'{plugin} --to {shlex.quote(place.name)}"
    assert how_to_send(Path("logs"), ["wandb", "mlflow"]) == f"{call('track')} logs --to wandb mlflow"
