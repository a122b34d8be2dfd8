"""Robust statistics over environments."""
