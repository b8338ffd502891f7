"""Runs a server, and ends it with all its processes when standard input, held by the parent, is closed.

Run as a script, with the server's command as arguments, in a process group of its own. Also a parent that is
killed with -9 closes the pipe.
"""

import os
import signal
import subprocess
import sys
import threading

# What a server has to end by itself.
_GRACE = 10.0  # seconds


def _end_with_parent(server: "subprocess.Popen[bytes]") -> None:
    sys.stdin.buffer.read()
    server.terminate()
    try:
        server.wait(_GRACE)
    finally:
        _end_group()


def _end_group() -> None:
    """End what is left of the server, and this process, which is in the same group."""
    os.killpg(0, signal.SIGKILL)


def _main(command: list[str]) -> None:
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    threading.Thread(target=_end_with_parent, args=(server,), daemon=True).start()
    server.wait()
    _end_group()


if __name__ == "__main__":
    _main(sys.argv[1:])
