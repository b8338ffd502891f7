"""Our calls where an event loop runs already, as in a notebook's cell or a coroutine: they block, and Prefect
must take them for the plain calls that they are."""

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager


@contextmanager
def outside_event_loop() -> Iterator[None]:
    """A block in which this thread has no running event loop, and Ctrl-C interrupts it at once.

    A running loop stands still while one of its callbacks blocks, so nothing is taken from it. Prefect looks
    for one, and gives coroutines in place of values where it finds one. The work stays in the caller's
    thread: in another one it could not be interrupted. As a decorator it is of the whole function.
    """
    with ExitStack() as stack:
        if (loop := _running_loop()) is not None:
            stack.enter_context(_suspended(loop))
            stack.enter_context(_interrupted_by_ctrl_c())
        yield


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


@contextmanager
def _suspended(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    task = asyncio.current_task(loop)
    if task is not None:
        asyncio.tasks._leave_task(loop, task)
    asyncio.events._set_running_loop(None)
    try:
        yield
    finally:
        asyncio.events._set_running_loop(loop)
        if task is not None:
            asyncio.tasks._enter_task(loop, task)


@contextmanager
def _interrupted_by_ctrl_c() -> Iterator[None]:
    """`asyncio.run` would cancel its task at the first Ctrl-C, which nobody sees before the block ends."""
    before = signal.getsignal(signal.SIGINT)
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or before in (None, signal.SIG_IGN, signal.default_int_handler):
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
