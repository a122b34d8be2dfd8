"""Where runs can be followed besides their logs: TensorBoard, Weights & Biases, MLflow, and trackers of one's own.

A tracker is fed from the files of a run alone, after they are synced: live, on resume and by ``r2po track`` it is the
same code. ``guard.py`` keeps whatever happens in a tracker away from the run.
"""

from r2po.trackers.registry import TRACKERS as TRACKERS
from r2po.trackers.registry import check_trackers as check_trackers
from r2po.trackers.registry import known_trackers as known_trackers
from r2po.trackers.tracker import Ending as Ending
from r2po.trackers.tracker import Point as Point
from r2po.trackers.tracker import Sent as Sent
from r2po.trackers.tracker import Sink as Sink
from r2po.trackers.tracker import TrackedRun as TrackedRun
from r2po.trackers.tracker import Tracker as Tracker
from r2po.trackers.tracker import TrackerUnavailableError as TrackerUnavailableError
