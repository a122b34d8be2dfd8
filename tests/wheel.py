"""r2po as people get it with pip: a wheel in a virtual environment of its own, without a checkout.

The environment has none of the dependencies itself. It finds those of the environment that the tests run in, but not
the r2po there: a path in a ``.pth`` file is only searched, and the ``.pth`` files in it, such as the one that leads to
an editable r2po, are not read.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = ("pyproject.toml", "README.md", "LICENSE", ".env.example", "configs", "r2po")
_BUILD = "import sys; from setuptools import build_meta; print(getattr(build_meta, sys.argv[1])(sys.argv[2]))"


@dataclass(frozen=True)
class Installed:
    """An installation of the wheel.

    Attributes:
        wheel: The wheel.
        folder: The virtual environment.
    """

    wheel: Path
    folder: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin/python"

    @property
    def command(self) -> Path:
        """Its console script ``r2po``."""
        return self.folder / "bin/r2po"

    def run(
        self, *arguments: str | Path, cwd: Path, code: int = 0, environ: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run ``r2po`` in a folder, with hardly any environment, and check its exit code."""
        done = subprocess.run(
            [self.command, *arguments],
            cwd=cwd,
            env={**self.environ, **(environ or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=900,  # a busy machine is no failure
        )
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    @property
    def environ(self) -> dict[str, str]:
        """The environment variables of its processes: they reach no host but this one, and know no checkout."""
        kept = {name: os.environ[name] for name in ("HOME", "PATH", "XDG_CACHE_HOME") if name in os.environ}
        return {**kept, "PYTHONPATH": str(ROOT / "tests/loopback")}


def has(package: str) -> bool:
    """Whether a package is installed, without importing it: setuptools changes how others are imported."""
    try:
        return bool(metadata.version(package))
    except metadata.PackageNotFoundError:
        return False


def build(kind: str, sources: Path, folder: Path) -> Path:
    """Build from a folder of sources; returns the file.

    Args:
        kind: ``"wheel"`` or ``"sdist"``.
        sources: What is built; build files are left in it.
        folder: Where the result goes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", _BUILD, f"build_{kind}", folder], cwd=sources, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return folder / done.stdout.splitlines()[-1]


def copy_sources(folder: Path) -> Path:
    """Copy what is built: building leaves files beside the sources, and takes old ones that it finds there."""
    folder.mkdir(parents=True)
    for name in SOURCES:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=ignored)
        else:
            shutil.copy2(ROOT / name, folder / name)
    return folder


def install(wheel: Path, folder: Path) -> Installed:
    """Install a wheel into a new virtual environment, beside the packages of the one that runs the tests."""
    venv.create(folder, symlinks=True, with_pip=False)
    installed = Installed(wheel, folder)
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("PIP_", "UV_"))}
    subprocess.run(
        [*_installer(installed.python), "--no-deps", "--no-index", str(wheel)],
        check=True,
        capture_output=True,
        env=environ,
    )
    # After the installation: pip would call r2po installed already.
    own = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    paths = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    (own / "packages_of_the_tests.pth").write_text("".join(f"{path}\n" for path in paths), encoding="utf-8")
    return installed


def install_from_registry(wheel: Path, folder: Path, extra: str) -> Installed:
    """Install a wheel with an extra and all dependencies, as pip finds them, where nothing of the tests is seen."""
    venv.create(folder, with_pip=False)
    installed = Installed(wheel, folder)
    environ = {
        key: value for key, value in os.environ.items() if key != "PYTHONPATH"
    }  # it keeps tests from the network
    done = subprocess.run(
        [*_installer(installed.python), f"{wheel}[{extra}]"], capture_output=True, text=True, env=environ
    )
    assert done.returncode == 0, done.stderr
    return installed


def _installer(python: Path) -> list[str]:
    if has("pip"):
        return [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-compile", "--no-input"]
    uv = os.environ.get("UV") or shutil.which("uv")
    assert uv, "there is neither pip nor uv to install the wheel with"
    return [uv, "pip", "install", "--python", str(python)]


def build_and_install(folder: Path) -> Installed:
    """Build the wheel of this checkout and install it, or take what another process did in the same folder."""
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = folder / "wheel.txt"
        if not done.exists():
            wheel = build("wheel", copy_sources(folder / "sources"), folder / "dist")
            install(wheel, folder / "venv")
            done.write_text(wheel.name, encoding="utf-8")
        return Installed(folder / "dist" / done.read_text(encoding="utf-8"), folder / "venv")
