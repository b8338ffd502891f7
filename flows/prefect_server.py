"""A Prefect API for runs that have none: a temporary server, which ends with the process that started it.

Prefect can start such a server itself, but one whose parent is killed with -9 stays for ever. Run as a script
this file is the server: it stops when its standard input, held by the parent, is closed.
"""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# Read by Prefect when it is imported, here and in the server; a user's own values win.
DEFAULTS = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    # A failed step is said in a line of our own; Prefect adds its traceback at level ERROR.
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
}
START_SECONDS = 120.0


class TemporaryServer:
    """A server process on a free port of this machine; it starts at once and is waited for when needed."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        environment = {**os.environ, "PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1"}
        descriptor = self._socket.fileno()
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(descriptor)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=[descriptor],
            env=environment,
            start_new_session=True,  # Ctrl-C on the terminal is the run's, not the server's
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}/api"

    def wait(self) -> None:
        """Return when the server answers. Raises RuntimeError with its last words if it ends instead."""
        import httpx

        # The socket listens from the start, so the request waits in its queue until the server is up.
        stop_waiting = threading.Timer(START_SECONDS, self._process.kill)
        stop_waiting.start()
        watcher = threading.Thread(target=self._close_when_ended, daemon=True)
        watcher.start()
        try:
            httpx.get(f"{self.url}/health", timeout=START_SECONDS).raise_for_status()
        except httpx.HTTPError as error:
            raise RuntimeError(f"Prefect's temporary server did not start: {self._last_words()}") from error
        finally:
            stop_waiting.cancel()

    def stop(self) -> None:
        """End the server after it has written what it was told."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._socket.close()

    def _close_when_ended(self) -> None:
        self._process.wait()
        self._socket.close()

    def _last_words(self) -> str:
        self._process.kill()
        _, words = self._process.communicate()
        return words.decode(errors="replace").strip()[-500:] or "it said nothing"


@contextmanager
def prefect_api() -> Iterator[None]:
    """Within the block there is a Prefect API: the configured one, else a temporary server."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    if PREFECT_API_URL.value():
        yield
        return
    server = TemporaryServer()
    try:
        server.wait()
        with temporary_settings({PREFECT_API_URL: server.url}):
            yield
    finally:
        server.stop()


def serve(descriptor: int) -> None:
    """Serve Prefect's API on a listening socket until standard input ends."""
    import uvicorn
    from prefect.server.api.server import create_app

    config = uvicorn.Config(create_app(ephemeral=True), fd=descriptor, log_level="error", lifespan="on")
    server = uvicorn.Server(config)

    def watch_parent() -> None:
        sys.stdin.buffer.read()
        server.should_exit = True

    threading.Thread(target=watch_parent, daemon=True).start()
    server.run()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
