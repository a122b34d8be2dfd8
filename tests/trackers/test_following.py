"""What trackers are told of a run: the numbers of its log, once each, whenever they are sent."""

from __future__ import annotations

import json
import math
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from r2po.cli import main
from r2po.commands.track import send_runs
from r2po.config import changes, load_config
from r2po.errors import InputError, RunStopped
from r2po.llm.redaction import Redaction
from r2po.llm.registry import PROVIDERS, NoModel, ProviderKind
from r2po.runlog import RunDirectory
from r2po.trackers import check_trackers
from r2po.trackers.following import redaction_of
from r2po.trackers.metrics import METRICS
from r2po.trackers.reading import RunReader, clean, identity_of
from r2po.trackers.registry import _is_installed
from r2po.trackers.spent import Spent
from tests.analysis.made_logs import write_run
from tests.builders import register
from tests.trackers import recorder
from tests.trackers.recorder import file_of, points, read
from tests.trackers.runs import Make, Notes, iterations, make_run, result, unfinish


def test_a_run_is_sent_as_it_is_in_the_log(make: Make) -> None:
    run = make("recorder")
    logged, sent = iterations(run), points(run)
    assert [each["step"] for each in sent] == [1, 2, 3, 4]
    for record, point in zip(logged, sent, strict=True):
        expected = {
            "step": record["iteration"],
            "time": datetime.fromisoformat(record["times"]["ended"]).timestamp(),
            "reward/kept": record["reward"],
            "reward/best": record["best_reward"],
            "reward/proposal": record["candidates"][0]["reward"],
            "reward/revision": record["candidates"][1]["reward"],
            "budget/episodes": record["episodes"],
            "budget/steps": record["steps"],
            "llm/calls": record["llm_calls"],
            "llm/refused": 0,
            "llm/failed_attempts": 0,
            "time/iteration_s": record["times"]["elapsed_s"],
            "time/llm_s": record["times"]["llm_s"],
            "time/rollout_s": record["times"]["rollout_s"],
        }
        assert point == expected  # no tokens and no cost: the stand-in does not say


def test_the_ending_has_the_held_out_figures_and_the_files(make: Make) -> None:
    run = make("recorder")
    (run / "curve.png").write_bytes(b"\x89PNG")
    (run / "report.html").write_text("<p>")
    file_of(run).unlink()
    list(send_runs([str(run)], ["recorder"], {}, print))
    (ending,) = [line for line in read(run) if "ending" in line]
    assert ending["ending"]["heldout/mean"] == result(run)["heldout_reward"]
    assert ending["ending"]["heldout/std"] == result(run)["heldout_std"]
    assert ending["ending"]["step"] == 4
    assert ending["files"] == ["curve.png", "report.html"]
    assert json.loads(ending["texts"]["result.json"]) == result(run)
    assert yaml.safe_load(ending["texts"]["config.yaml"]) == RunDirectory(run).read_description()["config"]


def test_the_best_policy_is_what_export_writes(make: Make, tmp_path: Path) -> None:
    run = make("recorder")
    assert main(["export", str(run), "--output", str(tmp_path / "policy.json")]) == 0
    (ending,) = [line for line in read(run) if "ending" in line]
    exported = json.loads((tmp_path / "policy.json").read_text())
    sent = json.loads(ending["texts"]["best_policy.json"])
    assert sent == {key: exported[key] for key in sent}
    assert sent["params"] == result(run)["best_params"]


def test_a_finished_run_is_sent_by_the_same_code_and_only_once(make: Make) -> None:
    run = make("recorder")
    live = read(run)
    file_of(run).unlink()
    lines = list(send_runs([str(run.parent)], ["recorder"], {}, print))
    assert lines == [f"{run} to recorder: 4 iterations and its ending"]
    later = read(run)
    assert points(run) == [each for line in live for each in line.get("points", [])]
    assert [x for x in later if "points" not in x] == [x for x in live if "points" not in x]
    assert list(send_runs([str(run)], ["recorder"], {}, print)) == [f"{run} to recorder: nothing new"]
    assert [x for x in read(run) if "complete" not in x] == [x for x in later if "complete" not in x]


def test_a_resumed_run_fills_what_is_missing_and_sends_nothing_twice(make: Make) -> None:
    run = make("recorder")
    unfinish(run, left=3)
    lines = [line for line in read(run) if "ending" not in line]
    kept = [
        {**line, "points": [x for x in line["points"] if x["step"] < 2]} if "points" in line else line for line in lines
    ]
    file_of(run).write_text("".join(f"{json.dumps(line)}\n" for line in kept))  # a tracker that was told of one only
    make("recorder")
    assert [each["step"] for each in points(run)] == [1, 2, 3, 4]
    assert sum("config" in line for line in read(run)) == 1
    assert sum("ending" in line for line in read(run)) == 1


