"""Models that show, or spoil, what becomes of the worker processes that ask them."""

import os
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from threading import Lock

from backends.requests import Request, RequestKind, Response
from backends.simple.scripted import ScriptedBackend, hashed

_asked = Lock()


def die(request: Request) -> Response:
    """As a model that takes its process with it."""
    os._exit(9)


def all_but_two(request: Request) -> Response:
    """As a model that fails on two questions."""
    if request.prompt_text.startswith(("Question: sums 3?", "Question: sums 13?")):
        return Response(status="failed", error="it will not say")
    return hashed(request)


class Heavy(ScriptedBackend):
    """A model of the process that has it: slow to load, and asked by one thread at a time.

    loads: a file that gets the number of each process that loads it.
    """

    def __init__(self, loads: Path, log: Path) -> None:
        super().__init__("hash", log=log, batch_size=8)
        self._loads = loads

    def load(self, kinds: Collection[RequestKind]) -> None:
        time.sleep(0.3)  # for other threads to come by
        with self._loads.open("a") as file:
            file.write(f"{os.getpid()}\n")

    def answers(self, batch: Sequence[Request]) -> list[Response]:
        assert _asked.acquire(blocking=False), "two threads ask at a time"
        try:
            time.sleep(0.02)
            return super().answers(batch)
        finally:
            _asked.release()
