"""What goes into a batch's file and what comes out of one. Source: OpenAI's reference of the Batch API."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from backends.endpoints.question import Content
from backends.endpoints.usage_reading import number

# OpenAI's limits of one file.
MOST_LINES = 50_000
MOST_BYTES = 200_000_000
# Paths in a file begin with this, wherever the endpoint is.
VERSION = "/v1"
GOOD = 200
# The name in a line that is no JSON.
_NAME = re.compile(r'"custom_id"\s*:\s*"([^"\\]+)"')


@dataclass(frozen=True, slots=True)
class Line:
    """One request's line of an output or error file.

    name: its `custom_id`; empty where it cannot be read. status: of HTTP; 0 where the request was not put to
    the model. body: the answer's. error: why there is none. broken: the line itself, where it is none.
    """

    name: str
    status: int = 0
    body: Content | None = None
    error: str = ""
    broken: str = ""

    @property
    def is_answer(self) -> bool:
        return self.status == GOOD and not self.error


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
    """The lines of an output or error file, those that cannot be read too; blank ones are none."""
    return (_line(text) for text in file.splitlines() if text.strip())


def by_name(lines: Iterable[Line]) -> dict[str, Line]:
    """One line for each name: the first answer where there is one, else the first line."""
    found: dict[str, Line] = {}
    for line in lines:
        kept = found.get(line.name)
        if kept is None or (line.is_answer and not kept.is_answer):
            found[line.name] = line
    return found


def _line(text: bytes) -> Line:
    said = text.decode("utf-8-sig", "replace")
    try:
        content = json.loads(said)
    except (ValueError, RecursionError):
        content = None
    name = content.get("custom_id") if isinstance(content, dict) else None
    if not isinstance(content, dict) or not isinstance(name, str):
        known = _NAME.search(said)
        return Line(known[1] if known else "", broken=said)
    told, response = _told(content.get("error")), content.get("response")
    if not isinstance(response, dict):
        return Line(name, error=told or _told(response))
    body = response.get("body")
    status = number(response.get("status_code"))
    if status is None:
        status = GOOD if isinstance(body, dict) else 0
    return Line(name, status, body if isinstance(body, dict) else None, told or _unreadable(body))


def _told(error: object) -> str:
    """Why there is no answer, as an object or a text says it."""
    if isinstance(error, Mapping):
        error = error.get("message") or error.get("code") or (json.dumps(error) if error else "")
    return "" if error is None else str(error)


def _unreadable(body: object) -> str:
    return "" if body is None or isinstance(body, Mapping) else f"the answer is no object: {str(body)[:200]}"
