"""What ``import r2po`` offers to programs and notebooks; ``r2po/__init__.py`` has the table of names."""
