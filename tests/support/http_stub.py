"""A small web server that says what a test wants, byte for byte, and keeps what it was asked."""

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, slots=True)
class Asked:
    """headers: by name, in whatever case."""

    path: str
    headers: Message
    body: bytes


@dataclass
class HttpStub:
    """status, headers, body: of each answer; raw: in place of all three, and the connection's end.

    first: statuses of the first answers. asked: what came, in order.
    """

    first: Sequence[int] = ()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    raw: bytes | None = None
    asked: list[Asked] = field(default_factory=list)
    url: str = ""

    @property
    def messages(self) -> list[Any]:
        """What was posted as JSON, however it was answered."""
        return [json.loads(asked.body) for asked in self.asked]

    def posted(self, path: str) -> list[bytes]:
        """What was posted to a path."""
        return [asked.body for asked in self.asked if asked.path == path]

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("content-length") or 0))
        self.asked.append(Asked(handler.path, handler.headers, body))
        if self.raw is not None:
            handler.wfile.write(self.raw)
            handler.close_connection = True
            return
        status, *self.first = (*self.first, self.status)
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(self.body)), **self.headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(self.body)


@contextmanager
def http_stub(*first: int, status: int = 200) -> Iterator[HttpStub]:
    """On a free port of this machine, for as long as the block."""
    stub = HttpStub(first, status)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            stub.handle(self)

        do_GET = do_POST  # noqa: N815 - the names are http.server's

        def log_message(self, format: str, *args: Any) -> None:
            """Not on the terminal."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client may go away."""

    server = Server(("127.0.0.1", 0), Handler)
    stub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
