"""Baselines that are no policy search with a language model."""
