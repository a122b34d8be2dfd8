"""A part of a paper in one command: which runs it takes, what is made of them, and how far they are from it."""
