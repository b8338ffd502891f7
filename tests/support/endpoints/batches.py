"""Contract of OpenAI's batch API: files of requests that are answered together, later.

What state a batch is in is a function of the time since it was made; nothing runs in the background.
"""

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl

from tests.support.endpoints.answers import short_hash
from tests.support.endpoints.behaviour import Behaviour, draw
from tests.support.endpoints.dialect import Body
from tests.support.endpoints.generation import Problem

# The part of its time in which a batch is looked at, not worked on.
_VALIDATING = 0.1
# That which it takes to be cancelled.
_CANCELLING = 0.1

_PAGE, _LARGEST_PAGE = 20, 100

_PARAMETER = re.compile(r'(\w+)="([^"]*)"')

# A line's path and body, answered: status and body.
Answering = Callable[[str, Body], tuple[int, Body | list[Body]]]


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch, and what its lines will be answered with.

    seconds, expires: after which it is completed, or expired where that is sooner. cancelled: when it was.
    problem: the code of an error for which it failed before a line was looked at.
    """

    number: int
    input_file: str
    endpoint: str
    metadata: Mapping[str, str] | None
    created: float
    seconds: float
    expires: float
    output: tuple[str, ...]
    errors: tuple[str, ...]
    expired: tuple[str, ...]
    cancelled: float | None = None
    problem: str | None = None

    def status(self, now: float) -> str:
        """One of OpenAI's words for where a batch is."""
        age = now - self.created
        if self.problem is not None:
            return "failed"
        if self.cancelled is not None:
            return "cancelling" if now < self.cancelled + _CANCELLING * self.seconds else "cancelled"
        if age >= min(self.seconds, self.expires):
            return "expired" if self.expires < self.seconds else "completed"
        return "validating" if age < _VALIDATING * self.seconds else "in_progress"

    def lines(self, kind: str, now: float) -> tuple[str, ...]:
        """The lines of its `output` or `error` file; half of the answers where it ended before its time."""
        status = self.status(now)
        if status not in ("completed", "expired", "cancelled"):
            return ()
        done = len(self.output) if status == "completed" else len(self.output) // 2
        if kind == "output":
            return self.output[:done]
        return self.errors + (self.expired[done:] if status == "expired" else ())

    def shown(self, now: float) -> Body:
        """The batch as the API shows it."""
        status = self.status(now)
        output, errors = self.lines("output", now), self.lines("error", now)
        ended = (
            {f"{status}_at": int(now)} if status in ("completed", "expired", "cancelled", "failed") else {}
        )
        return {
            "id": f"batch_{self.number}",
            "object": "batch",
            "endpoint": self.endpoint,
            "errors": None if self.problem is None else {"object": "list", "data": [_problem(self.problem)]},
            "input_file_id": self.input_file,
            "completion_window": "24h",
            "status": status,
            "output_file_id": f"file-output-{self.number}" if output else None,
            "error_file_id": f"file-error-{self.number}" if errors else None,
            "created_at": int(self.created),
            "expires_at": int(self.created + self.expires),
            "request_counts": {
                "total": len(self.output) + len(self.errors),
                "completed": len(output),
                "failed": len(errors),
            },
            "metadata": self.metadata,
            **ended,
        }


