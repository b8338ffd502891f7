"""The engine: what every remote call passes through on its way to a response.

Requests run on one event loop in a thread of its own; whoever asks gets the answers in batches, in any order,
and makes each batch durable before it asks for the next.
"""

import asyncio
import itertools
import math
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from backends.calls.failure import RETRIED, CallFailed, Paid
from backends.calls.gate import EndpointAway, Gate
from backends.calls.loop import engine_loop, loop_time
from backends.calls.retry import RetryPolicy
from backends.calls.window import Window
from backends.errors import BackendError
from backends.money.budget import Spent
from backends.money.purse import Purse, also_taken, usage_of
from backends.money.reservations import Size, Spending
from backends.protocol import UNBOUND, AskContext, Batch
from backends.requests import Call, Response
from backends.stop_sign import LOOK_SECONDS, Sign, Stopped, StopSign

Item = TypeVar("Item")
Answer = tuple[int, Response]

# Answers that come within this time are stored together: one write to disk instead of many.
_LINGER = 0.01  # seconds
# Answers that are there and not stored yet, as a share of the calls that may be in flight.
_UNSTORED = 0.5
# What is in flight, and paid for, has this long to come where it is not waited for.
_GRACE = 0.5  # seconds
_orders = itertools.count()


@dataclass(frozen=True, slots=True)
class Route(Generic[Item]):
    """One way to an answer.

    call: puts an item to the endpoint. Its response has the seconds it took, and its `call` times by the
        loop's clock, which the engine makes relative. Raises CallFailed.
    size: how large an item's call may get.
    """

    gate: Gate
    retry: RetryPolicy
    call: Callable[[Item], Awaitable[Response]]
    size: Callable[[Item], Size]


class CallEngine(Generic[Item]):
    """Answers items over its routes, each by the first route that can.

    at_once: calls that may be in flight, over all routes.
    """

    def __init__(self, routes: Sequence[Route[Item]], at_once: int) -> None:
        self._routes = routes
        self._window = Window(at_once + max(1, round(at_once * _UNSTORED)))
        self._spending = Spending()

    def ask(self, items: Sequence[Item], context: AskContext = UNBOUND) -> Iterator[Batch]:
        """Answers by the items' positions, each once. Those of a batch are taken for durable when the next is
        asked for. An item without an answer has a response that says why: `failed`, or `skipped` where the
        purse has nothing left for it.

        Raises BackendStopped, or another BackendError where calls cannot be made at all, after what was
        answered; likewise Stopped where answers are wanted no more: no call is made then, and those in flight
        come to their end, unless the sign hurries. Leaving the iterator ends the calls that are in flight.
        """
        loop, answers = engine_loop(), SimpleQueue[Answer | None]()
        own = Window(len(items) if context.places is None else context.places)
        asked = _Asked(items, answers.put, context.purse, own, context.stop or StopSign())
        asking = loop.start(self._answer_all(asked))
        asking.add_done_callback(lambda _: answers.put(None))
        try:
            has_ended = False
            while not has_ended:
                if context.is_stopped:
                    loop.soon(asked.stop)
                found = list(_available(answers))
                has_ended = None in found
                if batch := [answer for answer in found if answer is not None]:
                    yield batch
                    loop.soon(partial(self._leave, asked, len(batch)))
            if asked.stopped is not None:
                raise asked.stopped
            asking.result()
        finally:
            asking.cancel()
            loop.soon(lambda: self._leave(asked, asked.places))

    async def _answer_all(self, asked: "_Asked[Item]") -> None:
        asked.asking = asyncio.current_task()
        async with asyncio.TaskGroup() as calls:
            for position, item in enumerate(asked.items):
                await asked.own.enter(asked.order)
                await self._window.enter(asked.order)
                asked.places += 1
                if asked.stopped is not None:
                    break
                task = calls.create_task(self._answer(asked, position, item))
                asked.resting.add(task)
                task.add_done_callback(partial(self._ended, asked))

    async def _answer(self, asked: "_Asked[Item]", position: int, item: Item) -> None:
        tries = _Tries(asked)
        try:
            response = await self._response(asked, position, item, tries)
        except (BackendError, Stopped) as error:
            asked.stopped = error  # the calls in flight still come to their end
            self._leave(asked, 1)
        else:
            asked.put((position, response))

    def _ended(self, asked: "_Asked[Item]", task: asyncio.Task[None]) -> None:
        asked.resting.discard(task)
        if task.cancelled():  # maybe before it had begun
            self._leave(asked, 1)

    async def _response(self, asked: "_Asked[Item]", position: int, item: Item, tries: "_Tries") -> Response:
        """The response. An answer that came is paid for, however badly it reads: so it is asked for once
        more, where the purse has enough for that, and not again."""
        response = await self._paid(asked, position, item, tries)
        retry = self._routes[-1].retry
        if tries.is_unread and response.status == "failed" and tries.count < retry.max_tries:
            await asyncio.sleep(retry.backoff)
            again = await self._paid(asked, position, item, tries)
            response = response if again.status == "skipped" else also_taken(again, usage_of(response))
        return response if response.status == "skipped" else tries.timed(response)

    async def _paid(self, asked: "_Asked[Item]", position: int, item: Item, tries: "_Tries") -> Response:
        """What comes of the item, whose cost is kept within the purse's budget."""
        if asked.purse is None:
            return await self._tried(item, tries)
        sizes = [route.size(item) for route in self._routes]
        held = await self._spending.reserve(asked.purse, position, sizes)
        if isinstance(held, Spent):
            return Response(status="skipped", error=held.why)
        response = None
        try:
            response = await self._tried(item, tries)
        finally:
            self._spending.settle(asked.purse, held, response)
        return response

    async def _tried(self, item: Item, tries: "_Tries") -> Response:
        """The response, which took what its tries did."""
        before = len(tries.paid)
        try:
            response = await self._first_answer(item, tries)
        except CallFailed as error:
            tries.failed(error)
            response = _without_answer(error)
        for paid in tries.paid[before:]:
            response = also_taken(response, paid.usage, counted=paid.counted)
        return response

    async def _first_answer(self, item: Item, tries: "_Tries") -> Response:
        """The answer of the first route that gives one."""
        *others, last = self._routes
        for route in others:
            try:
                return await self._over(route, item, tries, wait_while_away=False)
            except EndpointAway:
                continue
            except CallFailed as error:
                if error.failure.kind not in RETRIED:
                    raise
                tries.failed(error)
        return await self._over(last, item, tries, wait_while_away=True)

    async def _over(
        self, route: Route[Item], item: Item, tries: "_Tries", *, wait_while_away: bool
    ) -> Response:
        """The answer by one route, tried again as its policy says."""

        began = loop_time()
        ends = began + route.retry.total_timeout

        async def attempt() -> Response:
            return await self._attempt(route, item, tries, wait_while_away, ends)

        try:
            return await attempt()
        except CallFailed as error:
            return await route.retry.after(error, attempt, tries.failed, began)

    async def _attempt(
        self, route: Route[Item], item: Item, tries: "_Tries", wait_while_away: bool, ends: float
    ) -> Response:
        size = route.size(item)

        async def call() -> Response:
            tries.begin()
            with tries.asked.calling():
                return await route.call(item)

        response = await route.gate.through(
            call, tokens=self._spending.tokens(size), wait_while_away=wait_while_away, ends=ends
        )
        self._spending.learn(size, response)
        return response

    def _leave(self, asked: "_Asked[Item]", places: int) -> None:
        asked.places -= places
        asked.own.leave(places)
        self._window.leave(places)


