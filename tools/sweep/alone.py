"""Weigh a process of its own, for sweeps that measure memory."""

from __future__ import annotations

import subprocess
import sys

# What the system keeps of a child that has ended is no use: it begins with its parent's size.
TELL = """
from tlhelpers.device import memory
print("peak", memory().value)
"""


def peak_megabytes(code: str, *arguments: str) -> float:
    """Run code in a Python of its own, and say how much memory it held at most.

    Parameters
    ----------
    code : str
        What to run; ``sys.argv[1:]`` holds the arguments.
    *arguments : str
        Its arguments.

    Returns
    -------
    float
        The largest resident memory, in megabytes of a million bytes.

    Raises
    ------
    RuntimeError
        If the process fails.
    """
    command = [sys.executable, "-c", code + TELL, *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"a process with {arguments} ended with {done.returncode}")
    return int(done.stdout.rsplit("peak", 1)[1]) / 1e6
