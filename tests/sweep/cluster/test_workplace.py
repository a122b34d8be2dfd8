"""What a node is sent to make runs with, what it must have itself, and what is left of it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from r2po.errors import InputError
from r2po.runlog import RunDirectory
from r2po.sweep.cluster import needs as needs_module
from r2po.sweep.cluster.carrying import Ask, answered
from r2po.sweep.cluster.needs import Needs, difference, needs_of, versions_here
from r2po.sweep.cluster.receiver import Receiver
from r2po.sweep.cluster.workplace import PREFIX, Workplace
from r2po.sweep.plan import PlannedRun, SweepRequest, plan
from tests.process.processes import NIM, REPOSITORY, write_config

OURS = {"r2po": "2.0", "numpy": "2.1", "code": "abc"}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "node").mkdir()
    (tmp_path / "home").mkdir()
    (tmp_path / "home/.token").touch()
    monkeypatch.chdir(tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def asking(home: Path, needs: Needs) -> Ask:
    receiver = Receiver(str(home / ".token"), needs)
    return lambda method, *args: answered(getattr(receiver, method)(*args))


def workplace(home: Path, needs: Needs, opened: ExitStack) -> Workplace:
    made = Workplace(asking(home, needs), home.parent / "node")
    opened.callback(made.close)
    return made


def planned(**values: Any) -> list[PlannedRun]:
    config = write_config(Path(), {**NIM, "llm_model_name": "embedded/search", **values}, "own.yaml")
    return plan(SweepRequest([config.name], [], [1]))


def templates(folder: Path) -> Path:
    shutil.copytree(REPOSITORY / "tests/outside/lab/prompts", folder)
    (folder / ".env").write_text("OPENAI_API_KEY=sk-secret\n")
    return folder


@pytest.mark.parametrize(
    ("there", "said"),
    [
        (OURS, ""),
        ({**OURS, "r2po": "1.9"}, "r2po is 1.9 there and 2.0 here"),
        ({"r2po": "2.0", "code": "abc"}, "numpy is not installed there and 2.1 here"),
        ({**OURS, "r2po": "1", "numpy": "2"}, "r2po is 1 there and 2.0 here; numpy is 2 there and 2.1 here"),
        ({**OURS, "code": "abd"}, "its r2po is 2.0 too, but with other source files than here"),
    ],
)
def test_a_node_with_other_packages_is_told_which(there: dict[str, str], said: str) -> None:
    assert difference(there, OURS) == said


def test_what_is_compared_is_what_results_depend_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert versions_here([]).keys() == {"r2po", "gymnasium", "mujoco", "numpy", "code"}
    (tmp_path / "configs").mkdir()
    (tmp_path / "code.py").write_text("a = 1\n")
    monkeypatch.setattr(needs_module, "shipped_configs", lambda: tmp_path / "configs")
    before = versions_here([])["code"]
    (tmp_path / "configs/a.yaml").touch()
    (tmp_path / "notes.txt").touch()
    assert versions_here([])["code"] == before
    (tmp_path / "code.py").write_text("a = 2\n")
    assert versions_here([])["code"] != before


@pytest.mark.skipif(importlib.util.find_spec("Box2D") is None, reason="Box2D is not installed")
def test_the_packages_of_environments_are_compared_too(home: Path) -> None:
    assert home.is_dir()
    needs = needs_of(planned(gym_env_name="LunarLander-v3"))
    (name,) = needs.versions.keys() - versions_here([]).keys()
    assert needs.versions[name] == metadata.version(name)
    there = {key: value for key, value in needs.versions.items() if key != name}
    assert difference(there, needs.versions).startswith(f"{name} is not installed there and ")


def test_templates_are_carried_with_the_same_relative_path_and_hidden_files_are_not(
    home: Path, opened: ExitStack
) -> None:
    templates(home.parent / "templates")
    needs = needs_of(planned(method="props", prompts="../templates"))
    assert [Path(path).name for path in needs.carried] == ["search.j2"]
    place = workplace(home, needs, opened)
    with place.entered():
        assert Path.cwd() != home
        assert [path.name for path in Path("../templates").iterdir()] == ["search.j2"]
        assert Path("../templates/search.j2").read_bytes() == (home.parent / "templates/search.j2").read_bytes()
    assert Path.cwd() == home
    assert [path for path in place.root.rglob("*") if "secret" in path.name or path.name == ".env"] == []


def test_what_is_named_by_an_absolute_path_must_be_there(home: Path, opened: ExitStack) -> None:
    folder = templates(home.parent / "templates")
    needs = needs_of(planned(method="props", prompts=str(folder)))
    assert (needs.carried, needs.fixed) == ((), (str(folder / "search.j2"),))
    workplace(home, needs, opened)
    ask = asking(home, needs)
    ask("needs")
    (folder / "search.j2").write_text("another text")
    with pytest.raises(
        InputError, match=r"search\.j2 is another file there than here; what is named by a path from the"
    ):
        Workplace(ask, home.parent / "node")
    (folder / "search.j2").unlink()
    with pytest.raises(
        InputError, match=r"search\.j2 is not there; what is named by a path from the working directory"
    ):
        Workplace(ask, home.parent / "node")


def test_a_recorded_run_is_carried(home: Path, opened: ExitStack) -> None:
    from r2po.sweep.runner import make_run
    from tests.sweep.test_damaged_runs import Silent

    assert make_run(planned(num_iterations=1, logdir="logs/recorded")[0], {}, Silent()).state == "complete"
    again = planned(num_iterations=1, logdir="logs/again", llm_model_name="replay/logs/recorded/run_1")
    place = workplace(home, needs_of(again), opened)
    there = RunDirectory(place.path(home / "logs/recorded/run_1"))
    assert there.read_result() == RunDirectory(Path("logs/recorded/run_1")).read_result()


def test_a_file_that_changes_while_it_is_used_is_not_carried(home: Path) -> None:
    folder = templates(home / "templates")
    ask = asking(home, needs_of(planned(method="props", prompts="templates")))
    ask("needs")
    (folder / "search.j2").write_text("another text")
    with pytest.raises(InputError, match=r"templates/search\.j2 has changed since the sweep began"):
        Workplace(ask, home.parent / "node")
    assert [*(home.parent / "node").iterdir()] == []


PLUGIN = """
import os, sys
from pathlib import Path
from r2po.plugins.loading import load_told
from r2po.plugins import loaded
from r2po.sweep.cluster.needs import needs_of
load_told(["{told}"])
import pickle
sys.stdout.buffer.write(pickle.dumps(needs_of([])))
"""
NODE = """
import pickle, sys
from pathlib import Path
from r2po.errors import InputError
from r2po.plugins import loaded
from r2po.sweep.cluster.carrying import answered
from r2po.sweep.cluster.receiver import Receiver
from r2po.sweep.cluster.workplace import Workplace
receiver = Receiver(sys.argv[1], pickle.load(sys.stdin.buffer))
try:
    place = Workplace(lambda method, *args: answered(getattr(receiver, method)(*args)), Path(sys.argv[2]))
