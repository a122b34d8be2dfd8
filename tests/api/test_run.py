"""``r2po.run``: the run of the command line, from a program."""

from __future__ import annotations

import inspect
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import r2po
from r2po.api.settings import settled
from r2po.cli import main
from r2po.config import Config, load_config
from r2po.llm.types import AttemptFailed
from r2po.methods.asking import MAX_REASKS
from r2po.runlog import RunDirectory
from r2po.runlog.records import IterationRecord
from r2po.tasks import TASKS
from tests.llm.fake_servers import FakeOllama
from tests.llm.providers.test_streaming import endless

VALUES: Mapping[str, Any] = {
    "gym_env_name": "CartPole-v1",
    "method": "r2po",
    "llm_model_name": "embedded/search",
    "num_iterations": 3,
    "num_evaluation_episodes": 2,
    "heldout_episodes": 3,
    "reevaluation_episodes": 2,
    "max_traj_length": 30,
    "warmup_episodes": 3,
    "rollout_engine": "reference",  # compiles nothing
}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def content(run: Path) -> list[dict[str, Any]]:
    """Return the iterations of a run without times and what depends on them."""
    records: list[Any] = RunDirectory(run).read_iterations()
    return [{key: value for key, value in record.items() if key not in ("times", "sums")} for record in records]


def test_it_is_the_run_of_the_command_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "my.yaml").write_text(yaml.safe_dump({**VALUES, "logdir": "file"}), encoding="utf-8")
    assert main(["run", "--quiet", "--config", "my.yaml", "--seed", "5", "--set", "logdir=command"]) == 0
    from_file = r2po.run("my.yaml", seed=5)
    from_values = r2po.run({**VALUES, "logdir": tmp_path / "values"}, seed=np.int64(5))
    from_config = r2po.run(load_config("my.yaml", ["logdir=config"]), seed=5)
    runs = [from_file.directory, from_values.directory, from_config.directory]
    assert [run.relative_to(tmp_path) for run in map(Path.resolve, runs)] == [
        Path("file/run_1"),
        Path("values/run_1"),
        Path("config/run_1"),
    ]
    assert [content(run) for run in runs] == [content(Path("command/run_1"))] * 3
    assert tuple(capfd.readouterr()) == ("", "")


def test_the_result_is_what_the_files_say() -> None:
    result = r2po.run(VALUES, logdir="logs", seed=2)
    log, records = RunDirectory(result.directory).read_result(), RunDirectory(result.directory).read_iterations()
    assert (result.seed, result.stand_in, result.config.method) == (2, True, "r2po")
    assert (result.best_reward, result.best_iteration) == (log["best_reward"], log["best_iteration"])
    assert (result.heldout_reward, result.heldout_std, result.heldout_episodes) == (
        log["heldout_reward"],
        log["heldout_std"],
        3,
    )
    assert result.best_params is not None
    assert result.best_params.tolist() == log["best_params"]
    assert result.rewards.tolist() == [record["reward"] for record in records]
    assert result.best_rewards.tolist() == np.maximum.accumulate(result.rewards).tolist()
    assert (result.episodes[-1], result.steps[-1], result.llm_calls[-1]) == (log["episodes"], log["steps"], 6)
    assert list(result.history.columns) == ["reward", "best_reward", "episodes", "steps", "llm_calls"]
    assert list(result.history.index) == [1, 2, 3]
    assert result.history["reward"].tolist() == result.rewards.tolist()
    text = repr(result)
    assert f"held-out {log['heldout_reward']:.2f} over 3 episodes, 3 iterations, embedded stand-in" in text


def test_its_policy_acts() -> None:
    result = r2po.run(VALUES, logdir="logs")
    assert result.policy is result.policy
    assert result.policy.params == (None if result.best_params is None else result.best_params.tolist())
    rows = np.random.default_rng(1).normal(size=(20, 4))
    one_by_one = [result.policy(row) for row in rows]
    assert set(map(type, one_by_one)) == {int}
    assert result.policy.act_batch(rows).tolist() == one_by_one
    with pytest.raises(r2po.InputError, match="expected 4 numbers"):
        result.policy([1.0, 2.0])


