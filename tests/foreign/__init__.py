"""The providers against servers that others wrote; ``tools/foreign_servers`` installs and tries them.

Fake servers answer as their authors understood a protocol. These answer as somebody else did.
"""
