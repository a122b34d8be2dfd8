"""A sweep on a Ray cluster: the process that talks to Ray, what happens on the nodes, and which of them have room."""
