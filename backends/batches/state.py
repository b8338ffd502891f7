"""Where a batch is, as the endpoint shows it."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backends.batches.files import Line
from backends.calls.failure import FailureKind
from backends.endpoints.question import Content, is_number, text_at
from backends.endpoints.usage_reading import number

MARKER = "assay"  # the key of a batch's metadata that has our name of it
# What becomes of requests without an answer, by the last states of a batch: whether they may yet be answered.
_UNANSWERED: Mapping[str, FailureKind] = {
    "completed": "transient",
    "expired": "transient",
    "cancelled": "permanent",
    "failed": "permanent",
}
# Other spellings of the same.
_STATUSES = {"canceled": "cancelled", "canceling": "cancelling"}
# The account has too much in its batches: one that is handed in later is taken.
_FULL = "token_limit_exceeded"


@dataclass(frozen=True, slots=True)
class State:
    """A batch.

    created: in seconds since 1970; infinity where that is not said. answers, failures: the names of the files
    that have lines with answers, and lines that failed. answered, failed: how many lines there are of each;
    None where that is not said. errors: why it failed, as pairs of a code and a message.
    """

    batch: str
    status: str
    created: float
    marker: str | None
    answers: tuple[str, ...]
    failures: tuple[str, ...]
    answered: int | None
    failed: int | None
    errors: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, content: Content) -> "State":
        """The state that an answer shows. Raises Malformed."""
        created, counts = content.get("created_at"), _record(content.get("request_counts"))
        return cls(
            batch=text_at(content, "id"),
            status=_STATUSES.get(status := text_at(content, "status"), status),
            created=math.inf if created is None or not is_number(created) else float(created),
            marker=_record(content.get("metadata")).get(MARKER),
            answers=_names(content.get("output_file_id")),
            failures=_names(content.get("error_file_id")),
            answered=number(counts.get("completed")),
            failed=number(counts.get("failed")),
            errors=tuple(map(_error, _errors(content.get("errors")))),
        )

    @property
    def files(self) -> tuple[str, ...]:
        """All its files."""
        return self.answers + self.failures

    @property
    def has_ended(self) -> bool:
        return self.status in _UNANSWERED

    @property
    def lacks_answers(self) -> bool:
        """Whether it has ended, and its file of answers is yet to be named."""
        if self.answers or self.status not in ("completed", "expired", "cancelled"):
            return False
        return bool(self.answered) or (self.status == "completed" and not self.files)

    @property
    def lacks_failures(self) -> bool:
        """Whether it has ended, and its file of lines that failed is yet to be named."""
        return self.has_ended and bool(self.failed) and not self.failures

    def is_whole(self, lines: Collection[Line]) -> bool:
        """Whether these can be all the lines of its files: none is broken, none that was counted missing."""
        if any(line.broken for line in lines):
            return False
        return self.answered is None or sum(line.is_answer for line in lines) >= self.answered

    @property
    def was_too_much(self) -> bool:
        """Whether it was not taken because of the batches that there are already."""
        return self.status == "failed" and {code for code, _ in self.errors} == {_FULL}

    @property
    def unanswered(self) -> FailureKind:
        """The kind of failure of a request that has no answer, when the batch has ended."""
        return _UNANSWERED[self.status]

    def __str__(self) -> str:
        """In one line: what became of it."""
        return f"batch {self.batch} {self.status}" + _why([message for _, message in self.errors])


def _names(value: object) -> tuple[str, ...]:
    """The files of a kind: one, several, or none."""
    values = value if isinstance(value, list) else [value]
    return tuple(name for name in values if name and isinstance(name, str))


def _record(value: object) -> Content:
    return value if isinstance(value, dict) else {}


def _errors(value: object) -> Sequence[Any]:
    """Those of a batch: in a list, below `data`, or as a text."""
    found = value.get("data") if isinstance(value, dict) else value
    return found if isinstance(found, list) else [found] if found else []


def _error(content: Any) -> tuple[str, str]:
    if not isinstance(content, dict):
        return "", " ".join(str(content).split())
    where = "" if content.get("line") is None else f"line {content['line']}: "
    message = " ".join(str(content.get("message") or content.get("code") or "no reason given").split())
    return str(content.get("code") or ""), where + message


def _why(messages: Sequence[Any]) -> str:
    more = f" (and {len(messages) - 1} more)" if len(messages) > 1 else ""
    return f": {messages[0]}{more}" if messages else ""
