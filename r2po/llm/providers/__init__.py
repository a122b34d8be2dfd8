"""Providers: one wire format each, and what stands in a model's place."""
