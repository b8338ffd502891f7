"""A real Prefect server and a real worker as processes that tests start, stop, kill and start again.

Both die with the process that started them, also when that is killed.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Self

import httpx
import psutil

from tests.support.paths import ROOT
from tests.support.servers.process import free_port
from tests.support.waiting import until

# A machine that runs other tests beside these may take long to start a process.
PATIENCE = 300.0
SETTINGS = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_UI_ENABLED": "0",
    "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",
    "PREFECT_WORKER_QUERY_SECONDS": "1",
}

Process = subprocess.Popen[bytes]


class PrefectServer:
    """A server with its database below `home`; the same port and database each time it is started.

    settings: in place of `SETTINGS`, or more.
    """

    def __init__(self, home: Path, settings: Mapping[str, str] = MappingProxyType({})) -> None:
        self.home = home
        self._settings = settings
        home.mkdir(parents=True, exist_ok=True)
        self._port = free_port()
        self._process: Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/api"

    @property
    def environment(self) -> dict[str, str]:
        """Of processes that use this server."""
        around = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        own = {"PREFECT_HOME": str(self.home), "PREFECT_API_URL": self.url}
        return {**around, **SETTINGS, **self._settings, **own}

    def prefect(self, *arguments: str) -> str:
        """What a command of `prefect` says, as a person would give it; it must succeed."""
        done = subprocess.run(
            [sys.executable, "-m", "prefect", *arguments],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def start(self) -> None:
        """Return when it answers."""
        command = ["server", "start", "--host", "127.0.0.1", "--port", str(self._port)]
        self._process = _start(command, self.environment, self.home / "server.log")
        _wait_for(lambda: httpx.get(f"{self.url}/health", timeout=5).is_success, self._process)

    def stop(self) -> None:
        if self._process is not None:
            _end(self._process, signal.SIGTERM)

    def kill(self) -> None:
        """End it as a crash of its machine would."""
        if self._process is not None:
            _end(self._process, signal.SIGKILL)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class Worker:
    """A worker of a process pool, which it makes where there is none. environment: more of it. limit: how
    many runs it has at a time."""

    def __init__(
        self, server: PrefectServer, pool: str, environment: Mapping[str, str], limit: int = 10
    ) -> None:
        self._server = server
        self._limit = limit
        self.pool = pool
        self._environment = {**server.environment, "PYTHONPATH": str(ROOT), **environment}
        self.log = server.home / f"worker-{pool}.log"
        self._process: Process | None = None

    def __enter__(self) -> Self:
        command = ["worker", "start", "--pool", self.pool, "--type", "process", "--name", f"of {self.pool}"]
        command += ["--limit", str(self._limit)]
        self._process = _start(command, self._environment, self.log)
        _wait_for(lambda: "started!" in self.log.read_text(), self._process)
        return self

    def is_idle(self) -> bool:
        """Whether it has no process of a run any more."""
        return self._process is None or not psutil.Process(self._process.pid).children()

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            _end(self._process, signal.SIGTERM)


def _start(command: list[str], environment: Mapping[str, str], log: Path) -> Process:
    with log.open("ab") as words:
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", sys.executable, "-m", "prefect", *command],
            stdout=words,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            cwd=ROOT,
            start_new_session=True,
        )


def _end(process: Process, how: signal.Signals) -> None:
    if process.poll() is None:
        os.killpg(process.pid, how)
    try:
        process.wait(timeout=15)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_for(is_there: Callable[[], bool], process: Process) -> None:
    def answers() -> bool:
        with suppress(httpx.HTTPError):
            return is_there()
        return False

    if not until(answers, process, seconds=PATIENCE, every=0.1):
        raise RuntimeError(f"{process.args!r} did not get ready")
