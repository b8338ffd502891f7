"""Where a batch is, as the endpoint shows it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backends.calls.failure import FailureKind
from backends.endpoints.question import Content, at, numbers_at, text_at

MARKER = "assay"  # the key of a batch's metadata that has our name of it
# What becomes of requests without an answer, by the last states of a batch: whether they may yet be answered.
_UNANSWERED: Mapping[str, FailureKind] = {
    "completed": "transient",
    "expired": "transient",
    "cancelled": "permanent",
    "failed": "permanent",
}
# The account has too much in its batches: one that is handed in later is taken.
_FULL = "token_limit_exceeded"


@dataclass(frozen=True, slots=True)
class State:
    """A batch. created: in seconds since 1970. files: those with answers, and with lines that failed. errors:
    why it failed, as pairs of a code and a message."""

    batch: str
    status: str
    created: float
    marker: str | None
    files: tuple[str, ...]
    errors: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, content: Content) -> "State":
        """The state that an answer shows. Raises Malformed."""
        files = (content.get("output_file_id"), content.get("error_file_id"))
        return cls(
            batch=text_at(content, "id"),
            status=text_at(content, "status"),
            created=numbers_at({"created_at": [at(content, "created_at")]}, "created_at")[0] or 0.0,
            marker=(content.get("metadata") or {}).get(MARKER),
            files=tuple(file for file in files if file),
            errors=tuple(_error(one) for one in (content.get("errors") or {}).get("data") or []),
        )

    @property
    def has_ended(self) -> bool:
        return self.status in _UNANSWERED

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


def _error(content: Content) -> tuple[str, str]:
    where = "" if content.get("line") is None else f"line {content['line']}: "
    message = " ".join(str(content.get("message") or content.get("code") or "no reason given").split())
    return str(content.get("code") or ""), where + message


def _why(messages: Sequence[Any]) -> str:
    more = f" (and {len(messages) - 1} more)" if len(messages) > 1 else ""
    return f": {messages[0]}{more}" if messages else ""
