"""An endpoint whose answers are odd, each task's in its own way: what it says is chosen by the question.

Of a question `<case> <number>?` the case names what comes back, and the number is the right answer. The same
answers come whole, streamed, and in batches; what Anthropic's dialect says has cases of its own.
"""

import json
import re
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_QUESTION = re.compile(r"(\w+) (\d+)\?")
_PIECE = 3  # characters of a streamed text

# What is said to a number, and to the body of the question.
Case = Callable[[str, Mapping[str, Any]], Any]
# The lines of a batch's answers, as they are to be.
Quirk = Callable[[list[dict[str, Any]]], bytes]


@dataclass(frozen=True, slots=True)
class Raw:
    """An answer that is no JSON object as it should be."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class OddEndpoint:
    """cases: by name. quirks: of batches, by the first part of the address. headers: of every answer.

    models: what is at `/models`; None hangs. asked: the calls, by case. bodies: all that was posted.
    """

    cases: Mapping[str, Case] = field(default_factory=dict)
    quirks: Mapping[str, Quirk] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    models: Raw | None = field(default_factory=lambda: Raw(b'{"data": []}'))
    asked: Counter[str] = field(default_factory=Counter)
    bodies: list[Mapping[str, Any]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    files: dict[str, bytes] = field(default_factory=dict)
    batches: dict[str, dict[str, Any]] = field(default_factory=dict)
    url: str = ""

    def said(self, body: Mapping[str, Any]) -> Any:
        """What a question is answered with."""
        text = body["messages"][-1]["content"] if "messages" in body else str(body.get("prompt"))
        case, number = _QUESTION.findall(text)[-1]
        self.asked[case] += 1
        return self.cases[case](number, body)

    def post(self, path: str, content_type: str, content: bytes) -> Any:
        quirk, rest = _parted(path)
        if rest == "files":
            name = f"file-{uuid.uuid4().hex[:8]}"
            self.files[name] = _uploaded(content_type, content)
            return {"id": name}
        body = json.loads(content)
        self.bodies.append(body)
        if rest == "batches":
            return self._batch(quirk, body)
        answer = self.said(body)
        if not body.get("stream") or isinstance(answer, Raw):
            return answer
        return events(answer)

    def get(self, path: str) -> Any:
        kind, _, name = _parted(path)[1].partition("?")[0].partition("/")
        if kind == "batches":
            return self.batches[name] if name else {"data": [], "has_more": False}
        if kind == "files":
            return Raw(self.files[name.removesuffix("/content")])
        if self.models is None:
            self.released.wait(60)
        return self.models or {}

    def _batch(self, quirk: str, body: Mapping[str, Any]) -> Any:
        lines = [json.loads(line) for line in self.files[body["input_file_id"]].splitlines()]
        answered = [
            {
                "custom_id": line["custom_id"],
                "response": {"status_code": 200, "body": self.said(line["body"])},
                "error": None,
            }
            for line in lines
        ]
        name, output = f"batch_{len(self.batches)}", f"file-{uuid.uuid4().hex[:8]}"
        self.files[output] = self.quirks.get(quirk, as_lines)(answered)
        self.batches[name] = {
            "id": name,
            "status": "completed",
            "created_at": 0,
            "metadata": body["metadata"],
            "output_file_id": output,
            "error_file_id": None,
        }
        return self.batches[name]


def _parted(path: str) -> tuple[str, str]:
    """What stands before the version in an address, and after it."""
    before, _, after = path.partition("/v1/")
    return before.strip("/"), after


def as_lines(lines: Sequence[Mapping[str, Any]]) -> bytes:
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def message(content: Any, finish: Any = "stop", *, usage: Any = ..., **keys: Any) -> dict[str, Any]:
    """An answer of OpenAI's chat. keys: more of its message; those of the choice begin with `choice_`."""
    choice = {name.removeprefix("choice_"): own for name, own in keys.items() if name.startswith("choice_")}
    own = {name: value for name, value in keys.items() if not name.startswith("choice_")}
    counted = {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25} if usage is ... else usage
    return {
        "model": "odd",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": content, **own}, "finish_reason": finish}
            | choice
        ],
        **({} if counted is None else {"usage": counted}),
    }


def events(answer: Mapping[str, Any]) -> Raw:
    """The same answer streamed: its texts in pieces, its choices by turns, and how it ended last."""
    stream: list[Any] = []
    for choice in answer["choices"]:
        deltas = [
            {name: piece} for name, value in choice["message"].items() for piece in _pieces(name, value)
        ]
        others = {name: own for name, own in choice.items() if name not in ("message", "finish_reason")}
        for delta in deltas:
            stream.append({"choices": [{"index": choice["index"], "delta": delta, "finish_reason": None}]})
        stream.append({"choices": [{**others, "delta": {}, "finish_reason": choice.get("finish_reason")}]})
    stream.append({"choices": [], "usage": answer.get("usage")})
    said = [json.dumps({"model": "odd", **event}) for event in stream]
    body = "".join(f"data: {one}\n\n" for one in [*said, "[DONE]"]).encode()
    return Raw(body, headers={"Content-Type": "text/event-stream"})


def _pieces(name: str, value: Any) -> Iterator[Any]:
    if name == "role" or not isinstance(value, str):
        yield value
        return
    yield from (value[start : start + _PIECE] for start in range(0, len(value) or 1, _PIECE))


def _uploaded(content_type: str, content: bytes) -> bytes:
    form = BytesParser().parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + content)
    for part in form.get_payload():
        if part.get_param("name", header="content-disposition") == "file":  # type: ignore[union-attr]
            return bytes(part.get_payload(decode=True))  # type: ignore[union-attr]
    raise ValueError("no file")


@contextmanager
def odd_endpoint(**how: Any) -> Iterator[OddEndpoint]:
    """On a free port of this machine, for as long as the block."""
    odd = OddEndpoint(**how)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers.get("content-length") or 0))
            self._answer(odd.post(self.path, self.headers["content-type"], content))

        def do_GET(self) -> None:
            self._answer(odd.get(self.path))

        def _answer(self, answer: Any) -> None:
            raw = answer if isinstance(answer, Raw) else Raw(json.dumps(answer).encode())
            self.send_response(raw.status)
            own = {"Content-Type": "application/json", "Content-Length": str(len(raw.body))}
            for name, value in {**own, **odd.headers, **raw.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(raw.body)

        def log_message(self, format: str, *args: Any) -> None:
            """Not on the terminal."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client may go away."""

    server = Server(("127.0.0.1", 0), Handler)
    odd.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield odd
    finally:
        odd.released.set()
        server.shutdown()
        server.server_close()
