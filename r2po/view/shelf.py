"""The blocks of the runs that pages show: read when they are asked for, and kept while their files stay as they are."""

from __future__ import annotations

import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from r2po.errors import R2POError
from r2po.report.blocks import Told, Wanted, play_of, told_by
from r2po.report.motion import Play
from r2po.report.packing import QUICKEST, Values, pack
from r2po.report.texts import pack_texts
from r2po.runlog import RunDirectory
from r2po.view.finding import refused_below, refused_beside, why_refused
from r2po.view.watched import Stamp, WatchedRun, digest_of

MOST = 4
"""So many runs are kept; one with very long prompts takes some 50 MB."""
SLICE_S = 2.0
"""Rolling out again takes so long for each question; the page then asks for more."""
_TORN = re.compile(r"the last line of \S+ is torn")


class Refused(R2POError):
    """The folder of a run holds what nobody may open, such as a link that leads out of the logs; the text names it."""


@dataclass
class _Kept:
    """A run that is kept.

    Attributes:
        stamp: The state of its files when it was read.
        told: What they told.
        play: Its rollouts so far; None before the first question.
        is_played: Whether all of its candidates were looked at for rollouts.
        spent_s: Seconds that rolling out again has taken.
        texts: The block of texts; empty before it is asked for.
    """

    stamp: Stamp
    told: Told
    play: Play | None = None
    is_played: bool = False
    spent_s: float = 0.0
    texts: str = ""


@dataclass
class _Place:
    """The place of a run on the shelf; who reads what stands there, or changes it, holds its lock."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    kept: _Kept | None = None


class Shelf:
    """Blocks of runs. Any number of threads may ask; each run is read once.

    Args:
        wanted: What pages are to hold; its limit of time is for each run, for as long as the server runs.
    """

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._places: OrderedDict[str, _Place] = OrderedDict()
        self._lock = threading.Lock()

    def block(self, run: WatchedRun, name: str, after: int = 0, stamp: str = "") -> str:
        """Return a block of a run.

        Args:
            run: The run.
            name: ``core``, ``texts`` or ``motion``.
            after: Of ``motion``, how many rollouts the page has already.
            stamp: Of ``texts`` and ``motion``, the ``stamp`` of the core that the page shows: what was read for that
                one is good enough, though the run goes on.

        Raises:
            InputError: Nothing of the run can be read.
            Refused: Its folder holds what nobody may open.
        """
        with self._lock:
            place = self._places.setdefault(run.id, _Place())
            self._places.move_to_end(run.id)
            while len(self._places) > MOST:
                self._places.popitem(last=False)
        with place.lock:
            # Also of a run that is kept: not all of its files have been read.
            refused = refused_below(run.path) + refused_beside(run.path)
            if refused:
                raise Refused(why_refused(refused))
            kept = self._read(place, run, stamp if name != "core" else "")
            make: dict[str, Callable[[], str]] = {
                "core": lambda: pack(_core(kept, run), QUICKEST),
                "texts": lambda: self._texts(kept),
                "motion": lambda: pack(self._motion(kept, after), QUICKEST),
            }
            return make[name]()

    def _read(self, place: _Place, run: WatchedRun, shown: str) -> _Kept:
        """Return a run, read anew if its files have changed; what it took to roll out again stays, if it only grew."""
        found, stamp = place.kept, run.stamp
        if found is not None and ((stamp and found.stamp == stamp) or (shown and shown == digest_of(found.stamp))):
            return found
        fresh = _Kept(stamp, told_by(RunDirectory(run.path)))
        if found is not None and _is_continued(found.told, fresh.told):
            fresh.play, fresh.spent_s = found.play, found.spent_s
        place.kept = fresh
        return fresh

    def _texts(self, kept: _Kept) -> str:
        if not kept.texts:
            kept.texts = pack_texts(kept.told.asked, kept.told.problem, whole=self._wanted.whole_texts, level=QUICKEST)
        return kept.texts

    def _motion(self, kept: _Kept, after: int) -> Values:
        """Return the rollouts that the page does not have yet; ``more`` says that there will be others."""
        left = self._wanted.seconds - kept.spent_s
        if not kept.is_played or (kept.play is not None and kept.play.late and left > 0):
            began = time.process_time()
            wanted = Wanted(self._wanted.motion, max(0.0, min(SLICE_S, left)))
            kept.play = play_of(kept.told, wanted, lambda _: None, kept.play)
            kept.spent_s += time.process_time() - began
            kept.is_played = True
        play = kept.play or Play()
        more = bool(play.late) and self._wanted.seconds > kept.spent_s
        after = after if 0 <= after <= len(play.rollouts) else 0
        return {
            "rollouts": dict(list(play.rollouts.items())[after:]),
            "after": after,
            "have": len(play.rollouts),
            "more": more,
            "about": f"{play.late:,} rollouts are still being made again from their seeds …" if more else play.about,
            "maps": play.grid,
        }


def _core(kept: _Kept, run: WatchedRun) -> Values:
    """Return the block ``core``. Of a run that goes on, a last line without its end is only being written."""
    head = kept.told.core["head"]
    goes_on = run.summary.state == "running"
    missing = [line for line in head["missing"] if not (goes_on and _TORN.fullmatch(line))]
    words = "The policies' rollouts are being read …"
    return {
        **kept.told.core,
        "head": {**head, "missing": missing},
        "motion": words,
        "maps": None,
        "state": run.summary.state,
        "stamp": digest_of(kept.stamp),
    }


def _is_continued(before: Told, now: Told) -> bool:
    """Whether a log begins with what it was before: its candidates are then still where they were."""
    first, second = before.core["candidates"], now.core["candidates"]
    return bool(first) and second[: len(first)] == first
