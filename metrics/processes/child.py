"""Child processes that end with the one that started them, also where that is killed with -9.

The parent holds its children's standard input, which is closed whatever ends it; a child ends when it is.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Where the project is.
ROOT = Path(__file__).resolve().parents[2]
_RUN = (
    "import gc, sys, importlib; gc.set_threshold(20_000); sys.path.insert(0, sys.argv.pop(1)); "
    "importlib.import_module(sys.argv.pop(1)).main()"
)


def start(module: str, *arguments: str, **how: Any) -> "subprocess.Popen[bytes]":
    """Run the `main` of a module of the project, which finds the arguments in `sys.argv`, in a process of its
    own that ends when its standard input does (`when_parent_ends`). how: more for `subprocess.Popen`."""
    return subprocess.Popen(  # nosec B603  # our own interpreter, modules of the project
        [sys.executable, "-P", "-c", _RUN, str(ROOT), module, *arguments],
        stdin=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C on the terminal is for the run, which ends its children
        **how,
    )


def release(child: "subprocess.Popen[bytes]") -> None:
    """Let a child end by itself, when it has done what it was told."""
    assert child.stdin is not None, "it was started with a pipe"
    with contextlib.suppress(BrokenPipeError):  # it has ended without reading all it was told
        child.stdin.close()


def end(child: "subprocess.Popen[bytes]", seconds: float) -> None:
    """End a child and wait for that; what is not done after some seconds is killed, with what it started."""
    release(child)
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):  # it has ended just now
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def when_parent_ends(act: Callable[[], object], standard_input: int = 0) -> None:
    """In a child: have something done, in a thread, when the parent lets it end, or is gone.

    standard_input: its descriptor, where that is another one by now.
    """

    def watch() -> None:
        while os.read(standard_input, 1024):  # not through sys.stdin, whose lock a process needs to end
            pass
        act()

    threading.Thread(target=watch, daemon=True).start()
