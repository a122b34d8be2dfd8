"""Runs main.py, waits for its trackers, and prints every host that it looks up or connects to, reached or not."""

from __future__ import annotations

import sys

SAID: set[str] = set()


def watch(event: str, arguments: tuple[object, ...]) -> None:
    """Say what is looked up (an audit hook)."""
    if event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = str(arguments[0])
    elif event == "socket.connect" and isinstance(arguments[1], tuple):
        host = str(arguments[1][0])
    else:
        return
    if host not in SAID:
        SAID.add(host)
        print(f"host {host}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.addaudithook(watch)
    from r2po.cli import main
    from r2po.trackers.guard import LIMITS

    # Where the machine is slow, loading MLflow takes longer than a run waits for at its end.
    object.__setattr__(LIMITS, "ending", 600.0)

    sys.exit(main(sys.argv[1:]))
