"""What a node asks actors, and whether it is fit to make runs, against a stand-in for Ray."""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from r2po.errors import InputError
from r2po.sweep.cluster import fitness, node
from r2po.sweep.cluster.fitness import cannot_make, other_servers
from r2po.sweep.cluster.needs import needs_of
from r2po.sweep.cluster.node import look_here, make_run_here, make_run_on_copy
from r2po.sweep.cluster.receiver import Receiver
from r2po.sweep.contacts import after_first_contacts
from r2po.sweep.messages import PermitRequest, Verdict
from r2po.sweep.plan import PlannedRun, SweepRequest, plan
from r2po.tasks.spaces import make_environment
from tests.llm.fake_servers import FakeOpenAI
from tests.process.processes import NIM, player, write_config
from tests.sweep.cluster.rays import Actor, ActorDiedError, ActorUnavailableError, Ray

KEY = "sk-of-the-command"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the sweep is; in the end, the process has no workplace."""
    (tmp_path / "home").mkdir()
    (tmp_path / "node").mkdir()
    (tmp_path / "home/token").touch()
    monkeypatch.chdir(tmp_path / "home")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "node"))
    monkeypatch.setattr(node, "_workplaces", [])
    yield tmp_path / "home"
    for place in node._workplaces:
        place.close()


def planned(**values: Any) -> list[PlannedRun]:
    config = write_config(Path(), {**NIM, "method": "props", "llm_model_name": "embedded/search", **values}, "own.yaml")
    return plan(SweepRequest([config.name], [], [1]))


@pytest.fixture
def contacted(home: Path) -> Iterator[tuple[PlannedRun, dict[str, str]]]:
    """Return a run whose server was contacted, and the environment with which that was done."""
    with FakeOpenAI(player) as server:
        environ = {**server.environ, "OPENAI_API_KEY": KEY}
        (run,), _ = after_first_contacts(planned(llm_model_name=server.model), environ, waits=False, has_begun=bool)
        yield run, environ
    assert home.is_dir()


def ray_of(needs: Any, home: Path, monkeypatch: pytest.MonkeyPatch) -> Actor:
    """Return the receiver; the node asks it through a stand-in for Ray."""
    receiver = Receiver(str(home / "token"), needs)
    ray = Ray(needs=receiver.needs, read_input=receiver.read_input, forget=lambda _: None)
    monkeypatch.setattr(node, "require_ray", lambda: ray)
    return Actor(ray)


def test_a_node_is_known_to_ask_the_server_of_the_sweep(contacted: tuple[PlannedRun, dict[str, str]]) -> None:
    run, environ = contacted
    assert run.keys == {"OPENAI_API_KEY"}
    assert other_servers([run], environ) == ""
    assert other_servers(planned(), {}) == ""


@pytest.mark.parametrize(
    ("lacking", "said"),
    [
        (
            "OPENAI_BASE_URL",
            r"the environment there leads to https://api\.openai\.com/v1 \(\S+\), and the sweep asks http://127.*\)",
        ),
        ("OPENAI_API_KEY", r"OPENAI_API_KEY is not set there, and the sweep asks http://127\.0\.0\.1.* with that key"),
    ],
)
@pytest.mark.parametrize("sees", [True, False])
def test_a_node_that_would_ask_another_server_or_without_the_key_is_refused(
    contacted: tuple[PlannedRun, dict[str, str]],
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    lacking: str,
    said: str,
    *,
    sees: bool,
) -> None:
    run, environ = contacted
    needs = needs_of([run])
    receiver = ray_of(needs, home, monkeypatch)
    there = {name: value for name, value in environ.items() if name != lacking}
    monkeypatch.setattr(node, "read_environ", lambda: there)
    if not sees:
        monkeypatch.setattr(node, "obstacle_here", lambda *_: "it is not on this node")
    look = look_here(needs, str(home / "token"), receiver)
    assert bool(look.unseen) is not sees
    assert_told(look.obstacle, said)
    if sees:
        ended = make_run_here(run, receiver, str(home), 1, ())
    else:
        ended = make_run_on_copy(run, 1, receiver, receiver, 1, "far")
    assert ended.state == "failed"
    assert_told(ended.reason, said)
    monkeypatch.setattr(node, "read_environ", lambda: environ)
    assert look_here(needs, str(home / "token"), receiver).obstacle == ""


def assert_told(text: str, said: str) -> None:
    assert re.match(said, text), text
    assert KEY not in text
    assert "\n" not in text


def test_a_node_where_an_environment_cannot_be_made_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = planned()
    assert cannot_make(runs) == ""
    needs = needs_of(runs)
    receiver = ray_of(needs, home, monkeypatch)

    def lacks(gym_id: str, _kwargs: object) -> Any:
        raise InputError(f"{gym_id} needs Box2D, which is not installed")

    monkeypatch.setattr(fitness, "make_environment", lacks)
    monkeypatch.setattr(node, "obstacle_here", lambda *_: "it is not on this node")
    look = look_here(needs, str(home / "token"), receiver)
    assert look.obstacle == f"{runs[0].config.gym_env_name} needs Box2D, which is not installed"


def test_each_environment_is_made_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def noted(name: str, kwargs: Mapping[str, Any]) -> Any:
        made.append(name)
        return make_environment(name, kwargs)

    monkeypatch.setattr(fitness, "make_environment", noted)
    run = planned()[0]
    assert cannot_make([run, replace(run, index=1), *planned(gym_env_name="CartPole-v1")]) == ""
    assert made == [run.config.gym_env_name, "CartPole-v1"]
    assert home.is_dir()


def test_a_workplace_that_was_cleared_is_made_again(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.sweep.cluster.test_workplace import templates

    templates(home / "templates")
    receiver = ray_of(needs_of(planned(prompts="templates")), home, monkeypatch)
    ask = node._asking(receiver)
    place = node._workplace(ask)
    for cleared in (place.root, place.path(home / "templates/search.j2")):
        shutil.rmtree(cleared) if cleared.is_dir() else cleared.unlink()
        assert node._workplace(ask) is place
        with place.entered():
            assert Path("templates/search.j2").read_bytes() == (home / "templates/search.j2").read_bytes()
        assert (place.root / ".lock").is_file()


class Failing:
    """Fails a few times, then answers."""

    def __init__(self, errors: list[type[Exception]], answer: Any) -> None:
        self.errors, self.answer, self.asked = errors, answer, 0

    def __call__(self, *_: Any) -> Any:
        self.asked += 1
        if self.errors:
            raise self.errors.pop(0)
        return self.answer


def test_an_actor_that_is_not_available_is_asked_again_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    monkeypatch.setattr(time, "monotonic", lambda: sum(slept))
    write = Failing([ActorUnavailableError] * 3, None)
    permit = Failing([ActorUnavailableError], Verdict(1))
    ray = Ray(write=write, ask=permit)
    monkeypatch.setattr(node, "require_ray", lambda: ray)
    ask, channel = node._asking(Actor(ray)), node._Channel(Actor(ray), 1.0)
    ask("write", "a piece")
    assert (write.asked, len(slept)) == (4, 3)
    assert channel.ask(PermitRequest.__new__(PermitRequest)) == Verdict(1)
    assert permit.asked == 2
    for errors in ([ActorDiedError], [ActorUnavailableError] * 1000):
        ray.answers["write"] = Failing(list(errors), None)
        with pytest.raises(OSError, match=rf"does not answer \({errors[0].__name__}\)"):
            ask("write", "a piece")
    assert sum(slept) < 2 * node.UNAVAILABLE_S
