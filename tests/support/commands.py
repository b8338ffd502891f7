"""Commands as processes of their own that begin within milliseconds (`fork_server`)."""

import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Protocol

from tests.support import fork_server
from tests.support.fork_server import Command

# What may differ between commands of one server: all else may have been read while it imported.
_READ_LATE = ("ASSAY_", "PYTEST_")


class Process(Protocol):
    """What tests use of `subprocess.Popen[str]`."""

    @property
    def pid(self) -> int: ...

    @property
    def returncode(self) -> int | None: ...

    @property
    def stderr(self) -> IO[str] | None: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def communicate(self, input: None = None, timeout: float | None = None) -> tuple[str, str]: ...

    def send_signal(self, sig: int) -> None: ...

    def kill(self) -> None: ...


class Forked:
    """A command that a fork server has started, in a session of its own, with the ways of `Popen`."""

    def __init__(self, command: Command, server: socket.socket) -> None:
        out, errors, news = os.pipe(), os.pipe(), os.pipe()
        command.send(server, out[1], errors[1], news[1])
        for _, written in (out, errors, news):
            os.close(written)
        self.args = [command.script, *command.arguments]
        self.stdout, self.stderr = os.fdopen(out[0]), os.fdopen(errors[0])
        self._news = os.fdopen(news[0])
        self.pid = int(self._news.readline())
        self.returncode: int | None = None

    def poll(self) -> int | None:
        return self._status(0.0)

    def wait(self, timeout: float | None = None) -> int:
        status = self._status(timeout)
        if status is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        return status

    def communicate(self, input: None = None, timeout: float | None = None) -> tuple[str, str]:
        with ThreadPoolExecutor(2) as readers:
            out, errors = readers.submit(self.stdout.read), readers.submit(self.stderr.read)
            try:
                self.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()  # or the readers would never end
                raise
            return out.result(), errors.result()

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, sig)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _status(self, seconds: float | None) -> int | None:
        if self.returncode is None and select.select([self._news], [], [], seconds)[0]:
            self.returncode = int(self._news.readline())
        return self.returncode


class Commands:
    """Starts commands, all but the first of each environment as forks."""

    def __init__(self) -> None:
        self._servers: dict[frozenset[tuple[str, str]], socket.socket | None] = {}

    def start(self, command: Command) -> Process:
        """The command as a process that has a session of its own."""
        early = {
            name: value for name, value in command.environment.items() if not name.startswith(_READ_LATE)
        }
        kind = frozenset(early.items())
        if kind not in self._servers:
            self._servers[kind] = None
            return started([sys.executable], command)
        server = self._servers[kind] = self._servers[kind] or _fork_server(early)
        return Forked(command, server)


def started(interpreter: Sequence[str], command: Command) -> Process:
    """The command by an interpreter that begins with it."""
    return subprocess.Popen(
        [*interpreter, command.script, *command.arguments],
        cwd=command.folder,
        env=command.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def _fork_server(environment: Mapping[str, str]) -> socket.socket:
    """The socket of a new server, which ends when it is closed."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        subprocess.Popen(
            [sys.executable, fork_server.__file__, str(theirs.fileno())],
            env=dict(environment),
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
    return ours


COMMANDS = Commands()
