"""The one event loop of this process that all remote calls run on, in a thread of its own."""

import asyncio
import atexit
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")
# A connection that does not close within this time is left to the operating system.
_CLOSING_SECONDS = 2.0


class EngineLoop:
    """An event loop in a daemon thread; it ends with the process, after what was to be closed is closed."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._closers: list[Callable[[], Awaitable[None]]] = []
        self._thread = threading.Thread(target=self._loop.run_forever, name="assay-engine", daemon=True)
        self._thread.start()
        atexit.register(self._close)

    def start(self, coroutine: Coroutine[Any, Any, T]) -> "Future[T]":
        """Run a coroutine on the loop; cancelling the future cancels it."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def soon(self, function: Callable[[], object]) -> None:
        """Call a function on the loop's thread; nothing where the process ends."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function)

    def at_exit(self, close: Callable[[], Awaitable[None]]) -> None:
        """Have something closed on the loop when the process ends."""
        self._closers.append(close)

    def _close(self) -> None:
        closing = self.start(self._close_all())
        try:
            closing.result(timeout=_CLOSING_SECONDS)
        except TimeoutError:
            closing.cancel()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CLOSING_SECONDS)
        if not self._thread.is_alive():
            self._loop.close()

    async def _close_all(self) -> None:
        """End what still runs, of an iterator that was kept, and close what was to be closed."""
        running = asyncio.all_tasks() - {asyncio.current_task()}
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await asyncio.gather(*(close() for close in self._closers), return_exceptions=True)


def loop_time() -> float:
    """The time in seconds by the clock of the loop that this is called on, which its timers go by."""
    return asyncio.get_running_loop().time()


@cache
def engine_loop() -> EngineLoop:
    """The process's loop, started when it is first wanted."""
    return EngineLoop()
