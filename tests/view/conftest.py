"""Runs and a browser that several tests of this room use; those of the reports."""

from __future__ import annotations

from tests.report.conftest import browser, cartpole, frozenlake, hostile, logs, programs

__all__ = ["browser", "cartpole", "frozenlake", "hostile", "logs", "programs"]
