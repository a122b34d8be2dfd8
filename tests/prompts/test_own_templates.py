"""Templates of the user's: where they are looked for, what they may do, and how a mistake is told."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from r2po.analysis.logs.own import load_own_run
from r2po.cli import main
from r2po.config import load_config
from r2po.errors import InputError
from r2po.experiment.loading import load_best
from r2po.experiment.setting import Setting
from r2po.prompts.rendering import render
from r2po.prompts.wording import folder_of_templates, known_names, read_folder
from r2po.runlog import RunDirectory
from r2po.runlog.events import read_calls
from tests.builders import make_config
from tests.process.processes import CARTPOLE, write_config

OURS = folder_of_templates()


def write(folder: Path, texts: Mapping[str, str]) -> Path:
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def setting_of(folder: Path | str, method: str = "r2po", environment: str = "cartpole", **values: Any) -> Setting:
    return Setting(make_config(environment, method, prompts=str(folder), **values), 1)


def complaint(folder: Path, method: str = "r2po", environment: str = "cartpole", **values: Any) -> str:
    with pytest.raises(InputError) as caught:
        setting_of(folder, method, environment, **values).check_prompts()
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ---- What overrides what ----


def run_main(monkeypatch: pytest.MonkeyPatch, folder: Path, *options: str) -> int:
    monkeypatch.chdir(folder)
    return main(["run", "--quiet", "--config", "configs/config.yaml", *options])


SMALL = {**CARTPOLE, "llm_model_name": "embedded/search", "num_iterations": 2}


def test_a_folder_beside_the_config_words_the_prompts_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_config(tmp_path / "configs", {**SMALL, "prompts": "mine"})
    mine = write(
        tmp_path / "configs" / "mine",
        {
            "search.j2": 'Be brief.\n{% include "r2po/search.j2" %}\n{% include "parts/end.j2" %}',
            "parts/end.j2": "K is {{ brief.num_evaluation_episodes }}.",
            "README.md": "My words.",
            ".hidden": "",
        },
    )
    assert run_main(monkeypatch, tmp_path, "--set", "max_llm_calls=2") == 1
    directory = RunDirectory(Path("logs/run_1"))
    prompts = {call.role: call.prompt for call in read_calls(directory.path)}
    assert prompts["search"].startswith("Be brief.\nYou are a skilled")
    assert prompts["search"].endswith("K is 3.")
    assert "brief" not in prompts["critic"]
    facts = directory.read_description()["prompts"]
    assert facts is not None
    assert facts["style"] == "own"
    assert directory.read_description()["config"]["prompts"] == "configs/mine"
    assert load_own_run(directory).prompts == "prompts of the user's"

    # It is the texts that count, not the path; without the folder, runs can be read and their policies loaded.
    shutil.move(mine, tmp_path / "elsewhere")
    assert load_own_run(directory).rewards.size == 1
    load_best(directory, "test").setting.close()
    assert run_main(monkeypatch, tmp_path, "--resume", "1") == 2
    assert run_main(monkeypatch, tmp_path, "--resume", "1", "--set", "prompts=published") == 2
    assert run_main(monkeypatch, tmp_path, "--resume", "1", "--set", "prompts=elsewhere") == 0
    assert not any("prompts" in record for record in directory.read_iterations())


def test_the_first_of_several_that_fit_is_taken(tmp_path: Path) -> None:
    write(tmp_path, {"search.j2": "all", "projected_mlp/search.j2": "mlp", "parameters/search.j2": "numbers"})
    for environment, values, text in [
        ("swimmer", {"policy": "projected_mlp"}, "mlp"),
        ("swimmer", {}, "numbers"),
        ("cartpole", {"policy": "code"}, "all"),
    ]:
        assert render("search.j2", setting_of(tmp_path, "props", environment, **values).brief) == text


def test_a_part_that_ours_include_is_overridden_too(tmp_path: Path) -> None:
    write(tmp_path, {"parameters/values.j2": "Any numbers at all.\n"})
    for method in ("props", "critic_only"):
        setting = setting_of(tmp_path, method)
        setting.check_prompts()
        assert setting.prompts is not None
        assert setting.prompts["style"] == "own"


def test_what_the_method_does_not_render_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path, {"critic_only.j2": "x", "projected_mlp/search.j2": "y"})
    assert setting_of(tmp_path, "props").prompts == setting_of("published", "props").prompts
    assert setting_of(tmp_path, "critic_only").prompts != setting_of("published", "critic_only").prompts


def test_a_copy_of_our_folder_gives_our_prompts(tmp_path: Path) -> None:
    shutil.copytree(OURS, tmp_path / "copy", ignore=shutil.ignore_patterns("compact"))
    for method in ("r2po", "three_traj", "critic_only"):
        setting = setting_of(tmp_path / "copy", method)
        setting.check_prompts()
        assert setting.prompts == setting_of("published", method).prompts


@pytest.mark.parametrize("method", ["promptpo", "promptpo_tuned", "r2po", "critic_only"])
def test_a_copy_of_our_folder_passes_with_programs(method: str, tmp_path: Path) -> None:
    shutil.copytree(OURS, tmp_path / "copy", ignore=shutil.ignore_patterns("compact"))
    setting_of(tmp_path / "copy", method, policy="code").check_prompts()


def test_the_hash_knows_what_is_included_by_a_name_that_is_computed(tmp_path: Path) -> None:
    texts = {"search.j2": '{% include "part" ~ "one.j2" %}{# "partone.j2" #}', "partone.j2": "one"}
    before = setting_of(write(tmp_path / "a", texts), "props").prompts
    after = setting_of(write(tmp_path / "b", {**texts, "partone.j2": "two"}), "props").prompts
    assert before != after


def test_a_folder_is_read_once(tmp_path: Path) -> None:
    setting = setting_of(write(tmp_path, {"search.j2": "then"}), "props")
    setting.check_prompts()
    write(tmp_path, {"search.j2": "now"})
    assert render("search.j2", setting.brief) == "then"
    assert render("search.j2", setting_of(tmp_path, "props").brief) == "now"


def test_a_dry_run_shows_prompts_that_the_stand_in_would_not_understand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_config(tmp_path / "configs", {**SMALL, "prompts": "mine"})
    write(tmp_path / "configs" / "mine", {"style": "compact", "search.j2": "Numbers, please!\n{{ history }}"})
    assert run_main(monkeypatch, tmp_path, "--dry-run") == 0
    shown = capsys.readouterr().out
    assert "search =====\nNumbers, please!\nTrial 0 (warm-up): f = " in shown
    assert "which a random policy gave here in its place" in shown


# ---- What is wrong with a folder ----


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (
            {"serch.j2": ""},
            "/serch.j2 overrides no template of r2po, and no template of the folder refers to it "
            "(did you mean 'search.j2'?)",
        ),
        ({"parameters/search_task.jinja": ""}, "(did you mean 'parameters/search_task.j2'?)"),
        ({"search.txt": ""}, "(did you mean 'search.j2'?)"),
        ({"style": "compct"}, "style: found 'compct'; expected published or compact, "),
        (
            {"search.j2": "one\n{{ brief.optimun }}"},
            ".j2:2: 'r2po.prompts.brief.Brief object' has no attribute 'optimun'",
        ),
        ({"search.j2": "\n\n{{ hystory }}"}, "search.j2:3: 'hystory' is undefined"),
        (
            {"search.j2": "{% if described %}{% if history %}\n\n{{ x }}{% endif %}{% endif %}"},
            "search.j2:3: 'x' is undefined",
        ),
        ({"search.j2": "a\n{% if %}"}, "search.j2:2: Expected an expression, got 'end of statement block'"),
        ({"critic_only.j2": "a\n{% for %}"}, "critic_only.j2:2: "),
        (
            {"search.j2": "\n{% include 'enviroment.j2' %}"},
            "search.j2:2: there is no template 'enviroment.j2' (did you mean 'environment.j2'?)",
        ),
        ({"search.j2": "{{ 1 // 0 }}"}, "search.j2:1: integer division or modulo by zero"),
        ({"search.j2": "{% include 'search.j2' %}"}, "search.j2:1: "),
        ({"parameters/words.j2": ""}, ": what it overrides is needed by r2po/search.j2, line "),
        ({"parameters/words.j2": ""}, "has no attribute 'solution'"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_mistake_is_told_in_one_line_with_its_place(texts: dict[str, str], said: str, tmp_path: Path) -> None:
    assert said in complaint(write(tmp_path, texts))


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "search.j2").write_bytes(b"\xff\xfe")
    assert "cannot read" in complaint(tmp_path)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (
            "compct",
            "prompts is 'compct', and there is no folder 'compct'; expected published, compact or a folder of "
            "templates (did you mean 'compact'?)",
        ),
        ("mine", "(did you mean 'mine2'?)"),
    ],
)
def test_a_folder_that_is_not_there(value: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine2").mkdir()
    path = write_config(tmp_path, {**SMALL, "prompts": value})
    for arguments in ((path.name, ()), (str(write_config(tmp_path, SMALL, "other.yaml")), (f"prompts={value}",))):
        with pytest.raises(InputError) as caught:
            load_config(*arguments)
        assert said in str(caught.value)


def test_a_run_with_a_mistake_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_config(tmp_path / "configs", {**SMALL, "prompts": "mine"})
    write(tmp_path / "configs" / "mine", {"critic.j2": "\n{{ rewards }}"})
    for options in ((), ("--dry-run",)):
        assert run_main(monkeypatch, tmp_path, *options) == 2
        assert capsys.readouterr().err.strip() == "error: configs/mine/critic.j2:2: 'rewards' is undefined"
    assert not list(Path("logs").glob("run_*"))


# ---- What a template cannot do ----


@pytest.mark.parametrize(
    "text",
    [
        "{{ brief.policy.weights.tofile(path) }}",
        "{{ brief.policy.bind(()) }}",
        "{{ brief.policy.wall() }}",
        "{{ brief.policy.sample(1) }}",
        "{{ brief.policy.values.__class__.__mro__ }}",
        "{{ ''.__class__ }}",
        "{{ '{0.__class__}'.format(brief) }}",
        "{{ brief.wording.own.texts.__class__() }}",
        "{{ cycler.__init__.__globals__.os.popen('true') }}",
        "{{ brief.task.facts() }}",
        "{% set brief.optimum = 3 %}",
        "{{ brief.action_names.append('x') }}",
    ],
)
def test_a_template_computes_text_and_nothing_else(text: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "mine", {"search.j2": f"{{% set path = '{tmp_path}/written' %}}{text}"})
    assert "search.j2:1: " in complaint(folder, "props", "swimmer", policy="random_features")
    assert not (tmp_path / "written").exists()


def test_names_of_templates_are_those_in_our_folder() -> None:
    assert {"search.j2", "critic.j2", "parameters/values.j2", "values.j2", "program/words.j2"} <= set(known_names())
    assert read_folder(str(OURS / "parameters")).style == "published"
