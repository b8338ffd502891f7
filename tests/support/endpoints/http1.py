"""HTTP/1.1 as far as the stand-in server needs it: keep-alive, bodies of a known length, chunked answers."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests"}
LAST_CHUNK = b"0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request as it came. headers: by lower-case name. query: what comes after `?`, undecoded."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class Unreadable(Exception):
    """What came is not HTTP that this server reads."""


class Service(Protocol):
    """Who answers what came on a connection."""

    def serve(self, request: HttpRequest, connection: "Connection") -> None:
        """Answer now or later, with `write` and at the end `done`; or `close` the connection."""


class Connection(asyncio.Protocol):
    """One connection of a client. Its requests are served one after another."""

    def __init__(self, service: Service, opened: set["Connection"]) -> None:
        """opened: the connections there are; this one is among them while it is open."""
        self._service = service
        self._opened = opened
        self._buffer = bytearray()
        self._head: tuple[str, str, str, dict[str, str]] | None = None
        self._length = 0
        self._busy = False
        self._transport: asyncio.Transport
        # What is to happen when the client goes away before it was answered.
        self.on_lost: Callable[[], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._opened.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._opened.discard(self)
        if self.on_lost is not None:
            on_lost, self.on_lost = self.on_lost, None
            on_lost()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._busy:
            self._serve_next()

    def write(self, data: bytes) -> None:
        """Send bytes of the answer."""
        self._transport.write(data)

    def done(self) -> None:
        """The answer is complete: go on with the next request."""
        self.on_lost = None
        self._busy = False
        if self._buffer:
            self._serve_next()

    def close(self) -> None:
        """Close the connection, as soon as what was written is sent."""
        self._transport.close()

    def _serve_next(self) -> None:
        try:
            request = self._taken()
        except (Unreadable, ValueError) as error:
            self.write(message(400, b'{"error": "' + str(error).encode() + b'"}'))
            self.close()
            return
        if request is not None:
            self._busy = True
            self._service.serve(request, self)

    def _taken(self) -> HttpRequest | None:
        """The next request, taken out of the buffer; None where it is not complete yet."""
        if self._head is None:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return None
            self._head = _parsed(self._buffer[:end].decode("latin-1"))
            self._length = int(self._head[3].get("content-length", 0))
            del self._buffer[: end + 4]
        if len(self._buffer) < self._length:
            return None
        body = bytes(self._buffer[: self._length])
        del self._buffer[: self._length]
        request = HttpRequest(*self._head, body)
        self._head = None
        return request


def message(
    status: int, body: bytes, headers: Mapping[str, str] | None = None, length: int | None = None
) -> bytes:
    """A whole answer of JSON. length: what the header says, where that is not the body's."""
    more = {"Content-Length": str(len(body) if length is None else length), **(headers or {})}
    return _head(status, "application/json", more) + body


def stream_head(status: int) -> bytes:
    """The head of an answer whose server-sent events come in chunks."""
    return _head(status, "text/event-stream", {"Transfer-Encoding": "chunked"})


def chunk(data: bytes) -> bytes:
    """A part of a chunked answer."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def _head(status: int, media_type: str, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Error')}", f"Content-Type: {media_type}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _parsed(head: str) -> tuple[str, str, str, dict[str, str]]:
    first, *lines = head.split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    if "transfer-encoding" in headers:
        raise Unreadable("a body needs a content-length")
    path, _, query = target.partition("?")
    return method, path, query, headers
