"""The wheel in an empty folder, without a checkout: what is in it, and that commands work and say what to do there."""

from __future__ import annotations

import csv
import re
import tarfile
import zipfile
from pathlib import Path

import pytest

from r2po.installation import version
from tests.wheel import ROOT, Installed, build, copy_sources

CONFIG = "configs/cartpole/cartpole_reflective_prompted_policy_optimization.yaml"
SHORT = ("llm_model_name=embedded/search", "logdir=logs/try", "num_iterations=2", "num_evaluation_episodes=3")
SHORTER = (*SHORT, "warmup_episodes=2", "heldout_episodes=2", "reevaluation_episodes=2", "rollout_engine=reference")


@pytest.fixture(scope="module")
def folder(installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder made by ``r2po init``, beside nothing else."""
    work = tmp_path_factory.mktemp("work")
    installed.run("init", "mine", cwd=work)
    return work / "mine"


def record(wheel: Path) -> set[str]:
    """Return the files that an installer writes."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/RECORD"))
        return {row[0] for row in csv.reader(archive.read(name).decode().splitlines())}


def test_there_is_one_package_in_the_wheel_with_all_of_its_files(installed: Installed) -> None:
    files = record(installed.wheel)
    assert {name.split("/")[0] for name in files if ".dist-info/" not in name} == {"r2po"}
    configs = {f"r2po/configs/{path.relative_to(ROOT / 'configs')}" for path in (ROOT / "configs").rglob("*.yaml")}
    assert len(configs) > 200
    assert configs <= files
    code = {str(path.relative_to(ROOT)) for path in (ROOT / "r2po").rglob("*.py")}
    assert code == {name for name in files if name.endswith(".py")}
    assert {"r2po/data/env.example", "r2po/py.typed", "r2po/prompts/templates/search.j2"} <= files
    page = {f"r2po/report/{name}" for name in ("frame.j2", "page/main.js", "page/page.css", "vendor/d3.min.js")}
    page |= {f"r2po/view/{name}" for name in ("list.j2", "page/list.js", "page/view.css")}
    page |= {"r2po/reproduce/page.j2", "r2po/reproduce/page.css"}
    licences = {f"r2po/report/vendor/LICENSE.{name}" for name in ("d3", "plot")}
    assert page | licences <= files


@pytest.mark.slow
def test_the_wheel_of_the_source_distribution_is_the_same(installed: Installed, tmp_path: Path) -> None:
    sdist = build("sdist", copy_sources(tmp_path / "sources"), tmp_path / "dist")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    assert record(build("wheel", unpacked, tmp_path / "again")) == record(installed.wheel)


def test_it_is_not_the_checkout_that_answers(installed: Installed, tmp_path: Path) -> None:
    assert installed.run("--version", cwd=tmp_path).stdout == f"r2po {version()}\n"
    said = installed.run("run", "--config", "nim/nim_props.yaml", cwd=tmp_path, code=2).stderr
    assert said == (
        "error: no config file 'nim/nim_props.yaml'; it comes with r2po: `r2po init DIR` makes "
        "DIR/configs/nim/nim_props.yaml\n"
    )
    listed = installed.run("list", cwd=tmp_path).stdout
    assert "Configs that come with r2po (`r2po init DIR` copies them into DIR/configs)" in listed
    assert {"CartPole-v1", "critic_only", "ANTHROPIC_API_KEY", "nim_props"} <= set(listed.split())
    assert str(ROOT) not in listed


def test_a_shipped_config_runs_and_is_summed_up(installed: Installed, folder: Path) -> None:
    said = installed.run("run", "--config", CONFIG, "--set", *SHORTER, "max_llm_calls=2", cwd=folder, code=1).stderr
    (command,) = re.findall(r"to continue: r2po (.*)$", said, re.MULTILINE)
    assert command.startswith(f"run --config {CONFIG} --set")
    assert "main.py" not in said
    installed.run("run", "--config", CONFIG, "--set", *SHORTER, "--resume", cwd=folder)
    assert "code_revision: null" in (folder / "logs/try/run_1/run.yaml").read_text(encoding="utf-8")
    said = installed.run("eval", "--logdir", "logs/try", cwd=folder).stdout
    assert "R2PO on CartPole" in said
    assert (folder / "logs/try/eval_report").is_dir()
