"""Runs in the browser while they go on: a small server on this machine that only reads."""
