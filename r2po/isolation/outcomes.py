"""What becomes of a policy that does not work, and of a wall that is not there."""

from __future__ import annotations

import re
import sys
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from r2po.errors import InputError, R2POError
from r2po.isolation.limits import TEXT_BYTES
from r2po.isolation.protocol import FailureKind

_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{5,}")
_INVISIBLE = {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}
"""Categories of characters that nobody sees: control, format (directions, hidden letters), private, ends of lines."""


@dataclass(frozen=True)
class Failure:
    """Why a policy failed.

    Attributes:
        kind: Which sort of failure.
        text: For people, and for the model that is to repair the policy.
    """

    kind: FailureKind
    text: str

    @property
    def line(self) -> str:
        """Kind and last line of the text, which says most: ``error: KeyError: 7``."""
        return f"{self.kind}: {self.text.strip().rpartition(chr(10))[2]}"


class PolicyFailed(Exception):
    """A policy failed. That is an outcome of its evaluation, not an error of the program."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.kind}: {failure.text}")
        self.failure = failure


class NoWallError(InputError):
    """The kernel does not grant what the config asks for."""


class WorkerNotReadyError(R2POError):
    """A worker did not come so far that it could have run a policy, so no policy is to blame."""


def clean(text: bytes, most: int = TEXT_BYTES + 4) -> str:
    """Return what a worker said as a short text without addresses, paths of this machine, and what nobody would see.

    Args:
        text: UTF-8, or anything.
        most: How many bytes count.
    """
    said = "".join(map(_seen, text[:most].decode("utf-8", "replace")))
    for folder in _own_folders():
        said = said.replace(folder, "...")
    return _ADDRESS.sub("0x...", said).strip()


def _seen(character: str) -> str:
    return "?" if character != "\n" and unicodedata.category(character) in _INVISIBLE else character


def _own_folders() -> list[str]:
    folders = {str(Path(__file__).parents[2]), sys.prefix, sys.base_prefix, str(Path.home())}
    return sorted(folders - {"/", "/usr", ""}, key=len, reverse=True)
