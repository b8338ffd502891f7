"""Calls of Prefect's API that outlive a server which is away for a while, as Prefect's own do not all."""

from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar

import httpx

from backends.retrying import Patience, tried

P = ParamSpec("P")
R = TypeVar("R")

# A server that is upgraded, with its database migrated, is away for some minutes.
PATIENCE = Patience(seconds=600.0, first=0.5, longest=10.0)


def patient(call: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
    """What `call` gives, tried again for ten minutes while the server does not answer or is overloaded.

    Raises httpx.HTTPError when it still does not, and at once for what trying again does not help.
    """
    return tried(partial(call, *arguments, **named), PATIENCE, is_away)


def is_away(error: BaseException) -> bool:
    """Whether a server did not answer, or said that it cannot now."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code >= 500 or error.response.status_code == 429
    return isinstance(error, httpx.TransportError)
