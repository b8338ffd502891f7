"""A server process: started, waited for until it is healthy, and ended whatever becomes of this process."""

import os
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO

from backends.errors import BackendError
from backends.served.start_failure import reason_in
from metrics.processes import child

_POLL = 0.1  # seconds
_LOOK = 5.0  # seconds; for an answer on its health
_END = 20.0  # seconds; the supervisor gives the server ten
_KEPT = 1 << 20  # bytes of output that are looked through for a reason


@dataclass(frozen=True, slots=True)
class Command:
    """How a server is started. arguments: the program and what it is told, none of which is secret.
    environment: added to this process's own."""

    arguments: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


class Server:
    """A server on 127.0.0.1, in a process group of its own; it runs until `stop`.

    name: for messages. port: where it listens.
    """

    def __init__(self, name: str, command: Command, port: int) -> None:
        self._name = name
        self.address = f"http://127.0.0.1:{port}"
        self._words: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the server
        self._process = child.start(
            "backends.served.supervisor",
            *command.arguments,
            stdout=self._words,
            stderr=subprocess.STDOUT,
            env={**os.environ, **command.environment},
        )
        self._is_wanted = True

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def ends_within(self, seconds: float) -> bool:
        """Whether it has ended, or does so within some seconds, in which it is looked at."""
        deadline = time.monotonic() + seconds
        while not self.has_ended and time.monotonic() < deadline:
            time.sleep(_POLL)
        return self.has_ended

    def wait(self, seconds: float) -> None:
        """Return when it is healthy. Raises BackendError with its reason where it ends or takes too long."""
        deadline = time.monotonic() + seconds
        while not self._is_healthy():
            if self.has_ended:
                raise BackendError(f"{self._name}: the server did not start: {self.reason()}")
            if time.monotonic() > deadline:
                self.stop()
                raise BackendError(
                    f"{self._name}: the server was not ready after {seconds:g} s (start_timeout); "
                    f"it said last: {self._last_line()}"
                )
            time.sleep(_POLL)

    def when_lost(self, tell: Callable[[str], object]) -> None:
        """Have somebody told, from another thread, when it ends by itself, and why."""

        def watch() -> None:
            while not self.has_ended:  # a thread that waits would keep others from seeing that it has
                time.sleep(_POLL)
            if self._is_wanted:
                tell(f"{self._name}: the server has ended: {self.reason()}")

        threading.Thread(target=watch, daemon=True, name="assay-server").start()

    def stop(self) -> None:
        """End it with all its processes, and wait for that."""
        self._is_wanted = False
        child.end(self._process, _END)

    def reason(self) -> str:
        """Why it ended, as far as its output tells."""
        return reason_in(self._output())

    def _output(self) -> str:
        size = self._words.seek(0, os.SEEK_END)
        self._words.seek(max(0, size - _KEPT))
        return self._words.read().decode(errors="replace")

    def _last_line(self) -> str:
        lines = self._output().split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "nothing")

    def _is_healthy(self) -> bool:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"{self.address}/health", timeout=_LOOK):
                return True
        except (urllib.error.URLError, OSError):
            return False


def started(name: str, command: Callable[[int], Command], timeout: float) -> Server:
    """A healthy server on a free port. Raises BackendError where it does not start within `timeout` seconds.

    command: how it is started, by its port.
    """
    port = _free_port()
    server = Server(name, command(port), port)
    try:
        server.wait(timeout)
    except BaseException:
        server.stop()
        raise
    return server


def _free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port
