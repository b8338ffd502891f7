"""The calls of the Batch API: made on the engine's loop, waited for in whatever thread asks."""

import logging
import math
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

from backends.batches.files import VERSION, Line, lines_in
from backends.batches.options import BatchOptions
from backends.batches.state import MARKER, State
from backends.calls.failure import CallFailed
from backends.calls.http import Http
from backends.calls.loop import engine_loop
from backends.calls.retry import RetryPolicy
from backends.endpoints.question import Malformed, at, text_at
from backends.errors import BackendStopped

log = logging.getLogger("assay")
T = TypeVar("T")

_NOT_FOUND = 404
_PAGE = 100  # batches; the most that OpenAI lists at once
# How far the endpoint's clock may be behind ours: batches made that long before one was wanted are not it.
_CLOCKS_APART = 3600.0


class BatchApi:
    """One account's batches. Every method raises BackendStopped where nothing more can be done: the key or
    the call is refused, or the endpoint stays away while a batch is handed in.

    Looking at batches and their files goes on through any outage: they are answered meanwhile.
    """

    def __init__(self, http: Http, options: BatchOptions) -> None:
        self._http = http
        self._options = options
        self._handing_in = replace(RetryPolicy.of(options), max_timed_out=options.max_tries)
        self._looking = replace(
            self._handing_in, max_tries=sys.maxsize, total_timeout=math.inf, max_timed_out=sys.maxsize
        )
        self._is_away = False

    def upload(self, content: bytes) -> str:
        """Hand in a file of lines; its id. A file costs nothing before a batch is made of it."""

        async def call() -> str:
            timeout = self._options.timeout
            reply = await self._http.upload("/files", {"purpose": "batch"}, content, timeout=timeout)
            return text_at(reply.content, "id")

        return self._done(self._handing_in, call)

    def create(self, file: str, path: str, marker: str, since: float) -> str:
        """Make a batch of a file, once; its id. An answer may be lost on the way: before it is asked for
        again, it is looked for."""
        body = {
            "input_file_id": file,
            "endpoint": VERSION + path,
            "completion_window": self._options.completion_window,
            "metadata": {MARKER: marker},
        }

        was_sent = False

        async def call() -> str:
            nonlocal was_sent
            if was_sent and (found := await self._find(marker, since)):
                return found
            was_sent = True
            reply = await self._http.post("/batches", body, timeout=self._options.timeout)
            return State.of(reply.content).batch

        return self._done(self._handing_in, call)

    def find(self, marker: str, since: float) -> str | None:
        """The id of the batch with a marker, if there is one; it was not made before `since`."""
        return self._done(self._looking, lambda: self._find(marker, since))

    def look(self, batch: str) -> State:
        """Where a batch is."""

        async def call() -> State:
            reply = await self._http.get(f"/batches/{batch}", timeout=self._options.timeout)
            return State.of(reply.content)

        return self._done(self._looking, call)

    def lines(self, file: str) -> list[Line]:
        """The lines of a file of results."""

        async def call() -> list[Line]:
            path = f"/files/{file}/content"
            try:
                content = await self._http.content(path, timeout=self._options.timeout)
            except CallFailed as error:
                if error.failure.status == _NOT_FOUND:  # named, and not there yet
                    raise Malformed(error.failure.message) from error
                raise
            return list(lines_in(content))

        return self._done(self._looking, call)

    async def _find(self, marker: str, since: float) -> str | None:
        """Look through the batches there are, which come newest first."""
        after, seen = "", set[str]()
        while True:
            path = f"/batches?limit={_PAGE}{after}"
            content = (await self._http.get(path, timeout=self._options.timeout)).content
            page = list(_states(at(content, "data")))
            for state in page:
                if state.marker == marker:
                    return state.batch
            is_new = bool(page) and page[-1].batch not in seen
            if not is_new or not content.get("has_more") or page[-1].created < since - _CLOCKS_APART:
                return None
            seen.add(page[-1].batch)
            after = f"&after={page[-1].batch}"

    def _done(self, policy: RetryPolicy, call: Callable[[], Awaitable[T]]) -> T:
        try:
            return _waited_for(self._tried(policy, call))
        except CallFailed as error:
            raise BackendStopped(error.failure.message) from error

    async def _tried(self, policy: RetryPolicy, call: Callable[[], Awaitable[T]]) -> T:
        unread = 0

        async def attempt() -> T:
            """What cannot be read is read again, as often as a call is made, also where outages are waited
            out."""
            nonlocal unread
            try:
                return await call()
            except Malformed as error:
                failed = self._http.failed("malformed", str(error))
            except CallFailed as error:
                if error.failure.kind != "malformed":
                    raise
                failed = error
            unread += 1
            if unread < self._options.max_tries:
                raise failed
            raise CallFailed(replace(failed.failure, kind="permanent"))

        result = await policy.tried(attempt, self._note_failure)
        self._is_away = False
        return result

    def _note_failure(self, error: CallFailed) -> None:
        if not self._is_away:
            log.warning("%s; trying again", error.failure.message)
        self._is_away = True


def _states(page: Any) -> Iterator[State]:
    """Those of a page of batches that can be read; ours can."""
    for one in page if isinstance(page, list) else ():
        with suppress(Malformed):
            yield State.of(one if isinstance(one, dict) else {})


def _waited_for(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine on the engine's loop, which ends with the waiting."""
    future = engine_loop().start(coroutine)
    try:
        return future.result()
    finally:
        future.cancel()