except InputError as error:
    sys.exit(str(error))
print([plugin.name for plugin in loaded()], sys.modules["{module}"].__file__.removeprefix(str(place.root)))
print([str(path.relative_to(place.root)) for path in sorted(place.root.rglob("*.*")) if path.name != ".lock"])
place.close()
"""


def python(code: str, *arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", textwrap.dedent(code), *arguments]
    return subprocess.run(command, env=env, input=given, capture_output=True, check=False)


HIDING = """
import importlib.util, sys
from pathlib import Path
import beside, tools
here = Path(__file__).parent
sys.path.append(str(here / ".hidden"))
if (here / ".hidden").is_dir():
    import secret
    spec = importlib.util.spec_from_file_location("by_hand", here / ".secret.py")
    sys.modules["by_hand"] = importlib.util.module_from_spec(spec)
"""


@pytest.fixture
def plugin(home: Path) -> Path:
    folder = home.parent / "mine"
    (folder / "tools/data").mkdir(parents=True)
    (folder / "mine.py").write_text(HIDING)
    (folder / "beside.py").write_text("")
    (folder / "unused.py").write_text("")
    (folder / ".hidden").mkdir()
    (folder / ".hidden/secret.py").write_text("")
    (folder / ".secret.py").write_text("")
    (folder / "tools/__init__.py").write_text("")
    (folder / ".env").write_text("OPENAI_API_KEY=sk-secret\n")
    return folder


def test_a_plugin_is_carried_with_what_it_imports_and_with_no_hidden_file(home: Path, plugin: Path) -> None:
    needs = python(PLUGIN.format(told=plugin / "mine.py"))
    assert needs.returncode == 0, needs.stderr
    assert b"secret" not in needs.stdout
    for path in plugin.glob("*.py"):
        path.chmod(0o600)
    node = python(NODE.format(module="mine"), str(home / ".token"), str(home.parent / "node"), given=needs.stdout)
    assert node.returncode == 0, node.stderr
    names, files = node.stdout.decode().splitlines()
    assert names == f"['mine'] {plugin}/mine.py"
    there = str(plugin).lstrip("/")
    assert files == str([f"{there}/beside.py", f"{there}/mine.py", f"{there}/tools/__init__.py"])


@pytest.mark.slow
def test_a_plugin_that_does_not_import_there_is_named_with_its_own_path(home: Path, plugin: Path) -> None:
    (plugin / "mine.py").write_text("import sys\nif 'r2po-node' in __file__:\n    import not_on_the_node\n")
    needs = python(PLUGIN.format(told=plugin / "mine.py"))
    node = python(NODE.format(module="mine"), str(home / ".token"), str(home.parent / "node"), given=needs.stdout)
    said = node.stderr.decode().strip()
    assert said.startswith("plugin 'mine' does not import: ModuleNotFoundError: No module named 'not_on_the_node'")
    assert f"({plugin}/mine.py:3)" in said
    assert [*(home.parent / "node").iterdir()] == []


def test_what_a_killed_process_left_is_removed_and_what_is_in_use_is_not(home: Path, opened: ExitStack) -> None:
    left = home.parent / "node" / f"{PREFIX}left"
    left.mkdir()
    (left / ".lock").touch()
    (left / "some").write_text("text")
    unlocked = home.parent / "node" / f"{PREFIX}somebody-elses"
    unlocked.mkdir()
    one = workplace(home, needs_of([]), opened)
    two = workplace(home, needs_of([]), opened)
    assert {path.name for path in (home.parent / "node").iterdir()} == {one.root.name, two.root.name, unlocked.name}
    one.close()
    assert not one.root.exists()


def test_where_the_commands_own_ray_does_not_see_the_logs_no_copies_are_made(home: Path) -> None:
    receiver = Receiver(str(home.parent / "elsewhere/.token"), needs_of([]))
    with pytest.raises(OSError, match=r"nor can Ray on the command's own node write there: .*elsewhere is not on this"):
        answered(receiver.needs())
