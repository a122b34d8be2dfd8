"""How tables and figures look, and the files that they are written to."""
