"""Programs that measure; the figures they print stand in the project with the command that made them."""
