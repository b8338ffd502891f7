"""A server as a child process: started, waited for, and ended whatever becomes of the tests."""

import ctypes
import os
import signal
import socket
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import IO

import psutil

from tests.support.waiting import until

# vLLM is healthy after half a minute where it has both cores, and after minutes where others use them, too.
PATIENCE = 300.0
GRACE = 20.0
POLL = 0.05
_PR_SET_PDEATHSIG = 1


def runs(pid: int) -> bool:
    """Whether a process is there; one that has ended and was not waited for is not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@dataclass(frozen=True, slots=True)
class Command:
    """How a server is started.

    arguments: the program and what it is told; it listens on `port` of 127.0.0.1.
    environment: added to the tests' own.
    """

    arguments: Sequence[str]
    port: int
    environment: Mapping[str, str] = field(default_factory=dict)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@contextmanager
def serving(command: Command) -> Iterator[str]:
    """Run a server while the block runs; the value is the base URL of its OpenAI API, `http://.../v1`.

    The server and its own children end with the block. Where the tests are killed the kernel tells the
    server to end. Raises RuntimeError with its last words where it does not get healthy.
    """
    libc = ctypes.CDLL(None)  # looked up here: between fork and exec there should be little to do
    with tempfile.TemporaryFile() as words:
        process = subprocess.Popen(
            command.arguments,
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=subprocess.STDOUT,
            env={**os.environ, **command.environment},
            start_new_session=True,
            preexec_fn=lambda: libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM),
        )
        try:
            _wait_until_healthy(process, command.port, words)
            yield f"http://127.0.0.1:{command.port}/v1"
        finally:
            _end(process)


def _wait_until_healthy(process: "subprocess.Popen[bytes]", port: int, words: IO[bytes]) -> None:
    if not until(lambda: _is_healthy(port), process, seconds=PATIENCE, every=POLL):
        words.seek(0)
        last_words = words.read().decode(errors="replace")[-2000:]
        raise RuntimeError(f"the server did not get healthy: {last_words}")


def _is_healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        pass
    finally:
        with suppress(ProcessLookupError):  # the usual: no child of its own outlived it
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
