"""The stand-in server from a test's side: `Endpoint` starts the process, asks what came, and ends it."""

import http.client
import json
import subprocess
import sys
from types import TracebackType
from typing import Any, Self

from tests.support.paths import ROOT

# A busy machine may take long to end a process that has nothing left to do.
_PATIENCE = 10.0


class Endpoint:
    """A server of its own process, from `with` to its end; also ended when this process dies.

    with Endpoint(latency=0.01, rate_limited=0.2) as endpoint:
        ask(endpoint.url)
        assert endpoint.counts()["most_answers"] == 1
    """

    def __init__(self, **behaviour: Any) -> None:
        """behaviour: fields of `Behaviour`; all others are healthy."""
        self._behaviour = behaviour
        self._process: subprocess.Popen[str] | None = None
        self.port = 0

    @property
    def root(self) -> str:
        """The address without a path, for dialects other than OpenAI's."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The base URL of OpenAI's dialect."""
        return f"{self.root}/v1"

    @property
    def pid(self) -> int:
        """The server's process."""
        return self._running().pid

    def counts(self) -> dict[str, Any]:
        """How many calls came and what became of them (`Arrivals.counts`); open connections."""
        counts: dict[str, Any] = self._control("GET", "counts")
        return counts

    def log(self) -> list[dict[str, Any]]:
        """All calls in the order they came, each with the fields of `Arrival`."""
        log: list[dict[str, Any]] = self._control("GET", "log")
        return log

    def change(self, **behaviour: Any) -> None:
        """Behave differently from now on, in these fields. Raises ValueError for what it cannot do."""
        self._control("POST", "behaviour", behaviour)

    def reset(self) -> None:
        """Be healthy, forget what came, and close all connections."""
        self._control("POST", "reset")

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.support.endpoints.server",
                "--options",
                json.dumps(self._behaviour),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._end()
            raise RuntimeError("the stand-in server did not start; it says why above")
        self.port = int(line)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()

    def _running(self) -> "subprocess.Popen[str]":
        assert self._process is not None, "the endpoint is used outside of `with`"
        return self._process

    def _control(self, method: str, what: str, body: Any = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE)
        try:
            connection.request(method, f"/_control/{what}", json.dumps(body or {}))
            answer = connection.getresponse()
            said = json.loads(answer.read())
        finally:
            connection.close()
        if answer.status != 200:
            raise ValueError(said["error"])
        return said
