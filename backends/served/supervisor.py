"""Runs a server, in a process group of its own, and ends all its processes when the parent is gone."""

import os
import signal
import subprocess
import sys
from functools import partial

from metrics.processes.child import when_parent_ends

# What a server has to end by itself.
_GRACE = 10.0  # seconds


def main() -> None:
    """Run the command that the arguments are."""
    server = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)  # nosec B603  # our own parent's command
    when_parent_ends(partial(_end, server))
    server.wait()
    _end_group()


def _end(server: "subprocess.Popen[bytes]") -> None:
    server.terminate()
    try:
        server.wait(_GRACE)
    finally:
        _end_group()


def _end_group() -> None:
    """End what is left of the server, and this process, which is in the same group."""
    os.killpg(0, signal.SIGKILL)
