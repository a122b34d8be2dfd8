"""Statistics over runs, on plain arrays: they know nothing of logs or methods. docs/statistics.md explains each."""
