"""From which templates prompts are made, and the hash that logs record of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jinja2
import pytest

from r2po.envs.extras import lacking
from r2po.errors import InputError
from r2po.experiment.setting import Setting
from r2po.llm.providers.embedded import EmbeddedSearch
from r2po.prompts import prompt_facts
from r2po.runlog.facts import PromptFacts
from r2po.tasks import TASKS
from tests.builders import PROMPTED, editable_templates, make_brief, make_config, open_experiment

KINDS = [
    ("nim", {}),
    ("nim", {"prompts": "compact"}),
    ("cartpole", {}),
    ("cartpole", {"prompts": "compact"}),
    ("invertedpendulum", {}),
    ("maze5x5", {}),
    ("swimmer", {"policy": "random_features"}),
    ("swimmer", {"policy": "projected_mlp"}),
    ("swimmer", {"policy": "projected_mlp", "prompts": "compact"}),
]
SETTINGS = {"num_iterations": 2, "num_evaluation_episodes": 2, "heldout_episodes": 0, "max_traj_length": 5}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    with editable_templates(tmp_path / "templates") as copy:
        yield copy


def facts_of(environment: str, method: str, **values: Any) -> PromptFacts:
    facts = Setting(make_config(environment, method, **SETTINGS, **values), 1).prompts
    assert facts is not None
    return facts


@pytest.mark.parametrize(("environment", "values"), KINDS, ids=lambda value: value if isinstance(value, str) else "")
@pytest.mark.parametrize("method", PROMPTED)
@pytest.mark.sampled(3)
def test_what_a_method_renders_is_in_its_hash(
    method: str, environment: str, values: dict[str, Any], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: set[Path] = set()
    load = jinja2.FileSystemLoader.get_source

    def noted(self: jinja2.FileSystemLoader, environment: jinja2.Environment, template: str) -> Any:
        found = load(self, environment, template)
        loaded.add(Path(str(found[1])))
        return found

    monkeypatch.setattr(jinja2.FileSystemLoader, "get_source", noted)
    # Without warm-up the first prompts have no history, later ones have some.
    config = make_config(environment, method, **SETTINGS, **values, warmup_episodes=0)
    with open_experiment(config, EmbeddedSearch(), tmp_path / "run") as experiment:
        experiment.run()
    rendered = set(loaded)
    before = facts_of(environment, method, **values)
    assert rendered
    for path in rendered:
        source = path.read_text(encoding="utf-8")
        path.write_text(f"{source}{{# edited #}}", encoding="utf-8")
        assert facts_of(environment, method, **values)["templates"] != before["templates"], path.name
        path.write_text(source, encoding="utf-8")
    assert facts_of(environment, method, **values) == before


def test_other_templates_and_cards_are_not_in_the_hash(folder: Path) -> None:
    before = facts_of("cartpole", "critic_only")
    for name in ("search.j2", "critic.j2", "program/words.j2"):
        with (folder / name).open("a", encoding="utf-8") as file:
            file.write("{# edited #}")
    assert facts_of("cartpole", "critic_only") == before
    assert facts_of("cartpole", "critic_only", optimum=3.0, warmup_episodes=1) == before  # the config has these
    assert facts_of("pong", "critic_only")["task"] != before["task"]


@pytest.mark.parametrize("entry", ["summary", "reward", "ending", "observation", "actions"])
def test_each_text_of_a_card_is_in_the_hash(entry: str) -> None:
    brief = make_brief("nim")
    description: Any = brief.description
    text = getattr(description, entry)
    edited = replace(description, **{entry: f"{text}." if isinstance(text, str) else (f"{text[0]}.", *text[1:])})
    before = prompt_facts(["search.j2"], brief)
    after = prompt_facts(["search.j2"], replace(brief, description=edited))
    assert after == {**before, "task": after["task"]}
    assert after["task"] != before["task"]


def test_a_task_without_published_texts_has_one_description() -> None:
    for name, task in TASKS.items():
        if lacking(task.gym_id):
            continue
        told = [Setting(make_config(name, "props", description=each), 1).prompts for each in ("published", "detailed")]
        sources = [facts and facts["description"] for facts in told]
        assert sources == (["published", "detailed"] if task.published else ["own", "own"])
        assert (told[0] == told[1]) == (not task.published)


def test_a_method_that_names_no_templates_is_kept_to_all(folder: Path) -> None:
    brief = make_brief("cartpole")
    unnamed, none = prompt_facts(None, brief), prompt_facts((), brief)
    assert none["templates"] == ""
    for name in ("critic_only.j2", "parameters/words.j2"):
        with (folder / name).open("a", encoding="utf-8") as file:
            file.write("{# edited #}")
        edited = prompt_facts(None, brief)
        assert edited["templates"] != unnamed["templates"]
        unnamed = edited
    assert prompt_facts((), brief) == none


def test_a_template_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InputError, match=r"there is no template 'serch\.j2' \(did you mean 'search\.j2'\?\)"):
        prompt_facts(["serch.j2"], make_brief("cartpole"))
