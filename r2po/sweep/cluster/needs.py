"""What a node must have that does not see the files of the sweep: the same packages, and the files that runs read.

Plugins, templates and recorded runs are carried to the node. What is installed is compared.
"""

from __future__ import annotations

import hashlib
import os
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from r2po.envs.making import modules_of
from r2po.installation import NAME, shipped_configs
from r2po.llm.providers.replay import PREFIX, recorded_run
from r2po.methods import METHODS
from r2po.plugins import Place, loaded
from r2po.plugins.sources import SUFFIXES, roots_of
from r2po.prompts.wording import STYLES
from r2po.runlog.origin import PACKAGES, versions
from r2po.sweep.plan import PlannedRun


@dataclass(frozen=True)
class Needs:
    """What runs need.

    Attributes:
        folder: The working directory of the sweep.
        versions: Of packages by name, and ``code``, a hash of the source of r2po.
        plugins: Their places, and whether the user has named them.
        sums: Hashes of their source files, by name.
        carried: Absolute paths of the files that the node is sent.
        fixed: Absolute paths of files that the node must have itself: what the runs record names them so.
        samples: A run of each experiment.
    """

    folder: str
    versions: Mapping[str, str]
    plugins: Sequence[tuple[Place, bool]] = ()
    sums: Mapping[str, str] = field(default_factory=dict)
    carried: Sequence[str] = ()
    fixed: Sequence[str] = ()
    samples: Sequence[PlannedRun] = ()


def needs_of(runs: Sequence[PlannedRun]) -> Needs:
    """Return what these runs need, with the plugins that this process has loaded.

    Raises:
        InputError: A recorded run that is to be replayed is not there.
    """
    plugins = loaded()
    named = {name: None for run in runs for name in _named_by(run)}
    carried = [file for plugin in plugins if plugin.place.folder for file in _files_of(plugin.place)]
    carried += [file for name in named if not Path(name).is_absolute() for file in _below(Path(name).absolute())]
    return Needs(
        str(Path.cwd()),
        versions_here(_packages(runs)),
        [(plugin.place, plugin.told) for plugin in plugins],
        {plugin.name: plugin.sha256 for plugin in plugins},
        tuple(dict.fromkeys(map(os.path.normpath, carried))),
        tuple(str(file) for name in named if Path(name).is_absolute() for file in _below(Path(name))),
        tuple({(run.source, run.overrides): run for run in runs}.values()),
    )


def versions_here(packages: Sequence[str]) -> dict[str, str]:
    """Return what must be the same on all nodes, so that runs come to the same results wherever they are made."""
    found = versions(packages)
    del found["python"]  # Ray compares that itself
    return {**found, "code": _code()}


def difference(there: Mapping[str, str], here: Mapping[str, str]) -> str:
    """Say in which packages a node differs from the machine of the command; empty if in none."""
    differing = [name for name in here if name != "code" and there.get(name) != here[name]]
    if differing:
        each = (f"{name} is {there.get(name, 'not installed')} there and {here[name]} here" for name in differing)
        return "; ".join(each)
    if there.get("code") != here["code"]:
        return f"its r2po is {here['r2po']} too, but with other source files than here"
    return ""


def _code() -> str:
    """Return a hash over the source files of r2po; configs, which a sweep reads itself, may be elsewhere."""
    configs = shipped_configs()
    root = configs.parent
    total = hashlib.sha256()
    for path in sorted(_below(root)):
        name = path.relative_to(root)
        if path.suffix in SUFFIXES and name.parts[0] != configs.name:
            total.update(f"{name.as_posix()}\0".encode() + path.read_bytes())
    return total.hexdigest()


def _packages(runs: Sequence[PlannedRun]) -> list[str]:
    """Return the packages of methods, and the distributions of environments."""
    modules = {module for run in runs for module in modules_of(run.config.gym_env_name)}.difference(PACKAGES)
    distributions = metadata.packages_distributions() if modules else {}  # that takes a while
    found = {name for module in modules for name in distributions.get(module, ())}
    found |= {package for run in runs if (package := METHODS[run.config.method].package)}
    return sorted(found.difference(PACKAGES))


def _named_by(run: PlannedRun) -> Iterator[str]:
    """Yield the paths of what a run reads besides its config: a folder of templates, recorded runs."""
    config = run.config
    if config.prompts not in STYLES:
        yield config.prompts
    for name in filter(None, (config.llm_model_name, config.critic_llm_model_name)):
        if name.strip().startswith(PREFIX):
            recorded_run(name)
            yield name.strip().removeprefix(PREFIX).strip()


def _files_of(place: Place) -> Iterator[Path]:
    """Yield the files of a plugin that is no installed package, and those beside it that it has imported.

    What lies in hidden folders beside it is not among them.
    """
    for root in roots_of(sys.modules[place.top]):
        yield from _below(root) if root.is_dir() else [root]
    ours = [sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if not isinstance(file, str) or name.partition(".")[0] == NAME:
            continue
        path = Path(file).absolute()
        if not path.is_relative_to(place.folder) or any(map(path.is_relative_to, ours)) or not path.is_file():
            continue
        if not any(part.startswith(".") for part in path.relative_to(place.folder).parts):
            yield path


def _below(folder: Path) -> Iterator[Path]:
    """Yield all files in a folder, but for hidden ones, such as ``.env``, and what Python makes itself."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name == "__pycache__":
            continue
        if path.is_dir():
            yield from _below(path)
        elif path.is_file():
            yield path
