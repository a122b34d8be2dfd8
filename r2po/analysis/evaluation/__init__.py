"""The report on one log directory, and on all."""
