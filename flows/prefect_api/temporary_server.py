"""A Prefect API for runs that have none: a temporary server, which ends with the process that started it.

Prefect can start such a server itself, but one whose parent is killed with -9 stays for ever.
"""

import gc
import os
import re
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Self

from flows.common.errors import SpecError
from flows.prefect_api.configured_api import ConfiguredApi
from flows.prefect_api.prefect_home import check_writable, prefect_home, starting_alone
from metrics.processes import child

# Read by Prefect when it is imported, here and in the server; a user's own values win.
DEFAULTS = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    # A failed step is said in a line of our own; Prefect adds its traceback at level ERROR.
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
    # Its threads that send what a server shall show would add a screenful for each event that one lost.
    "PREFECT_INTERNAL_LOGGING_LEVEL": "CRITICAL",
}
SERVER_ONLY = {
    "PREFECT_UI_ENABLED": "0",
    "PREFECT__SERVER_EPHEMERAL": "1",
    "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",  # half a second, for a form that nobody sees
}
START_SECONDS = 120.0
# Of a traceback, the line that says what is wrong.
_IS_ERROR = re.compile(r"[\w.]+(Error|Exception): ")

_is_temporary: ContextVar[bool] = ContextVar("is_temporary", default=False)


class TemporaryServer:
    """A server process on a free port of this machine; it starts at once and is waited for when needed.

    login: what it wants to hear, `name:password`; a new one of its own, so that no other user of the machine
    reads or ends runs. "" is none. It is in the environment of the server and of the run's own processes.
    """

    def __init__(self, login: str | None = None) -> None:
        self.login = f"assay:{secrets.token_urlsafe(32)}" if login is None else login
        self._socket = socket.create_server(("127.0.0.1", 0))
        # Kept, since the socket may be closed by whoever sees the server end.
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/api"
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the server
        environment = {**os.environ, **SERVER_ONLY, "PREFECT_SERVER_API_AUTH_STRING": self.login}
        if not self.login:
            del environment["PREFECT_SERVER_API_AUTH_STRING"]
        descriptor = self._socket.fileno()
        self._process = child.start(
            __name__,
            str(descriptor),
            stdout=subprocess.DEVNULL,
            stderr=self._words,
            pass_fds=[descriptor],
            env=environment,
        )

    def wait(self) -> None:
        """Return when the server answers. Raises SpecError with its last words if it ends instead."""
        import httpx

        # The socket listens from the start, so the request waits in its queue until the server is up.
        stop_waiting = threading.Timer(START_SECONDS, self._process.kill)
        stop_waiting.start()
        threading.Thread(target=self._close_when_ended, daemon=True).start()
        try:
            httpx.get(f"{self.url}/health", timeout=START_SECONDS).raise_for_status()
        except httpx.HTTPError as error:
            raise SpecError(
                f"Prefect's temporary server did not start in {prefect_home()} (PREFECT_HOME): "
                f"{self._last_words()}"
            ) from error
        finally:
            stop_waiting.cancel()

    def release(self) -> None:
        """Let the server end by itself, when it has written what it was told."""
        child.release(self._process)

    def stop(self) -> None:
        """End the server and wait for that."""
        self._end(10)

    def kill(self) -> None:
        """End the server whatever it does."""
        self._end(0)

    def _end(self, seconds: float) -> None:
        child.end(self._process, seconds)
        self._socket.close()

    def _close_when_ended(self) -> None:
        self._process.wait()
        self._socket.close()

    def _last_words(self) -> str:
        self.kill()
        self._words.seek(0)
        said = self._words.read().decode(errors="replace").strip().splitlines() or ["it said nothing"]
        return next(filter(_IS_ERROR.match, reversed(said)), said[-1])[:500]


class PrefectApi:
    """The Prefect API of a run: the configured one, else a temporary server.

    The server starts with the block, so that it gets ready while other things are done. Raises SpecError
    where one is configured, and nobody answers there, and where a temporary one could not write.
    """

    def __enter__(self) -> Self:
        for name, value in DEFAULTS.items():
            os.environ.setdefault(name, value)
        self._server = None
        if configured := ConfiguredApi.find():
            configured.check_answers()
        else:
            check_writable()
            self._server = TemporaryServer()
        self._is_used = False
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            end = self._server.release if self._is_used else self._server.kill
            end()

    @contextmanager
    def connected(self) -> Iterator[None]:
        """Within the block Prefect talks to the API."""
        from prefect.settings import (
            PREFECT_API_AUTH_STRING,
            PREFECT_API_URL,
            PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
            temporary_settings,
        )

        if self._server is None:
            yield
            return
        if configured := ConfiguredApi.of_settings():  # files of the current folder may name one, too
            configured.check_answers()
            yield
            return
        import fastapi  # noqa: F401 - by Prefect with the first flow run, otherwise; now there is time

        self._server.wait()
        self._is_used = True
        # Nobody on this server waits for heartbeats, whose thread would hold up each run's end for a second.
        temporary = {
            PREFECT_API_URL: self._server.url,
            PREFECT_API_AUTH_STRING: self._server.login,
            PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
        }
        token = _is_temporary.set(True)
        try:
            with temporary_settings(temporary):
                yield
        finally:
            _is_temporary.reset(token)


def is_lasting() -> bool:
    """Whether the API of the run is still there when it has ended, so that somebody may look."""
    return not _is_temporary.get()


def main() -> None:
    """Serve Prefect's API, on the listening socket whose descriptor is the argument."""
    gc.disable()  # what is imported stays; looking for garbage in it is a sixth of the start
    import uvicorn
    from prefect.server.api.server import create_app

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            with starting_alone():
                await super().startup(sockets)

    config = uvicorn.Config(create_app(ephemeral=True), log_level="error", lifespan="on")
    server = Server(config)
    gc.freeze()
    gc.enable()
    child.when_parent_ends(lambda: setattr(server, "should_exit", True))
    # Given the descriptor, uvicorn takes it for a Unix socket, and Nagle's algorithm holds answers for 40 ms.
    server.run(sockets=[socket.socket(fileno=int(sys.argv[1]))])
