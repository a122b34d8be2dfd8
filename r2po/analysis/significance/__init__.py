"""Welch's tests between methods."""
