"""A server that says what a test wants, byte for byte."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class OddServer:
    """status, headers, body: of each answer; raw: in place of all three. asked: what came, in order."""

    def __init__(self) -> None:
        self.status = 200
        self.headers: Mapping[str, str] = {}
        self.body = b""
        self.raw: bytes | None = None
        self.asked: list[tuple[str, Mapping[str, str], bytes]] = []
        self.url = ""

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("content-length") or 0))
        self.asked.append((handler.path, dict(handler.headers.items()), body))
        if self.raw is not None:
            handler.wfile.write(self.raw)
            handler.close_connection = True
            return
        handler.send_response(self.status)
        for name, value in {"Content-Length": str(len(self.body)), **self.headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(self.body)


@contextmanager
def odd_server() -> Iterator[OddServer]:
    odd = OddServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            odd.handle(self)

        do_GET = do_POST  # noqa: N815 - the names are http.server's

        def log_message(self, format: str, *args: Any) -> None:
            """Not on the terminal."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client may go away."""

    server = Server(("127.0.0.1", 0), Handler)
    odd.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield odd
    finally:
        server.shutdown()
        server.server_close()