class Batches:
    """The files and batches there are."""

    def __init__(self) -> None:
        self._files: dict[str, bytes] = {}
        self._batches: list[Batch] = []

    def upload(self, content_type: str, body: bytes) -> Body:
        """POST /v1/files."""
        fields = form_fields(content_type, body)
        if fields.get("purpose") != ("", b"batch") or "file" not in fields:
            raise Problem("bad_request", "a file and the purpose 'batch' are needed")
        name, content = fields["file"]
        identity = f"file-{len(self._files)}"
        self._files[identity] = content
        return {
            "id": identity,
            "object": "file",
            "bytes": len(content),
            "created_at": int(time.time()),
            "filename": name,
            "purpose": "batch",
            "status": "processed",
        }

    def create(self, body: Body, behaviour: Behaviour, answer: Answering) -> Body:
        """POST /v1/batches."""
        content = self._files.get(body.get("input_file_id", ""))
        if content is None or body.get("completion_window") != "24h":
            raise Problem("bad_request", "an uploaded input_file_id and the completion_window 24h are needed")
        lines = [json.loads(line) for line in content.splitlines()]
        wrong = {line["url"] for line in lines} - {body.get("endpoint")}
        if wrong:
            raise Problem("bad_request", f"the batch's endpoint is not that of its lines: {wrong}")
        # In another order than they came, always the same.
        lines.sort(key=lambda line: draw(line["custom_id"]))
        taken = lines if behaviour.batch_problem is None else []
        results = [_result(line, *_answered(line, behaviour, answer)) for line in taken]
        good = [result for result in results if result["response"]["status_code"] == 200]
        batch = Batch(
            number=len(self._batches),
            input_file=body["input_file_id"],
            endpoint=body["endpoint"],
            metadata=body.get("metadata"),
            created=time.time(),
            seconds=behaviour.batch_seconds,
            expires=behaviour.batch_expires,
            output=tuple(json.dumps(result) for result in good),
            errors=tuple(json.dumps(result) for result in results if result not in good),
            expired=tuple(json.dumps(_expired(result)) for result in good),
            problem=behaviour.batch_problem,
        )
        self._batches.append(batch)
        return batch.shown(time.time())

    def page(self, query: str) -> Body:
        """GET /v1/batches, the newest first: `limit` of them, those `after` one."""
        asked = dict(parse_qsl(query))
        limit = int(asked.get("limit", _PAGE))
        if not 1 <= limit <= _LARGEST_PAGE:
            raise Problem("bad_request", f"the limit is 1 to {_LARGEST_PAGE}")
        end = self._batch(asked["after"]).number if "after" in asked else len(self._batches)
        shown = [batch.shown(time.time()) for batch in self._batches[max(0, end - limit) : end]]
        ends = {"first_id": shown[-1]["id"], "last_id": shown[0]["id"]} if shown else {}
        return {"object": "list", "data": shown[::-1], "has_more": end > limit, **ends}

    def show(self, identity: str) -> Body:
        """GET /v1/batches/ID."""
        return self._batch(identity).shown(time.time())

    def cancel(self, identity: str) -> Body:
        """POST /v1/batches/ID/cancel."""
        batch = self._batch(identity)
        if batch.status(time.time()) not in ("validating", "in_progress"):
            raise Problem("bad_request", f"Cannot cancel a batch with status '{batch.status(time.time())}'.")
        self._batches[batch.number] = replace(batch, cancelled=time.time())
        return self.show(identity)

    def content(self, identity: str) -> bytes:
        """GET /v1/files/ID/content."""
        if identity in self._files:
            return self._files[identity]
        _, kind, number = f"{identity}--".split("-")[:3]
        if kind not in ("output", "error"):
            raise Problem("no_path", f"No such File object: {identity}")
        lines = self._batch(f"batch_{number}").lines(kind, time.time())
        return "".join(f"{line}\n" for line in lines).encode()

    def _batch(self, identity: str) -> Batch:
        for batch in self._batches:
            if identity == f"batch_{batch.number}":
                return batch
        raise Problem("no_path", f"No batch found with id '{identity}'.")


def form_fields(content_type: str, body: bytes) -> dict[str, tuple[str, bytes]]:
    """The fields of a multipart form by name: each one's file name, or "", and its content."""
    _, _, boundary = content_type.partition("boundary=")
    fields = {}
    for part in body.split(b"--" + boundary.strip('"').encode())[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        names = dict(_PARAMETER.findall(head.decode()))
        fields[names["name"]] = (names.get("filename", ""), content.removesuffix(b"\r\n"))
    return fields


def _answered(line: Body, behaviour: Behaviour, answer: Answering) -> tuple[int, Body | list[Body]]:
    if draw(f"{behaviour.seed} batch {line['custom_id']}") < behaviour.batch_errors:
        said = {"message": "The server had an error.", "type": "server_error", "param": None, "code": None}
        return 500, {"error": said}
    return answer(line["url"], line["body"])


def _result(line: Body, status: int, body: Body | list[Body]) -> dict[str, Any]:
    name = short_hash(line["custom_id"].encode())
    response = {"status_code": status, "request_id": f"req_{name}", "body": body}
    return {"id": f"batch_req_{name}", "custom_id": line["custom_id"], "response": response, "error": None}


def _problem(code: str) -> Body:
    said = f"This batch cannot be\nprocessed: {code}."
    return {"code": code, "message": said, "param": None, "line": None}


def _expired(result: Body) -> Body:
    said = "This request could not be executed before the completion window expired."
    return {**result, "response": None, "error": {"code": "batch_expired", "message": said}}
