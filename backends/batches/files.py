"""What goes into a batch's file and what comes out of one. Source: OpenAI's reference of the Batch API."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from backends.endpoints.question import Content, Malformed, text_at

# OpenAI's limits of one file.
MOST_LINES = 50_000
MOST_BYTES = 200_000_000
# Paths in a file begin with this, wherever the endpoint is.
VERSION = "/v1"


@dataclass(frozen=True, slots=True)
class Line:
    """One request's line of an output or error file.

    name: its `custom_id`. status: of HTTP; 0 where the request was not put to the model. body: the answer's.
    error: why it was not put to the model.
    """

    name: str
    status: int
    body: Content
    error: str


def line_of(name: str, path: str, body: Mapping[str, Any]) -> bytes:
    """A request as a line of an input file."""
    line = {"custom_id": name, "method": "POST", "url": VERSION + path, "body": body}
    return json.dumps(line).encode() + b"\n"


def parts(
    lines: Iterable[tuple[str, bytes]], most_lines: int = MOST_LINES, most_bytes: int = MOST_BYTES
) -> Iterator[dict[str, bytes]]:
    """Lines by name, in as many files as it takes; a line longer than a file is one of its own."""
    part: dict[str, bytes] = {}
    size = 0
    for name, line in lines:
        if part and (len(part) == most_lines or size + len(line) > most_bytes):
            yield part
            part, size = {}, 0
        part[name] = line
        size += len(line)
    if part:
        yield part


def lines_in(file: bytes) -> Iterator[Line]:
    """The lines of an output or error file. Raises Malformed."""
    for text in file.splitlines():
        content = _object(text)
        response, error = content.get("response") or {}, content.get("error") or {}
        yield Line(
            name=text_at(content, "custom_id"),
            status=int(response.get("status_code") or 0),
            body=response.get("body") or {},
            error=str(error.get("message") or error.get("code") or ""),
        )


def _object(text: bytes) -> Content:
    try:
        content = json.loads(text)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise Malformed(f"a line of a batch's file is no JSON object: {text[:200]!r}")
    return content
