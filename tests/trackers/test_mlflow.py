"""MLflow: what its SQLite store holds, and that it reaches nobody."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from r2po.commands.track import send_runs
from r2po.errors import RunStopped
from r2po.llm.redaction import Redaction
from r2po.trackers.feed import Feed
from r2po.trackers.mlflow import ENDED, TRACKER
from tests.process.processes import NIM, REPOSITORY, Completed, environ, finish, start, write_config
from tests.trackers.runs import SMALL, iterations, make_run, result, unfinish

for module in ("mlflow", "sqlalchemy", "alembic"):
    pytest.importorskip(module, reason="needs MLflow: pip install 'r2po[mlflow]'")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

WATCHED = [sys.executable, str(REPOSITORY / "tests/trackers/lookups.py")]


def r2po(folder: Path, *arguments: str, **env: str) -> Completed:
    """Run a command of r2po, which says on its standard error what hosts it looks up."""
    return finish(start(folder, [*WATCHED, *arguments], environ(None, HOME=str(folder), **env), fresh=True))


def hosts(done: Completed) -> list[str]:
    return [line for line in done.stderr.splitlines() if line.startswith("host ")]


def stored(folder: Path) -> Any:
    """Return a client of the store, and its only run."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{folder / 'logs/mlflow.db'}")
    experiment = client.get_experiment_by_name("exp")
    (run,) = client.search_runs([experiment.experiment_id])
    return client, run


def history(client: Any, run: Any, name: str) -> list[tuple[int, float]]:
    return [(each.step, each.value) for each in client.get_metric_history(run.info.run_id, name)]


def test_the_store_holds_the_numbers_of_the_log_once_each_and_nobody_is_reached(tmp_path: Path) -> None:
    values = {**NIM, **SMALL, "llm_model_name": "embedded/search", "logdir": "logs/exp", "track": ["mlflow"]}
    write_config(tmp_path, values)
    done = r2po(tmp_path, "run", "--config", "config.yaml", "--quiet")
    assert (done.returncode, done.stdout, hosts(done)) == (0, "", [])
    run = tmp_path / "logs/exp/run_1"
    check(tmp_path, run)
    unfinish(run, left=2)
    done = r2po(tmp_path, "run", "--config", "config.yaml", "--resume", "--quiet")
    assert (done.returncode, hosts(done)) == (0, [])
    check(tmp_path, run)
    done = r2po(tmp_path, "track", "logs/exp", "--to", "mlflow")
    assert done.stdout == f"{run} to mlflow: nothing new\n"


def check(folder: Path, run: Path) -> None:
    client, found = stored(folder)
    logged = iterations(run)
    assert history(client, found, "reward/kept") == [(each["iteration"], each["reward"]) for each in logged]
    seconds = history(client, found, "time/iteration_s")[:2]  # those that a resumed run repeats take another time
    assert seconds == [(each["iteration"], each["times"]["elapsed_s"]) for each in logged[:2]]
    assert history(client, found, "heldout/mean") == [(4, result(run)["heldout_reward"])]
    assert found.info.run_name == "run_1 (stand-in)"
    assert found.info.status == "FINISHED"
    assert found.data.tags["stand_in"] == "true"
    assert found.data.params["num_iterations"] == "4"
    assert "temperature" not in found.data.params  # it is not set
    kept = {each.path for each in client.list_artifacts(found.info.run_id)}
    assert kept == {"best_policy.json", "config.yaml", "result.json"}
    (folder_of_files,) = (folder / "logs/mlflow-artifacts").iterdir()
    files = folder_of_files / "artifacts"
    assert yaml.safe_load((files / "config.yaml").read_text())["gym_env_name"] == "Nim-v0"
    assert json.loads((files / "best_policy.json").read_text())["params"] == result(run)["best_params"]
    assert not (folder / "mlruns").exists()


def test_what_a_kill_at_the_end_leaves_is_put_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    path = make_run(tmp_path / "logs/exp")

    def send() -> Feed:
        feed = Feed(TRACKER, path, Redaction([]))
        for do in (feed.load, feed.reach, feed.describe):
            do()
        for batch in feed.waiting():
            batch()
        return feed

    feed = send()
    client = feed.sink._client  # type: ignore[union-attr]
    set_tag = client.set_tag

    def killed(run: str, key: str, value: str) -> None:
        if key == ENDED:
            raise KeyboardInterrupt
        set_tag(run, key, value)

    monkeypatch.setattr(client, "set_tag", killed)
    with pytest.raises(KeyboardInterrupt):
        feed.close()
    assert stored(tmp_path)[1].info.status == "FINISHED"
    again = send()
    assert (again.points, again.had_ending) == (0, False)
    again.close()
    client, found = stored(tmp_path)
    assert (found.info.status, found.data.tags[ENDED]) == ("FINISHED", "true")
    client.update_run(found.info.run_id, status="RUNNING")  # as an earlier version left it, when killed in between
    again = send()
    assert not again.had_ending
    again.close()
    assert stored(tmp_path)[1].info.status == "FINISHED"
    assert send().had_ending
    check_moved(tmp_path, path)


def check_moved(folder: Path, path: Path) -> None:
    """After the logs are moved, nothing goes to the old place, and the line says why; in a new store, all is there."""
    (folder / "logs").rename(folder / "moved")
    moved = folder / "moved/exp" / path.name
    said: list[str] = []
    with pytest.raises(RunStopped):
        list(send_runs([str(moved)], ["mlflow"], {}, said.append))
    why = f"moved/mlflow.db has been moved: files of the experiment 'exp' would go to {folder}/logs/mlflow-artifacts"
    assert why in said[1]
    assert not (folder / "logs").exists()
    (folder / "moved/mlflow.db").unlink()
    (folder / "moved").rename(folder / "anew")  # in one process, MLflow remembers the store that is gone
    moved = folder / "anew/exp" / path.name
    assert list(send_runs([str(moved)], ["mlflow"], {}, print)) == [f"{moved} to mlflow: 4 iterations and its ending"]
