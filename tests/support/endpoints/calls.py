"""Answers as they go over the wire: `Reply` is bytes with pauses, `Call` sends one."""

import asyncio
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tests.support.endpoints.arrivals import Arrival, Arrivals
from tests.support.endpoints.behaviour import Behaviour
from tests.support.endpoints.dialect import Stream
from tests.support.endpoints.http1 import LAST_CHUNK, Connection, chunk, message, stream_head

Piece = tuple[float, bytes]


@dataclass(frozen=True, slots=True)
class Reply:
    """pieces: seconds to wait, then bytes to send; one or more. closes: the connection closes after them."""

    pieces: tuple[Piece, ...]
    closes: bool = False


def whole_reply(body: bytes, seconds: float, cut: bool) -> Reply:
    """An answer at once. cut: only half of what its content-length says."""
    sent = body[: len(body) // 2] if cut else body
    return Reply(((seconds, message(200, sent, length=len(body))),), closes=cut)


def stream_reply(stream: Stream, seconds: float, behaviour: Behaviour, cut: bool) -> Reply:
    """An answer in events. cut: half of its tokens, then an end as if it were the right one."""
    tokens = stream.tokens[: len(stream.tokens) // 2] if cut else stream.tokens
    pieces = [(seconds, stream_head(200) + (chunk(stream.opening) if stream.opening else b""))]
    pause = behaviour.first_token
    for token in tokens:
        pieces.append((pause, chunk(token)))
        pause = behaviour.latency_per_token
    pieces.append((0.0, LAST_CHUNK if cut else chunk(stream.closing) + LAST_CHUNK))
    return Reply(tuple(_joined(pieces)))


class Call:
    """One call, from its arrival until it is answered, dropped, or given up by the client."""

    def __init__(self, connection: Connection, arrivals: Arrivals, arrival: Arrival) -> None:
        self._connection = connection
        self._arrivals = arrivals
        self._arrival = arrival
        self._timer: asyncio.TimerHandle | None = None

    def send(self, reply: Reply, outcome: str) -> None:
        """Send a reply, which is the call's outcome once its last piece is sent."""
        self._connection.on_lost = lambda: self._lost("abandoned")
        self._go_on(reply, outcome, 0)

    def hang(self, outcome: str) -> None:
        """Never answer; the call is over when the client goes away."""
        self._connection.on_lost = lambda: self._lost(outcome)

    def drop(self, outcome: str) -> None:
        """Close the connection without an answer."""
        self._arrivals.leave(self._arrival, outcome)
        self._connection.close()

    def _go_on(self, reply: Reply, outcome: str, index: int) -> None:
        for at in range(index, len(reply.pieces)):
            seconds, _ = reply.pieces[at]
            if at == 0:  # counted from when the call came, not from when it was understood
                seconds -= time.time() - self._arrival.arrived
            if seconds > 0:
                self._timer = asyncio.get_running_loop().call_later(seconds, self._resume, reply, outcome, at)
                return
            self._write(reply, outcome, at)

    def _resume(self, reply: Reply, outcome: str, index: int) -> None:
        self._write(reply, outcome, index)
        self._go_on(reply, outcome, index + 1)

    def _write(self, reply: Reply, outcome: str, index: int) -> None:
        now = time.time()
        if index == 0:
            self._arrival.first_byte = now
        self._arrival.last_byte = now
        is_last = index == len(reply.pieces) - 1
        if is_last:
            # Before it is sent: whoever has an answer finds it in the log.
            self._arrivals.leave(self._arrival, outcome)
        self._connection.write(reply.pieces[index][1])
        if is_last and reply.closes:
            self._connection.close()
        elif is_last:
            self._connection.done()

    def _lost(self, outcome: str) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._arrivals.leave(self._arrival, outcome)


def _joined(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """The same, what needs no pause in one piece with what comes before it."""
    pause, parts = 0.0, list[bytes]()
    for seconds, data in pieces:
        if seconds > 0 and parts:
            yield pause, b"".join(parts)
            parts = []
        if not parts:
            pause = seconds
        parts.append(data)
    yield pause, b"".join(parts)
