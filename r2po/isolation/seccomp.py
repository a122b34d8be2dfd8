"""A seccomp filter that allows a short list of system calls and refuses all others with ``EPERM``."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
from collections.abc import Collection
from dataclasses import dataclass

from r2po.isolation.libc import LIBC, no_new_privileges

ALLOWED = {
    "read": (0, 63),
    "write": (1, 64),
    "close": (3, 57),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "munmap": (11, 215),
    "brk": (12, 214),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sched_yield": (24, 124),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "nanosleep": (35, 101),
    "exit": (60, 93),
    "gettimeofday": (96, 169),
    "futex": (202, 98),
    "restart_syscall": (219, 128),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115),
    "exit_group": (231, 94),
    "getrandom": (318, 278),  # NumPy draws entropy whenever it makes a generator, also for those that get a seed
}
"""What a policy may ask of the kernel: memory, time, entropy, its end, its two pipes. Numbers on x86_64 and aarch64.

Not on the list, among others: whatever opens, forks, signals, traces, sets limits or handlers.
"""


@dataclass(frozen=True)
class Machine:
    """A machine whose system calls are known.

    Attributes:
        word: What the kernel calls it (``AUDIT_ARCH_...``).
        column: Its numbers in ``ALLOWED``.
    """

    word: int
    column: int


MACHINES = {"x86_64": Machine(0xC000003E, 0), "aarch64": Machine(0xC00000B7, 1)}

LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
NUMBER_AT, WORD_AT = 0, 4
"""Where a filter finds the number of the call and the word of the machine."""
KILL, REFUSE, ALLOW = 0x80000000, 0x00050000 | errno.EPERM, 0x7FFF0000
_PR_SET_SECCOMP, _MODE_FILTER = 22, 2

Instruction = tuple[int, int, int, int]
"""Of the kernel's filter language: code, jump if true, jump if false, operand."""


def allow_list(machine: Machine, names: Collection[str] = tuple(ALLOWED)) -> list[Instruction]:
    """Return the filter that allows these calls only.

    Calls of another machine (32 bits) kill the process. Numbers of the x32 ABI are on no list, so they are refused.
    """
    program: list[Instruction] = [
        (LOAD, 0, 0, WORD_AT),
        (EQUAL, 1, 0, machine.word),
        (RETURN, 0, 0, KILL),
        (LOAD, 0, 0, NUMBER_AT),
    ]
    for name in names:
        program += [(EQUAL, 0, 1, ALLOWED[name][machine.column]), (RETURN, 0, 0, ALLOW)]
    return [*program, (RETURN, 0, 0, REFUSE)]


def this_machine() -> Machine | None:
    """Return the machine that this process runs on, or None if its system calls are not known here."""
    return MACHINES.get(platform.machine()) if ctypes.sizeof(ctypes.c_void_p) == 8 else None


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_ushort),
        ("if_true", ctypes.c_ubyte),
        ("if_false", ctypes.c_ubyte),
        ("operand", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.POINTER(_Instruction)))


def install(program: Collection[Instruction]) -> None:
    """Install a filter in this process; it can never be taken off again.

    Raises:
        OSError: The kernel refuses.
    """
    no_new_privileges()
    instructions = (_Instruction * len(program))(*(_Instruction(*each) for each in program))
    if LIBC.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(_Program(len(program), instructions)), 0, 0):
        code = ctypes.get_errno()
        raise OSError(code, f"seccomp: {os.strerror(code)}")
