"""Baselines that do not search policies with a language model."""
