"""Whether the head of a cluster is there, asked without Ray."""

from __future__ import annotations

import socket

PATIENCE_S = 1.0


def answers(address: str) -> bool:
    """Whether somebody listens at an address."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE_S):
            return True
    except (OSError, ValueError):
        return False
