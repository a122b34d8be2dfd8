"""What the server answers: pages, what they load, and what is known of runs."""

from __future__ import annotations

import sys
from collections.abc import Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from r2po.errors import R2POError
from r2po.report.blocks import Wanted
from r2po.report.machine_paths import without_paths
from r2po.report.overview import badges_of, member_of, overview_of
from r2po.report.packing import QUICKEST, Values, pack, to_json
from r2po.report.vendored import libraries
from r2po.view.guards import Guard, headers_of
from r2po.view.index import Index
from r2po.view.pages import files, list_page, run_page
from r2po.view.shelf import Shelf
from r2po.view.watched import WatchedRun

BLOCKS = ("core", "texts", "motion")
NOT_FOUND, UNREADABLE, BROKEN, WRONG = 404, 422, 500, 400
MOST_COMPARED = 2000
_LARGEST = 10**12


def make_app(index: Index, port: int, token: str, wanted: Wanted) -> Guard:
    """Return the app behind its guard.

    Args:
        index: The runs.
        port: The port under which browsers find it.
        token: The secret of its address.
        wanted: What pages of runs are to hold.
    """
    answers = _Answers(index, Shelf(wanted))
    routes = [
        Route("/", answers.list),
        Route("/run/{run}", answers.run),
        Route("/compare", answers.comparison),
        Route("/static/{name}", answers.static),
        Route("/api/changes", _told(answers.changes)),
        Route("/api/run/{run}/{block}", _told(answers.block)),
        Route("/api/compare", _told(answers.compare)),
    ]
    styles = " ".join(f"'{each}'" for library in libraries() for each in library.styles)
    return Guard(Starlette(routes=routes), port, token, headers_of(styles))


def _told(answer: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """Return an answer that says in a line what went wrong; what nobody foresaw is told on the terminal, too."""

    def answering(request: Request) -> Response:
        try:
            return answer(request)
        except R2POError as error:
            return PlainTextResponse(without_paths(str(error)), UNREADABLE)
        except Exception as error:  # noqa: BLE001 - one odd log must not end the server
            line = f"{type(error).__name__}: {error}"
            print(f"error: {request.url.path}: {line}", file=sys.stderr, flush=True)  # noqa: T201
            return PlainTextResponse(without_paths(line), BROKEN)

    return answering


class _Answers:
    """The answers by address. Functions without ``async`` run in threads of their own."""

    def __init__(self, index: Index, shelf: Shelf) -> None:
        self._index = index
        self._shelf = shelf
        self._files = files()
        self._list = list_page(index.root.name)
        self._run, self._comparison = run_page(several=False), run_page(several=True)

    async def list(self, _: Request) -> Response:
        """The page of all runs."""
        return HTMLResponse(self._list)

    def run(self, request: Request) -> Response:
        """The page of a run."""
        known = self._index.run(request.path_params["run"]) is not None
        return HTMLResponse(self._run) if known else _none("run")

    async def comparison(self, _: Request) -> Response:
        """The page of several runs."""
        return HTMLResponse(self._comparison)

    async def static(self, request: Request) -> Response:
        """What pages load."""
        found = self._files.get(request.path_params["name"])
        return _none("file") if found is None else Response(found.text, media_type=found.kind)

    def changes(self, request: Request) -> Response:
        """What changed since a page last asked."""
        since = _count(request, "since")
        if since is None:
            return PlainTextResponse("since: expected the cursor of an earlier answer, or 0", WRONG)
        only = request.query_params.get("only")
        wanted = None if only is None else frozenset(only.split(","))
        return Response(to_json(self._index.changes(since, wanted)), media_type="application/json")

    def block(self, request: Request) -> Response:
        """A block of a run, as it would stand in a report."""
        run = self._index.run(request.path_params["run"])
        name, after = request.path_params["block"], _count(request, "after")
        if run is None or name not in BLOCKS:
            return _none("run" if run is None else "block")
        if after is None:
            return PlainTextResponse("after: expected how many rollouts the page has", WRONG)
        return PlainTextResponse(self._shelf.block(run, name, after, request.query_params.get("stamp", "")))

    def compare(self, request: Request) -> Response:
        """The block that compares several runs."""
        names = dict.fromkeys(filter(None, request.query_params.get("runs", "").split(",")))
        found = self._index.runs(list(names)[:MOST_COMPARED])
        # Each is looked at once: its summary may be another one a moment later.
        known = {name: (run, run.summary) for name, run in found.items() if run is not None and run.summary.is_known}
        members = [member_of(run.id, run.path.parent, summary.core()) for run, summary in known.values()]
        left_out = [self._left_out(name, run) for name, run in found.items() if name not in known]
        waiting = sum(run is not None and run.summary.state == "unread" for run in found.values())
        if not members and not waiting:
            return PlainTextResponse("none of these runs can be read; choose some in the list of all runs", NOT_FOUND)
        overview: Values = {
            **overview_of(members, {}),
            "badges": badges_of(members),
            "left_out": left_out,
            "waiting": waiting,
        }
        return PlainTextResponse(pack(overview, QUICKEST))

    def _left_out(self, name: str, run: WatchedRun | None) -> str:
        if run is None:
            return f"there is no run {name[:20]} any more"
        return f"{self._index.experiment_of(run)}/{run.path.name} is left out: {run.summary.note or 'not read yet'}"


def _count(request: Request, name: str) -> int | None:
    """Return a whole number of an address, 0 if it is not there; None if it is something else."""
    text = request.query_params.get(name, "0")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(_LARGEST)) else None


def _none(what: str) -> Response:
    return PlainTextResponse(f"there is no such {what}; it may have been moved or removed", NOT_FOUND)
