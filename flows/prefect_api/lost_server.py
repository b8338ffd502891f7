"""A flow whose Prefect server goes away for good: it ends all the same, and its record there stays as it
was."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import httpx
from prefect._internal.concurrency import services
from prefect.exceptions import Abort
from prefect.settings import PREFECT_API_URL

from backends.retrying import ONCE, Patience, tried
from flows.prefect_api.configured_api import ask_health
from flows.prefect_api.retrying import is_away

# Somebody waits at a shell; a server that is restarted is back within this.
PATIENCE = Patience(seconds=60.0, first=0.5, longest=5.0)


class ServerLost(Abort):
    """Ends a flow at once, without a word to its server, which does not answer. Its cause is what ended the
    flow otherwise."""


@contextmanager
def leaving_lost_server() -> Iterator[None]:
    """What a flow does. Raises ServerLost where its server is away at the end: Prefect's engine would try for
    minutes to tell it, and fail. One that may be back soon is waited for."""
    try:
        yield
    except BaseException as error:
        if _is_lost(ONCE):
            raise ServerLost from error
        raise
    try:
        is_lost = _is_lost(PATIENCE)
    except KeyboardInterrupt:  # nobody waits
        is_lost = True
    if is_lost:
        raise ServerLost


def send_nothing_more() -> None:
    """Have Prefect's threads drop what they were to send: they would try each event for ten seconds, and the
    process not end before all are tried."""
    for service in list(services._active_services):
        loop, task = service._loop, service._task
        if loop is not None and task is not None:
            loop.call_soon_threadsafe(task.cancel)


def _is_lost(patience: Patience) -> bool:
    """Whether the server does not answer for so long."""
    try:
        tried(partial(ask_health, str(PREFECT_API_URL.value())), patience, is_away)
    except httpx.HTTPError:
        return True
    return False
