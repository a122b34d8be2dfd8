"""From log directories, in any format, to runs and experiments."""
