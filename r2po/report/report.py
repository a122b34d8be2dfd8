"""Reports: from run directories to files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from r2po.analysis.output.files import folder_name, write_file
from r2po.errors import InputError
from r2po.report.blocks import Blocks, Wanted, blocks_of
from r2po.report.frame import overview_page, run_page
from r2po.report.head import run_name
from r2po.report.overview import Member, badges_of, member_of, overview_of
from r2po.report.packing import pack
from r2po.runlog import RunDirectory, list_runs, open_run

LARGEST = 20_000_000
"""Runs whose blocks together take more bytes get a file each."""


def write_report(
    paths: Sequence[str], output: Path, wanted: Wanted, tell: Callable[[str], None] = lambda _: None
) -> list[str]:
    """Write the report of a run, or of several side by side, and return a line on each file.

    Args:
        paths: Run directories, and log directories, which stand for all of their runs.
        output: The page; its name ends in ``.html``.
        wanted: What it is to hold.
        tell: Called with a line on how far it is, or on what a page lacks.

    Raises:
        InputError: There is no such run, nothing of it can be read, or the page cannot be written.
    """
    if output.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"--output {str(output)!r}: expected a file name that ends in .html")
    runs = find_runs(paths)
    if len(runs) == 1:
        blocks = blocks_of(runs[0], wanted, tell)
        _tell_notes(blocks, tell)
        return [_written(output, run_page(blocks.core, blocks.packed), blocks.core["head"]["title"])]
    pages = _Pages(output)
    for number, each in enumerate(runs, 1):
        readable = _readable(each, wanted, tell)
        if readable is None:
            pages.left_out.append(f"{run_name(each.path)} is left out: nothing of it can be read")
        else:
            pages.add(number, each, readable)
    if not pages.members:
        raise InputError(f"none of the {len(runs)} runs can be read")
    return pages.finish()


def find_runs(paths: Sequence[str]) -> list[RunDirectory]:
    """Return the runs that some paths name, each once.

    Raises:
        InputError: A path is neither a run nor holds any.
    """
    found: dict[Path, RunDirectory] = {}
    for path in paths:
        below = list_runs(Path(path))
        for each in below or [open_run(path)]:
            found.setdefault(each.path.resolve(), each)
    return list(found.values())


def _readable(directory: RunDirectory, wanted: Wanted, tell: Callable[[str], None]) -> Blocks | None:
    """Return the blocks of one run of several; None if nothing of it can be read, which is said."""
    try:
        blocks = blocks_of(directory, wanted, tell)
    except InputError as error:
        tell(str(error))
        return None
    _tell_notes(blocks, tell)
    return blocks


def _tell_notes(blocks: Blocks, tell: Callable[[str], None]) -> None:
    for note in blocks.notes:
        tell(note)


@dataclass
class _Pages:
    """The pages of several runs. They wait to become one file; if that would be too large, each gets one at once.

    Attributes:
        output: The page with all of them.
        members: The runs.
        left_out: A line on each that cannot be read.
    """

    output: Path
    members: list[Member] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    _waiting: dict[str, Blocks] = field(default_factory=dict)
    _files: dict[str, str] = field(default_factory=dict)
    _size: int = 0

    def add(self, number: int, directory: RunDirectory, blocks: Blocks) -> None:
        """Add a run, given its number among all."""
        member = member_of(f"run{number}", directory.path.resolve().parent, blocks.core)
        self.members.append(member)
        self._waiting[member.id] = blocks
        self._size += sum(map(len, blocks.packed.values()))
        if self._size > LARGEST:
            self._write_waiting()

    def finish(self) -> list[str]:
        """Write the page with all of them, and return a line on each file or folder."""
        packed = [(run, sorted(blocks.packed.items())) for run, blocks in self._waiting.items()]
        blocks = [(f"{run}-{name}", block) for run, of_run in packed for name, block in of_run]
        overview = ("overview", pack(overview_of(self.members, self._files)))
        many = len(self.members)
        what = f"{many} run{'' if many == 1 else 's'} side by side"
        page = overview_page(what, badges_of(self.members), self.left_out, [overview, *blocks])
        lines = [_written(self.output, page, what)]
        size = f"one file would have {self._size / 1e6:.0f} MB"
        return [*lines, *([f"their pages: {self._folder} ({size}; keep them beside it)"] if self._files else [])]

    @property
    def _folder(self) -> Path:
        return self.output.with_name(f"{self.output.stem}_runs")

    def _write_waiting(self) -> None:
        for run, blocks in self._waiting.items():
            name = f"{run}-{folder_name(blocks.core['head']['run'])}.html"
            write_file(self._folder / name, run_page(blocks.core, blocks.packed).encode())
            self._files[run] = quote(f"{self._folder.name}/{name}")  # an address: # and % mean something there
        self._waiting.clear()


def _written(output: Path, page: str, what: str) -> str:
    data = page.encode()
    write_file(output, data)
    return f"{what}: {output} ({len(data) / 1e6:.1f} MB; open it in a browser)"
