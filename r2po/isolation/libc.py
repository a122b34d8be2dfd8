"""The C library, and what is asked of it by more than one layer."""

from __future__ import annotations

import ctypes
import os
import signal
import struct

LIBC = ctypes.CDLL(None, use_errno=True)
_CAPABILITY_VERSION_3 = 0x20080522
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38


def no_new_privileges() -> None:
    """Give up for good what setuid programs would grant; unprivileged processes may lock themselves only then."""
    _control(_PR_SET_NO_NEW_PRIVS, 1)


def end_with_parent() -> None:
    """Have the kernel kill this process when the thread that started it ends."""
    _control(_PR_SET_PDEATHSIG, signal.SIGKILL)


def hide_from_others() -> None:
    """Let no other process of the user read this one's memory, and write no core dump."""
    _control(_PR_SET_DUMPABLE, 0)


def drop_capabilities() -> None:
    """Give up what root may beyond others, e.g. to take memory of the machine out of use by ``madvise``."""
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    if LIBC.capset(header, bytes(24)):
        code = ctypes.get_errno()
        raise OSError(code, f"capset: {os.strerror(code)}")


def _control(option: int, value: int) -> None:
    if LIBC.prctl(option, value, 0, 0, 0):
        code = ctypes.get_errno()
        raise OSError(code, f"prctl {option}: {os.strerror(code)}")
