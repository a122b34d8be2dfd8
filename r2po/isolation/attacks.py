"""Hostile policies that ``r2po doctor --isolation`` and the tests let loose on the wall.

Each goes around the filter of imports and functions, so that only the kernel's layers stand in its way. It returns 1
if it got what it wanted.
"""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import indent

_HEAD = '''
def loaded(name):
    """Find a module that the worker has loaded, through the graph of objects."""
    for kind in object.__subclasses__():
        if kind.__name__ == "_wrap_close":
            return kind.__init__.__globals__["sys"].modules[name]

def called(name, *arguments):
    """Call a function of the C library."""
    ctypes = loaded("ctypes")
    result = ctypes.CDLL(None, use_errno=True)[name](*arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), name)
    return result

def attack(obs):
'''
_TAIL = """

class Policy:
    def act(self, obs):
        return [float(attack(obs))]
"""


@dataclass(frozen=True)
class Target:
    """What attacks aim at.

    Attributes:
        pid: The parent's process id.
        secret_file: A file that the user can read.
        new_file: A file that is not there.
        port: Of TCP and of UDP on loopback, where somebody listens.
        address: Of 16 bytes in the parent's memory.
    """

    pid: int
    secret_file: str
    new_file: str
    port: int
    address: int


@dataclass(frozen=True)
class Attack:
    """A hostile policy.

    Attributes:
        name: One word.
        tries: What it does, as the end of "a policy that ...".
        body: Python lines of a function that returns whether it succeeded.
    """

    name: str
    tries: str
    body: str

    def source(self, target: Target) -> str:
        """Return the policy."""
        body = self.body
        for name, value in vars(target).items():
            body = body.replace(f"TARGET_{name.upper()}", repr(value))
        return _HEAD + indent(body.strip("\n"), "    ") + _TAIL


_TCP = """
sock = called("socket", 2, 1, 0)
address = (2).to_bytes(2, "little") + (TARGET_PORT).to_bytes(2, "big") + bytes([127, 0, 0, 1]) + bytes(8)
called("connect", sock, address, 16)
called("send", sock, b"stolen", 6, 0)
return True
"""
_UDP = """
sock = called("socket", 2, 2, 0)
address = (2).to_bytes(2, "little") + (TARGET_PORT).to_bytes(2, "big") + bytes([127, 0, 0, 1]) + bytes(8)
called("sendto", sock, b"stolen", 6, 0, address, 16)
return True
"""
_MEMORY_OF_PARENT = """
ctypes = loaded("ctypes")
class Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]
found = ctypes.create_string_buffer(16)
here, there = Vector(ctypes.addressof(found), 16), Vector(TARGET_ADDRESS, 16)
return called("process_vm_readv", TARGET_PID, ctypes.byref(here), 1, ctypes.byref(there), 1, 0) == 16
"""
_FORK_BOMB = """
os = loaded("os")
for _ in range(50):
    if os.fork() == 0:
        loaded("time").sleep(1)
        os._exit(0)
return True
"""
_ENVIRONMENT = """
return any("KEY" in name or "TOKEN" in name or "SECRET" in name for name in loaded("os").environ)
"""
_MEMORY_BOMB = """
import numpy
hoard = []
for _ in range(400):
    hoard.append(numpy.ones(10**6))
return True
"""
_DESCRIPTORS = """
os = loaded("os")
for descriptor in range(3, 200):
    try:
        os.write(descriptor, b"forged" * 100)
    except OSError:
        pass
return True
"""

ATTACKS = (
    Attack("environ", "looks for keys in its environment", _ENVIRONMENT),
    Attack(
        "keys",
        "reads the environment of its parent",
        'return len(loaded("builtins").open(f"/proc/{TARGET_PID}/environ", "rb").read()) > 0',
    ),
    Attack("peek", "reads the memory of its parent", _MEMORY_OF_PARENT),
    Attack("signal", "sends a signal to its parent", 'return called("kill", TARGET_PID, 0) == 0'),
    Attack("read", "reads a file of the user", 'return len(loaded("builtins").open(TARGET_SECRET_FILE).read()) > 0'),
    Attack("write", "makes a file", 'loaded("builtins").open(TARGET_NEW_FILE, "w").close()\nreturn True'),
    Attack("tcp", "connects to a TCP port", _TCP),
    Attack("udp", "sends to a UDP port", _UDP),
    Attack("fork", "starts processes", _FORK_BOMB),
    Attack("exec", "runs a program", 'return loaded("os").system("exit 0") == 0'),
    Attack("memory", "takes all memory", _MEMORY_BOMB),
    Attack("loop", "never ends", "while True:\n    pass"),
    Attack(
        "stubborn",
        "never ends and catches everything",
        "while True:\n    try:\n        while True:\n            pass\n    except BaseException:\n        pass",
    ),
    Attack("forged", "writes to every descriptor", _DESCRIPTORS),
)
"""Attacks in the order in which the doctor tries them."""
