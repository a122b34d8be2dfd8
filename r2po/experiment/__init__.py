"""One run: from a config to a running experiment, its loop, its result, and what is shown of it."""