@dataclass(slots=True)
class _Asked(Generic[Item]):
    """What was handed to `CallEngine.ask` in one piece. places: those it holds in its own window and in the
    engine's. resting: what makes no call just now: it waits for its turn, or to try again."""

    items: Sequence[Item]
    put: Callable[[Answer], None]
    purse: Purse | None
    own: Window
    sign: Sign
    order: int = field(default_factory=lambda: next(_orders))
    places: int = 0
    stopped: BackendError | Stopped | None = None
    asking: asyncio.Task[None] | None = None
    resting: set[asyncio.Task[None]] = field(default_factory=set)
    ends: float = math.inf

    @contextmanager
    def calling(self) -> Iterator[None]:
        """A block in which the current task makes a call."""
        task = asyncio.current_task()
        assert task is not None
        self.resting.discard(task)
        self.sign.in_flight += 1
        try:
            yield
        finally:
            self.sign.in_flight -= 1
            self.resting.add(task)

    def stop(self) -> None:
        """Make no more calls. Those in flight come to their end; where the sign hurries they are ended when
        their time is over: by then, often, most have come. To be called again and again."""
        now = loop_time()
        self.stopped = self.stopped or Stopped()
        for task in list(self.resting):
            task.cancel()
        if self.sign.hurries():
            self.ends = min(self.ends, now + _GRACE)
        if now >= self.ends and self.asking is not None:
            self.asking.cancel()


@dataclass(slots=True)
class _Tries:
    """What one item of those asked went through, and when its turn came: by the clock, and by the one that
    never jumps."""

    asked: _Asked[Any]
    enqueued: float = field(default_factory=time.time)
    began: float = field(default_factory=loop_time)
    count: int = 0
    failures: list[str] = field(default_factory=list)
    paid: list[Paid] = field(default_factory=list)

    def begin(self) -> None:
        """One more try. Raises what has stopped the asking."""
        if self.asked.stopped is not None:
            raise self.asked.stopped
        self.count += 1

    def failed(self, error: CallFailed) -> None:
        self.failures.append(error.failure.kind)
        if error.failure.paid is not None:
            self.paid.append(error.failure.paid)

    @property
    def is_unread(self) -> bool:
        """Whether the last answer came and could not be read."""
        return self.failures[-1:] == ["malformed"]

    def timed(self, response: Response) -> Response:
        """The response with the times of its call counted from `enqueued`."""
        now = loop_time()
        call = response.call or Call(enqueued=0.0, started=now, finished=now)
        first = None if call.first_token is None else call.first_token - self.began
        relative = replace(
            call,
            enqueued=self.enqueued,
            started=call.started - self.began,
            first_token=first,
            finished=call.finished - self.began,
            attempts=self.count,
            failures=tuple(self.failures),
        )
        return replace(response, call=relative)


def _without_answer(error: CallFailed) -> Response:
    now, failure = loop_time(), error.failure
    call = Call(enqueued=0.0, started=now, finished=now, http_status=failure.status)
    if failure.paid is not None:
        call = replace(call, asked=failure.paid.asked, endpoint=failure.paid.endpoint)
    return Response(status="failed", error=failure.message, call=call)


def _available(answers: "SimpleQueue[Answer | None]") -> Iterator[Answer | None]:
    """The next answer, if one comes soon, and those that come shortly after it; None where there will be no
    more."""
    try:
        first = answers.get(timeout=LOOK_SECONDS)
    except Empty:
        return
    yield first
    if first is not None:
        time.sleep(_LINGER)
    while True:
        try:
            yield answers.get_nowait()
        except Empty:
            return