def test_a_complete_run_that_is_asked_for_again_sends_what_its_trackers_lack(make: Make) -> None:
    run = make()
    assert not file_of(run).exists()
    list(send_runs([str(run)], ["recorder"], {}, print))
    assert [each["step"] for each in points(run)] == [1, 2, 3, 4]


def test_a_stand_in_is_marked(make: Make) -> None:
    described = read(make("recorder"))[0]
    assert described["name"] == "run_1 (stand-in)"
    assert described["experiment"] == "exp"
    assert described["method"] == "r2po"
    assert described["tags"]["stand_in"] == "true"
    assert described["tags"]["model"] == "embedded/search"
    assert re.fullmatch("[0-9a-f]{16}", described["identity"])


def test_runs_of_one_seed_that_begin_in_the_same_second_are_two(make: Make) -> None:
    run = make()
    second = make_run(run.parent, anew=True)
    for each in (run, second):  # as earlier versions wrote them
        description = RunDirectory(each).read_description()
        RunDirectory(each).write_description({**description, "created": "2025-01-01T00:00:00+00:00"})
    assert (run / "run.yaml").read_bytes() == (second / "run.yaml").read_bytes()
    assert identity_of(run) != identity_of(second)


def test_when_a_run_began_tells_it_from_others_of_its_number_and_moving_it_does_not(make: Make, tmp_path: Path) -> None:
    run, elsewhere = make(), tmp_path / "elsewhere/run_1"
    identity = identity_of(run)
    began = RunDirectory(run).read_description()["created"]
    assert datetime.fromisoformat(began).isoformat(timespec="microseconds") == began
    run.rename(tmp_path / "run_1")
    elsewhere.parent.mkdir()
    (tmp_path / "run_1").rename(elsewhere)
    assert identity_of(elsewhere) == identity
    again = make()  # the same config, place, seed and number
    assert identity_of(again) != identity


def test_a_replay_is_marked(make: Make) -> None:
    run = make()
    replayed = make("recorder", name="again", llm_model_name=f"replay/{run}")
    described = read(replayed)[0]
    assert described["tags"]["replay_of"] == str(run)
    assert "stand_in" in described["tags"]  # what a stand-in said remains that
    assert described["name"] == "run_1 (stand-in)"


def test_a_run_that_asks_no_model_has_no_calls(make: Make) -> None:
    sent = points(make("recorder", method="random_search", llm_model_name=None))
    assert not [name for each in sent for name in each if name.startswith(("llm/", "tokens/", "cost/", "time/llm"))]
    assert all("reward/kept" in each for each in sent)


def test_tracking_makes_no_other_run(make: Make) -> None:
    run, plain = make("recorder"), make(name="plain")
    first, second = (RunDirectory(each).read_description() for each in (run, plain))
    assert first["config"]["track"] == ["recorder"]
    for one, other in zip(iterations(run), iterations(plain), strict=True):
        assert one["candidates"] == other["candidates"]
    unfinish(plain, left=2)
    make("recorder", name="plain")  # goes on, with a tracker
    assert [each["step"] for each in points(plain)] == [1, 2, 3, 4]
    assert first["seed"] == second["seed"]


CALLS: list[dict[str, Any]] = [
    {"event": "request", "call": 1, "iteration": 1, "role": "search"},
    {"event": "failure", "call": 1},
    {"event": "reply", "call": 1, "refusal": "no numbers", "usage": {"prompt_tokens": 10, "completion_tokens": 5}},
    {"event": "request", "call": 2, "iteration": 1, "role": "search"},
    {"event": "reply", "call": 2, "refusal": "", "usage": {"prompt_tokens": 20, "completion_tokens": 7}},
    {"event": "request", "call": 3, "iteration": 2, "role": "critic"},
    {"event": "reply", "call": 3, "refusal": "", "usage": {"prompt_tokens": 100, "completion_tokens": None}},
    {"event": "request", "call": 4, "iteration": 3, "role": "search"},
]


