"""Runs as a page for a browser: one file that holds everything, and asks no network."""