def test_what_follows_from_the_method_follows_an_override() -> None:
    """A config object is complete; what it has from its method is not what its user asked for."""
    values = {**VALUES, "logdir": "logs"}
    config = settled({**values, "num_iterations": None}, {}, print)
    assert (config.num_iterations, config.announced_iterations) == (100, 100)
    assert settled(config, {"method": "props"}, print).num_iterations == 200
    changed = settled(config, {"num_iterations": 7}, print)
    assert (changed.num_iterations, changed.announced_iterations) == (7, 7)
    asked = settled({**values, "num_iterations": 30, "optimum": 400.0}, {"method": "props"}, print)
    assert (asked.num_iterations, asked.optimum) == (30, 400.0)
    assert settled(config, {}, print).model_dump() == config.model_dump()


@pytest.mark.parametrize(
    ("config", "overrides", "said"),
    [
        (VALUES, {"num_iteration": 3}, r"config: unknown key 'num_iteration' \(did you mean 'num_iterations'\?\)"),
        (VALUES, {"num_iterations": "many"}, "config: num_iterations"),
        ("nowhere.yaml", {}, "no config file 'nowhere.yaml'"),
        (["a"], {}, "config is a list; expected a path, a mapping of keys to values, or a Config"),
        (VALUES, {"resume": 4}, "cannot resume run_4 in logs: found no runs"),
        (VALUES, {"resume": True}, 'resume is True; expected the number of a run, "latest", or None'),
        (VALUES, {"resume": 0}, "resume is 0"),
        (VALUES, {"logdir": "file/logs"}, "file"),
        ({key: value for key, value in VALUES.items() if key != "method"}, {}, "config: key 'method' is missing"),
    ],
)
def test_errors_are_those_of_the_package(config: Any, overrides: dict[str, Any], said: str) -> None:
    Path("file").touch()
    with pytest.raises(r2po.InputError, match=said):
        r2po.run(config, **{"logdir": "logs", **overrides})
    assert [path.name for path in Path().iterdir()] == ["file"]


def test_paths_in_a_file_are_seen_from_its_folder() -> None:
    (Path("lab") / "words").mkdir(parents=True)
    card = {**TASKS["pendulum"].record(), "name": "rod", "published": {}}
    Path("lab/rod.yaml").write_text(yaml.safe_dump(card))
    values = {"task": "rod.yaml", "prompts": "words", "method": "props", "llm_model_name": "embedded/search"}
    Path("lab/config.yaml").write_text(yaml.safe_dump({**values, "logdir": "logs"}))
    config = settled("lab/config.yaml", {}, print)
    assert config == load_config("lab/config.yaml")
    assert config.task is not None
    assert (config.task.name, config.prompts) == ("rod", "lab/words")


def test_entries_of_sections() -> None:
    config = settled({**VALUES, "logdir": "logs", "prices": {"output": 4}}, {"prices.input": 3}, print)
    assert config.known_prices is not None
    assert (config.known_prices.input, config.known_prices.output) == (3, 4)


