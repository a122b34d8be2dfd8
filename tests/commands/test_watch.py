from __future__ import annotations

from pathlib import Path

import pytest

from r2po.commands import watch as watching
from r2po.commands.watch import watch
from r2po.errors import InputError
from r2po.experiment.launch import launch
from r2po.experiment.observer import Observer
from r2po.runlog import RunDirectory
from tests.builders import make_config


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    small = {"num_iterations": 1, "num_evaluation_episodes": 2, "warmup_episodes": 1, "heldout_episodes": 1}
    launch(make_config("maze", "props", **small, logdir=str(tmp_path / "logs")), None, {}, Observer())
    return RunDirectory(tmp_path / "logs" / "run_1")


def test_without_a_display_it_says_what_to_do(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InputError, match=r"there is no display here .*: --output best.gif records an animation"):
        watch(run, 0, None)


def test_it_says_how_far_a_slow_drawing_is(run: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(watching, "TELL_EVERY_S", 0.0)
    assert "written to" in watch(run, 0, str(tmp_path / "best.gif"), told.append)
    assert told[0].startswith("step 1 of at most ")
