"""The command line keeps numerical libraries to one thread: processes share the cores already."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SCRIPT = """
import sys
from r2po.cli import main
assert "numpy" not in sys.modules, "the number of threads is read when NumPy is imported"
main(["list"])
import os
print(os.environ["OPENBLAS_NUM_THREADS"])
"""


@pytest.mark.parametrize(("given", "expected"), [(None, "1"), ("3", "3")])
def test_one_thread_unless_the_user_says_otherwise(given: str | None, expected: str) -> None:
    environ = {key: value for key, value in os.environ.items() if key != "OPENBLAS_NUM_THREADS"}
    environ |= {} if given is None else {"OPENBLAS_NUM_THREADS": given}
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, env=environ)
    assert done.stdout.splitlines()[-1] == expected