class Recorder(r2po.Observer):
    """Counts, and may press Ctrl-C."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.events: list[str] = []
        self.stop_at = stop_at

    def iterated(self, record: IterationRecord) -> None:
        self.events.append(f"iteration {record['iteration']}")
        if record["iteration"] == self.stop_at:
            raise KeyboardInterrupt

    def note(self, text: str) -> None:
        self.events.append(text)

    def failed(self, attempt: AttemptFailed, wait_s: float) -> None:
        raise AssertionError


def test_an_interrupt_leaves_a_run_that_continues_where_it_stopped() -> None:
    whole = r2po.run(VALUES, logdir="whole", seed=4)
    with pytest.raises(KeyboardInterrupt, match=r"stopped; to continue: r2po\.run\(\.\.\., resume=1\), with the same"):
        r2po.run(VALUES, logdir="logs", seed=4, observer=Recorder(stop_at=2))
    assert not RunDirectory(Path("logs/run_1")).is_complete
    seen = Recorder()
    result = r2po.run(VALUES, logdir="logs", seed=4, resume="latest", observer=seen)
    assert seen.events == ["iteration 3"]
    assert content(result.directory) == content(whole.directory)
    again = r2po.run(VALUES, logdir="logs", seed=4, resume=1)
    assert again.rewards.tolist() == whole.rewards.tolist()
    assert any("is complete; nothing to do" in note for note in again.notes)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let Ctrl-C interrupt, also where the tests run in the background of a shell, which has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_ends_all_that_servers_write_though_the_process_lives_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a notebook; the samples of a round are asked for in threads."""
    noticed: list[float] = []

    before = MAX_REASKS + 1  # about what to learn from rollouts, which no reply says
    interrupted: list[int] = []

    class Impatient(r2po.Observer):
        def receiving(self, characters: int) -> None:
            if len(server.chats) == before + 2 and not interrupted:
                interrupted.append(characters)
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    values = {**VALUES, "method": "promptpo", "candidates": 2, "llm_model_name": "ollama/tiny", "logdir": "logs"}
    values |= {"llm_timeout_s": 20.0, "warmup_episodes": None}
    with FakeOllama() as server:
        monkeypatch.setenv("OLLAMA_BASE_URL", server.url)
        server.always(endless(noticed))
        server.inject(*[lambda handler: handler.send_json(server.response("no", "", {"model": "tiny"}))] * before)
        with pytest.raises(KeyboardInterrupt, match="stopped"):
            r2po.run(values, seed=1, observer=Impatient())
        until = time.monotonic() + 1
        while len(noticed) < 2 and time.monotonic() < until:
            time.sleep(0.01)
        assert len(noticed) == 2


def test_an_interrupt_before_there_is_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def press(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("r2po.api.run.launch", press)
    with pytest.raises(KeyboardInterrupt, match="stopped before the run began"):
        r2po.run(VALUES, logdir="logs")


def test_a_cap_says_what_to_change() -> None:
    with pytest.raises(
        r2po.RunStopped, match=r"raise it; to continue: r2po\.run\(\.\.\., max_llm_calls=6, resume=1\)"
    ) as stop:
        r2po.run(VALUES, logdir="logs", max_llm_calls=3)
    assert isinstance(stop.value, r2po.R2POError)
    assert len(r2po.run(VALUES, logdir="logs", max_llm_calls=99, resume=1).rewards) == 3


def test_lines_only_if_asked(capfd: pytest.CaptureFixture[str]) -> None:
    seen = Recorder()
    r2po.run(VALUES, logdir="logs", quiet=False, observer=seen)
    out, err = capfd.readouterr()
    assert "iteration 3/3" in out
    assert err == ""
    assert seen.events[-3:] == ["iteration 1", "iteration 2", "iteration 3"]


def test_notes_are_kept() -> None:
    result = r2po.run({**VALUES, "method": "random_search"}, logdir="logs", num_iterations=3)
    assert any("llm_model_name" in note or "no effect" in note for note in result.notes)


def test_calls_in_threads_are_independent() -> None:
    alone = [r2po.run(VALUES, logdir=f"alone_{seed}", seed=seed) for seed in (1, 2, 3)]
    found: dict[int, r2po.Result] = {}

    def work(seed: int) -> None:
        found[seed] = r2po.run(VALUES, logdir="together", seed=seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {result.directory.name for result in found.values()} == {"run_1", "run_2", "run_3"}
    assert [content(found[seed].directory) for seed in (1, 2, 3)] == [content(each.directory) for each in alone]


def test_no_key_of_a_config_is_hidden_by_a_parameter() -> None:
    names = set(inspect.signature(r2po.run).parameters) - {"overrides"}
    assert not names & set(Config.model_fields)


def test_every_public_name_is_there_and_documented() -> None:
    import r2po as package

    assert sorted(package.__all__) == list(package.__all__) == sorted(package._MODULES)
    texts: Sequence[str] = [getattr(package, name).__doc__ or "" for name in package.__all__]
    assert all(texts)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = package.nothing
    assert set(package.__all__) <= set(dir(package))
