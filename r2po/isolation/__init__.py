"""The wall behind which policies run that a model wrote as Python code.

``r2po.isolation.worker`` runs in a process of its own, which locks itself; ``r2po.isolation.box`` is the parent's side.
Nothing is imported here: the worker is to start fast, and to hold little that a policy could reach.
"""
