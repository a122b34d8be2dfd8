"""What the files around the code promise: pinned versions, Pythons, variables, and setup errors in one line."""

from __future__ import annotations

import ast
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
PYTHONS = ("3.10", "3.11", "3.12", "3.13")


@pytest.fixture(scope="module")
def project() -> Mapping[str, Any]:
    content: Mapping[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return content


def constraints() -> list[Requirement]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def holds(requirement: Requirement, python: str) -> bool:
    there = {"python_version": python, "python_full_version": f"{python}.0", "extra": ""}
    return requirement.marker is None or requirement.marker.evaluate(there)


def pins_of(requirement: Requirement, python: str) -> list[Requirement]:
    name = canonicalize_name(requirement.name)
    return [pin for pin in constraints() if canonicalize_name(pin.name) == name and holds(pin, python)]


class TestSupportedPythons:
    def test_classifiers(self, project: Mapping[str, Any]) -> None:
        found = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))
        assert tuple(found) == PYTHONS
        assert project["requires-python"] == f">={PYTHONS[0]}"

    def test_ci_runs_on_each(self) -> None:
        workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
        assert tuple(workflow["jobs"]["pip"]["strategy"]["matrix"]["python"]) == PYTHONS
        for job in workflow["jobs"].values():
            assert {"run": ".ci/run"} in job["steps"]
        assert workflow["permissions"] == {"contents": "read"}

    def test_ci_runs_the_slow_tests_by_the_clock(self) -> None:
        workflow = yaml.safe_load((ROOT / ".github/workflows/slow.yml").read_text(encoding="utf-8"))
        assert {"run": "make slow"} in workflow["jobs"]["slow"]["steps"]
        assert workflow[True]["schedule"]  # YAML takes the key `on` for a truth value
        assert workflow["permissions"] == {"contents": "read"}


class TestConstraints:
    @pytest.mark.parametrize("python", PYTHONS)
    def test_each_dependency_has_one_version_that_fits(self, project: Mapping[str, Any], python: str) -> None:
        groups = [project["dependencies"], *project["optional-dependencies"].values()]
        wanted = [Requirement(line) for group in groups for line in group]
        for requirement in (one for one in wanted if holds(one, python)):
            (pin,) = pins_of(requirement, python)
            (version,) = pin.specifier
            assert version.operator == "=="
            assert requirement.specifier.contains(version.version), f"{pin} is not {requirement}"

    @pytest.mark.parametrize("name", ["gymnasium", "mujoco", "numpy"])
    def test_what_decides_the_physics_is_the_same_on_all(self, name: str) -> None:
        pins = {str(pin.specifier) for python in PYTHONS for pin in pins_of(Requirement(name), python)}
        assert len(pins) == 1

    def test_pip_takes_the_file_as_constraints(self) -> None:
        for pin in constraints():
            assert not pin.extras
            assert pin.url is None

    def test_requirements_install_the_package_constrained(self) -> None:
        lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
        assert [line for line in lines if not line.startswith("#")] == ["-c constraints.txt", "-e .[fast,sb3,search]"]


def string_constants(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def test_env_example_names_every_variable() -> None:
    read = {text for text in string_constants(ROOT / "r2po") if re.fullmatch(r"[A-Z0-9_]+_(API_KEY|BASE_URL)", text)}
    named = re.findall(r"^([A-Z0-9_]+)=", (ROOT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE)
    assert read
    assert read <= set(named)


def test_r2po_is_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    (command,) = entry_points(group="console_scripts", name="r2po")
    with pytest.raises(SystemExit, match=r"^0$"):
        command.load()(["--help"])
    assert "usage: r2po" in capsys.readouterr().out


def test_what_is_no_code_is_installed_too() -> None:
    content = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = content["tool"]["setuptools"]["package-data"]["r2po"]
    installed = {path for pattern in patterns for path in (ROOT / "r2po").glob(pattern)}
    there = {path for path in (ROOT / "r2po").rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
    assert there <= installed


def committed_files() -> list[Path]:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listing.returncode:
        pytest.skip("not a git checkout")
    return [path for name in listing.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def test_committed_text_names_no_path_of_one_machine() -> None:
    """Folders of somebody's machine, or of notes that lie beside a checkout, mean nothing to those who clone it."""
    somebodys = re.compile(r"(?<![\w./~-])/(?:home|root|work|Users)/\w|\bshared/(?:spec|data|design)")
    found = []
    for path in committed_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}: {match.group()}" for match in somebodys.finditer(text)]
    assert found == []


class TestMake:
    def test_help_is_the_default_and_lists_the_targets(self) -> None:
        shown = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        targets = re.findall(r"^make ([a-z]+) ", shown, re.MULTILINE)
        assert {"setup", "demo", "test", "lint", "pytest", "slow", "coverage", "docs", "clean"} <= set(targets)

    def test_pre_commit_runs_what_lint_runs(self) -> None:
        recipe = (ROOT / "Makefile").read_text(encoding="utf-8").split("\nlint: ")[1].split("\n\n")[0]
        variables = {"$(python)": ".venv/bin/python", "$(VENV)": ".venv", "$(checked)": "."}
        commands = recipe.splitlines()[1:]
        for name, value in variables.items():
            commands = [command.strip().replace(name, value) for command in commands]
        hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]
        assert [hook["entry"] for hook in hooks] == commands
        assert not any(hook["pass_filenames"] for hook in hooks)  # all files, as lint does

    def test_ci_makes_test_where_the_repository_is(self) -> None:
        assert os.access(ROOT / ".ci/run", os.X_OK)
        assert (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()[-1] == "make test"


class TestSetupErrors:
    """One line each, before anything is made."""

    def error_of(self, folder: Path, python: str, **environment: str) -> str:
        done = subprocess.run(
            [ROOT / "tools/setup", folder / "venv", "dev", python],
            cwd=ROOT,
            env={**os.environ, "UV": "", **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert done.stdout == ""
        assert not (folder / "venv").exists()
        (line,) = done.stderr.splitlines()
        return line

    def fake_python(self, folder: Path, script: str) -> str:
        path = folder / "python"
        path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return str(path)

    def test_missing(self, tmp_path: Path) -> None:
        line = self.error_of(tmp_path, "python-that-is-not-there")
        assert line.startswith("error: no python-that-is-not-there on this machine: install Python 3.10 or newer")

    def test_broken(self, tmp_path: Path) -> None:
        python = self.fake_python(tmp_path, "echo no such version >&2; exit 127")
        assert self.error_of(tmp_path, python).startswith(f"error: {python} does not run: ")

    def test_too_old(self, tmp_path: Path) -> None:
        python = self.fake_python(tmp_path, 'case $2 in *"(3, 10)"*) exit 1 ;; *) echo 3.9.18 ;; esac')
        assert self.error_of(tmp_path, python).startswith(f"error: {python} is Python 3.9.18, r2po needs 3.10 or newer")

    def test_without_venv(self, tmp_path: Path) -> None:
        python = self.fake_python(tmp_path, f'case $2 in *venv*) exit 1 ;; *) exec "{sys.executable}" "$@" ;; esac')
        line = self.error_of(tmp_path, python)
        assert line.startswith(f"error: {python} has no venv module: ")
        assert "python3-venv" in line
