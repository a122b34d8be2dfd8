"""What older logs are read by is what run.yaml records today."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from r2po.analysis.logs.built_in import BUILT_IN, SB3_ALGORITHMS, method_facts, task_facts
from r2po.analysis.logs.experiments import find_experiments
from r2po.baselines.sb3.algorithms import ALGORITHMS
from r2po.baselines.sb3.plan import FACTS
from r2po.errors import InputError
from r2po.methods import METHODS
from r2po.runlog.facts import GREY
from r2po.tasks import TASKS
from tests.analysis.made_logs import write_run

OURS = {**method_facts("props"), "name": "mine", "label": "My method", "roles": ["search"]}


def test_methods_are_those_that_there_are() -> None:
    assert {"sb3": FACTS, **{name: method.facts({}) for name, method in METHODS.items()}} == dict(BUILT_IN)


def test_algorithms_are_those_that_there_are() -> None:
    assert list(SB3_ALGORITHMS) == list(ALGORITHMS)


def test_tasks_are_read_from_their_cards() -> None:
    assert task_facts("nim")["random_reward"] == TASKS["nim"].random_reward
    assert task_facts("unheard_of")["label"] == "unheard_of"


def test_of_a_method_that_is_not_known_its_name_is() -> None:
    facts = method_facts("unheard_of")
    assert (facts["label"], facts["style"], facts["pair"]) == ("unheard_of", GREY, None)


def test_what_a_log_says_counts(tmp_path: Path) -> None:
    task: dict[str, Any] = {**task_facts("cartpole"), "name": "mine", "label": "My task", "optimum": 7.0}
    write_run(tmp_path / "a", 1, [1.0], description={"method": OURS, "task": task})
    write_run(tmp_path / "b", 1, [1.0])
    mine, props = find_experiments(tmp_path)[::-1]
    assert (mine.cell, props.cell) == ("My method on My task", "ProPS on CartPole")
    for only in ({"only_method": ["my method"]}, {"only_env": ["MyTask"]}):
        assert [each.cell for each in find_experiments(tmp_path, **only)] == [mine.cell]  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"unknown method 'mines' \(did you mean 'mine'\?\).*, promptpo_tuned, mine$"):
        find_experiments(tmp_path, only_method=["mines"])
    with pytest.raises(InputError, match=r"unknown environment 'my_tesk'.*, mine$"):
        find_experiments(tmp_path, only_env=["my_tesk"])


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    write_run(tmp_path / "a", 1, [1.0], description={"method": {**OURS, "label": 3}})
    (experiment,) = find_experiments(tmp_path)
    assert experiment.problems[0].startswith("run_1: run.yaml: method.label is 3")
