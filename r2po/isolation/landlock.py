"""Landlock: no file, no TCP port, and no signal or abstract socket of a process outside."""

from __future__ import annotations

import ctypes
import os
import struct

from r2po.isolation.libc import LIBC, no_new_privileges

_CREATE_RULESET, _RESTRICT_SELF = 444, 446
"""Numbers of the system calls, the same on all machines."""
_ASK_VERSION = 1
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}
"""By ABI, how many rights to files there are: reading, writing, executing, making, removing ... From ABI 5 on 16."""


def abi() -> int:
    """Return the version of Landlock's interface, or 0 if the kernel has none or it is switched off."""
    return max(0, int(LIBC.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _ASK_VERSION)))


def rights(version: int) -> bytes:
    """Return what is taken away, in the kernel's form: every right that this version knows."""
    files = (1 << _FILE_RIGHTS.get(version, 16)) - 1
    ports, scopes = 0b11, 0b11
    if version >= 6:
        return struct.pack("=QQQ", files, ports, scopes)
    return struct.pack("=QQ", files, ports) if version >= 4 else struct.pack("=Q", files)


def restrict() -> int:
    """Take all rights from this process, for good; returns the ABI, 0 where there is no Landlock.

    Raises:
        OSError: The kernel has Landlock and refuses.
    """
    version = abi()
    if version == 0:
        return 0
    attributes = rights(version)
    ruleset = LIBC.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    if ruleset < 0:
        raise _error()
    try:
        no_new_privileges()
        if LIBC.syscall(_RESTRICT_SELF, ruleset, 0):
            raise _error()
    finally:
        os.close(ruleset)
    return version


def _error() -> OSError:
    code = ctypes.get_errno()
    return OSError(code, f"Landlock: {os.strerror(code)}")
