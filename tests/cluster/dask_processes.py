"""A Dask cluster of real processes on this machine, each of which a test may kill."""

import ctypes
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Self

from tests.cluster.machines import HERE, Machine
from tests.support.paths import ROOT
from tests.support.servers.process import free_port

PATIENCE = 120.0
_PR_SET_PDEATHSIG = 1
_running: "list[DaskProcesses]" = []


class DaskProcesses:
    """A scheduler and workers; they end with the block, and when the tests are killed."""

    def __init__(self, workers: int, threads: int = 1, machines: Sequence[Machine] = ()) -> None:
        """machines: where the workers run, one after the other; without any all run here."""
        self.address = f"tcp://127.0.0.1:{free_port()}"
        self._count, self._threads = workers, threads
        self._machines = itertools.cycle(machines or (HERE,))
        self.workers: list[subprocess.Popen[bytes]] = []

    @property
    def runner(self) -> str:
        """As `--runner` wants it."""
        return f"dask:{self.address}"

    def __enter__(self) -> Self:
        _running.append(self)
        port = self.address.rpartition(":")[2]
        self.scheduler = start("dask", "scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard")
        for _ in range(self._count):
            self.add_worker()
        self._wait()
        return self

    def add_worker(self) -> None:
        own = ["--nthreads", str(self._threads), "--no-nanny", "--no-dashboard", "--memory-limit", "0"]
        where = next(self._machines)
        self.workers.append(
            start("dask", "worker", self.address, *own, "--death-timeout", "30", machine=where)
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _running.remove(self)
        for process in (*self.workers, self.scheduler):
            kill(process)

    def _wait(self) -> None:
        """Until all workers are there."""
        from distributed import Client

        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                with Client(self.address, timeout=5, set_as_default=False) as client:
                    client.wait_for_workers(self._count, timeout=PATIENCE)
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise


@contextmanager
def ended_after(seconds: float) -> Iterator[None]:
    """Ends clusters where a block takes longer, so that it fails; what hung stands in standard error."""

    def end() -> None:
        for dask in _running:
            for process in (*dask.workers, dask.scheduler):
                process.send_signal(signal.SIGABRT)  # its threads are written down first, by faulthandler

    timer = threading.Timer(seconds, end)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def kill(process: "subprocess.Popen[bytes]") -> None:
    """End a process as `kill -9` does."""
    with suppress(ProcessLookupError):
        process.kill()
    process.wait()


def start(module: str, *arguments: str, machine: Machine = HERE) -> "subprocess.Popen[bytes]":
    """A module run as a process that ends with this one."""
    libc = ctypes.CDLL(None)  # looked up here: between fork and exec there should be little to do
    return subprocess.Popen(
        [*machine.through, sys.executable, "-X", "faulthandler", "-m", module, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **machine.environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        preexec_fn=lambda: libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM),
    )
