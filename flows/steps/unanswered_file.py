"""What became of requests without an answer: a JSON file, by the keys of the answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import TypeAdapter

from backends.requests import Call, Response, Status
from flows.storage.files import write_text


@dataclass(frozen=True, slots=True)
class Unanswered:
    """As much of a response as says why it is no answer, and what it took all the same."""

    status: Status
    error: str | None
    attempts: int
    failures: tuple[str, ...]
    http_status: int
    asked: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    counted: bool = True

    @classmethod
    def of(cls, response: Response) -> Self:
        call = response.call or Call(enqueued=0.0, attempts=0)
        return cls(
            response.status,
            response.error,
            call.attempts,
            call.failures,
            call.http_status,
            call.asked,
            response.tokens_in,
            response.tokens_out,
            call.tokens_cached,
            call.counted,
        )

    @property
    def response(self) -> Response:
        call = Call(
            enqueued=0.0,
            tokens_cached=self.tokens_cached,
            counted=self.counted,
            attempts=self.attempts,
            failures=self.failures,
            asked=self.asked,
            http_status=self.http_status,
        )
        return Response(
            status=self.status,
            tokens_in=self.tokens_in,
            tokens_out=self.tokens_out,
            error=self.error,
            call=call if self.attempts else None,
        )


_FILE = TypeAdapter(dict[str, Unanswered])


def write_unanswered(path: Path, responses: Mapping[str, Response]) -> None:
    """Write them; the file is whole or not there."""
    content = {key: Unanswered.of(response) for key, response in responses.items()}
    write_text(path, _FILE.dump_json(content).decode())


def read_unanswered(path: Path) -> dict[str, Response]:
    """The responses that were written."""
    return {key: one.response for key, one in _FILE.validate_json(path.read_bytes()).items()}
