"""Runs of a sweep on this machine: which are made next, in how many worker processes, with how many at once."""