def write_calls(run: Path, config: dict[str, Any]) -> None:
    (run / "llm_calls.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in CALLS))


def test_calls_count_for_the_iteration_that_made_them_and_what_is_unknown_is_not_sent(tmp_path: Path) -> None:
    write_calls(tmp_path, {})
    config = {"prices": {"input": 2.0, "output": 10.0}, "critic": {"prices": {"input": 1.0, "output": 1.0}}}
    spent = Spent(tmp_path / "llm_calls.jsonl", config)
    assert spent.by(1) == {
        "llm/refused": 1,
        "llm/failed_attempts": 1,
        "tokens/search/prompt": 30,
        "tokens/search/completion": 12,
        "cost/total": math.fsum([(10 * 2.0 + 5 * 10.0) / 1e6, (20 * 2.0 + 7 * 10.0) / 1e6]),
    }
    second = spent.by(2)
    assert second["tokens/critic/prompt"] == 100
    assert "tokens/critic/completion" not in second
    assert "cost/total" not in second  # that of the critic's reply is not known
    assert "cost/total" not in Spent(tmp_path / "llm_calls.jsonl", {}).by(1)


def test_numbers_that_are_none_are_left_out(tmp_path: Path) -> None:
    run = write_run(tmp_path / "old", 1, [1.0, float("inf"), 3.0])
    lines = iterations(run)
    del lines[0]["times"]["ended"]
    lines[2]["reward"] = lines[2]["accepted"] = None
    lines[2]["candidates"] = [{"stage": "a/b, c", "failure": {"kind": "raised", "text": "x"}, "lengths": []}]
    (run / "iterations.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    first, second, third = RunReader(run, Redaction([])).new_points()
    assert first.values["reward/kept"] == 1.0
    assert "reward/kept" not in second.values
    assert not [name for name in third.values if name.startswith(("reward/kept", "reward/a"))]


def test_baselines_keep_the_names_of_stable_baselines3(tmp_path: Path) -> None:
    """The short version of a test with real training, which is slow."""
    description = {"model": "none", "stand_in": False, "protocol": "controlled"}
    run = write_run(tmp_path / "logs/sb3/ppo", 1, [1.0, 4.0], description=description, config={"algorithm": "PPO"})
    lines = iterations(run)
    for number, line in enumerate(lines, 1):
        candidate = {"stage": "evaluation", "reward": line["reward"], "returns": [1.0, 2.0], "lengths": [10, 30]}
        line |= {"candidates": [candidate], "training_episodes": 60 * number, "training_steps": 500 * number}
        line["training_returns"] = [float(number)] * 60
    (run / "iterations.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    reader = RunReader(run, Redaction([]))
    first, second = reader.new_points()
    assert first.values["rollout/ep_rew_mean"] == 1.0
    assert second.values["rollout/ep_rew_mean"] == (40 * 1.0 + 60 * 2.0) / 100
    assert second.values["eval/mean_reward"] == second.values["reward/kept"] == 4.0
    assert second.values["eval/mean_ep_length"] == 20.0
    assert (second.values["time/total_timesteps"], second.values["time/episodes"]) == (1000, 120)
    assert not [name for name in second.values if name.startswith(("llm/", "time/llm"))]
    assert (reader.run.experiment, reader.run.method, reader.run.logs) == ("sb3/ppo", "PPO", tmp_path / "logs")


def test_every_name_is_in_the_table(make: Make) -> None:
    patterns = [re.sub("<[a-z]+>", "[A-Za-z0-9_. :-]+", name) for name in METRICS]
    names = {name for each in points(make("recorder")) for name in each} - {"step", "time"}
    assert names
    assert [name for name in names if not any(re.fullmatch(pattern, name) for pattern in patterns)] == []


KEY = "sk-this-is-a-secret-key-0123456789"


def test_keys_are_blanked_in_whatever_is_sent(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", f"{KEY}-w")
    run = make("recorder", environ={"OPENAI_API_KEY": KEY}, description="published", prompts="published")
    text = (run / "result.json").read_text()
    assert KEY not in text
    said = clean(f"a {KEY} b {KEY}-w c \ud800", redaction_of({"OPENAI_API_KEY": KEY}))
    assert said == "a [key] b [key] c \\ud800"


def test_a_key_is_blanked_whatever_its_variable_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = ProviderKind("lab", "Lab", "lab", lambda _: False, lambda *_: NoModel(), key_variable="LABWORD")
    register(PROVIDERS, kind, monkeypatch)
    environ = {"LABWORD": KEY, "MLFLOW_TRACKING_URI": "http://me:pass-0123456789-word@host:1/"}
    assert clean(f"{KEY}, pass-0123456789-word", redaction_of(environ)) == "[key], [key]"


def test_short_keys_and_passwords_are_blanked_too_and_the_config_stays_one(make: Make) -> None:
    run = make()
    redaction = redaction_of(
        {"LAB_API_KEY": "CartPole", "MLFLOW_TRACKING_URI": "http://me:2short4u@host/", "A_KEY": "Nim"}
    )
    assert clean("CartPole 2short4u Nim", redaction) == "[key] [key] Nim"
    directory = RunDirectory(run)
    description = directory.read_description()
    odd = {**description["config"], "description": "CartPole-v9", "critic": {"CartPole": ["CartPole"]}}
    directory.write_description({**description, "config": odd})
    sent = RunReader(run, redaction).run
    assert yaml.safe_load(sent.config_text)["description"] == sent.config["description"] == "[key]-v9"
    assert sent.config["critic"] == {"[key]": ["[key]"]}
    assert sent.config["gym_env_name"] == "Nim-v0"
    assert (sent.config["seed"], yaml.safe_load(sent.config_text)["seed"]) == (1, odd["seed"])


def test_an_unknown_tracker_is_named_before_anything_starts(make: Make, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"unknown tracker 'tensorbord' .did you mean 'tensorboard'"):
        make("tensorbord")
    assert not (tmp_path / "logs").exists()


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "mlflow"])
def test_a_missing_extra_is_named_before_anything_starts(
    name: str, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("r2po.trackers.registry.find_spec", lambda _: None)
    with pytest.raises(InputError, match=rf"tracker '{name}' needs the package.*pip install 'r2po\[{name}\]'"):
        make(name)
    assert not (tmp_path / "logs").exists()


def test_all_missing_extras_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("r2po.trackers.registry.find_spec", lambda _: None)
    with pytest.raises(InputError) as caught:
        check_trackers(["wandb", "recorder", "mlflow"])
    assert str(caught.value) == (
        "tracker 'wandb' needs the package wandb; tracker 'mlflow' needs the packages mlflow, sqlalchemy, alembic, "
        "not installed here: pip install 'r2po[wandb,mlflow]'"
    )


def test_a_tracker_that_is_no_list_gets_a_hint(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("gym_env_name: Nim-v0\nmethod: props\nllm_model_name: embedded/search\nlogdir: logs\n")
    with pytest.raises(InputError, match=r"track is 'tensorboard'; expected a list: \[tensorboard\]"):
        load_config(path, ["track=tensorboard"])


def test_a_folder_of_the_name_of_a_package_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "r2po_no_such_package").mkdir()  # as W&B makes a folder wandb in the working directory
    monkeypatch.syspath_prepend(str(tmp_path))
    assert not _is_installed("r2po_no_such_package")
    assert _is_installed("json")


def test_runs_that_cannot_be_sent_are_told_and_the_others_are_sent(make: Make) -> None:
    run, other = make(), make(name="other")
    (run / "run.yaml").write_text("nothing")
    said: list[str] = []
    sending = send_runs([str(run), str(other)], ["recorder"], {}, said.append)
    assert next(sending) == f"{other} to recorder: 4 iterations and its ending"
    with pytest.raises(RunStopped, match="1 was not sent"):
        next(sending)
    assert said[0] == "sending 2 runs to recorder"
    assert len(said) == 2
    assert f"{run} to recorder: not sent: " in said[1]


@pytest.mark.parametrize("complete", [False, True])
def test_a_run_that_another_process_has_is_not_sent(make: Make, *, complete: bool) -> None:
    run = make()
    if not complete:
        unfinish(run, left=2)
    directory = RunDirectory(run)
    directory.lock()
    said: list[str] = []
    with pytest.raises(RunStopped):
        list(send_runs([str(run)], ["recorder"], {}, said.append))
    directory.close()
    assert "another process has it" in said[1]
    assert ("under way" in said[1]) is not complete


def test_a_path_without_runs_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no runs in"):
        list(send_runs([str(tmp_path)], ["recorder"], {}, print))


def test_the_key_is_neutral(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("gym_env_name: Nim-v0\nmethod: props\nllm_model_name: embedded/search\nlogdir: logs\n")
    plain, followed = load_config(path), load_config(path, ["track=[tensorboard]"])
    assert changes(followed, plain.model_dump(mode="json"), 1) == ""


def test_notes_reach_whoever_watches(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError(f"the server said {KEY}")

    monkeypatch.setattr(recorder.Recorder, "describe", fail)
    notes = Notes()
    run = make("recorder", observer=notes, environ={"OPENAI_API_KEY": KEY})
    (note,) = [each for each in notes.notes if each.startswith("recorder")]
    assert note.startswith("recorder stopped: RuntimeError: the server said [key]; the run goes on; `")
    assert f"track {run} --to recorder` sends it later" in note
    assert result(run)["iterations"] == 4
