"""Reports: from run directories to files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from r2po.analysis.output.files import folder_name, write_file
from r2po.errors import InputError
from r2po.report.blocks import Blocks, Wanted, blocks_of
from r2po.report.frame import overview_page, run_page
from r2po.report.head import run_name
from r2po.report.overview import Member, badges_of, overview_of
from r2po.report.packing import pack
from r2po.runlog import RunDirectory, list_runs, open_run

LARGEST = 20_000_000
"""A page of several runs that would take more bytes is written as a folder, with a file for each run."""


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
        blocks = _blocks(runs[0], wanted, tell)
        return [_written(output, run_page(blocks.core, blocks.packed), blocks.core["head"]["title"])]
    members, left_out = [], []
    for number, each in enumerate(runs, 1):
        try:
            blocks = _blocks(each, wanted, tell)
        except InputError as error:
            tell(str(error))
            left_out.append(f"{run_name(each.path)} is left out: nothing of it can be read")
            continue
        members.append(Member(f"run{number}", each.path.resolve().parent.name, blocks))
    if not members:
        raise InputError(f"none of the {len(runs)} runs can be read")
    return _write_several(members, left_out, output)


def _blocks(directory: RunDirectory, wanted: Wanted, tell: Callable[[str], None]) -> Blocks:
    blocks = blocks_of(directory, wanted, tell)
    for note in blocks.notes:
        tell(note)
    return blocks


def _write_several(members: Sequence[Member], left_out: Sequence[str], output: Path) -> list[str]:
    """Write a page with all runs, or, if it would be too large, one of all and one for each run."""
    what = f"{len(members)} runs side by side"
    size = sum(len(block) for each in members for block in each.blocks.packed.values())
    if size <= LARGEST:
        packed = [(each.id, sorted(each.blocks.packed.items())) for each in members]
        blocks = [(f"{run}-{name}", block) for run, of_run in packed for name, block in of_run]
        page = overview_page(what, badges_of(members), left_out, [("overview", pack(overview_of(members))), *blocks])
        return [_written(output, page, what)]
    folder = output.with_name(f"{output.stem}_runs")
    members = [replace(each, file=f"{folder.name}/{_file_name(each)}") for each in members]
    for each in members:
        write_file(folder / _file_name(each), run_page(each.blocks.core, each.blocks.packed).encode())
    page = overview_page(what, badges_of(members), left_out, [("overview", pack(overview_of(members)))])
    line = f"the pages of its runs: {folder} (one file would have {size / 1e6:.0f} MB; keep them beside it)"
    return [_written(output, page, what), line]


def _file_name(member: Member) -> str:
    return f"{member.id}-{folder_name(member.blocks.core['head']['run'])}.html"


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


def _written(output: Path, page: str, what: str) -> str:
    data = page.encode()
    write_file(output, data)
    return f"{what}: {output} ({len(data) / 1e6:.1f} MB; open it in a browser)"
