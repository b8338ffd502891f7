"""What a dialect is to the stand-in server: how a body becomes questions, and generations a body."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tests.support.endpoints.answers import content_text
from tests.support.endpoints.behaviour import Behaviour
from tests.support.endpoints.generation import Asked, Generation, Problem
from tests.support.endpoints.http1 import HttpRequest

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer in events. opening: sent with the head; tokens: an event each; closing: how it ends."""

    opening: bytes
    tokens: Sequence[bytes]
    closing: bytes


class Dialect(Protocol):
    """One kind of call of one kind of server. Whatever is wrong with a body is raised as Problem."""

    def key(self, request: HttpRequest) -> str:
        """The API key that came with it, or "" where none did."""

    def asked(self, request: HttpRequest, body: Body, behaviour: Behaviour) -> list[Asked]:
        """The prompts of a call."""

    def answer(self, body: Body, said: Sequence[Generation], behaviour: Behaviour) -> Body | list[Body]:
        """The body of an answer; a list where a dialect answers several prompts so."""

    def stream(self, body: Body, said: Sequence[Generation], behaviour: Behaviour) -> Stream:
        """The same in events."""

    def error(self, problem: Problem) -> tuple[int, Body]:
        """The status and body of an error."""


def bearer_key(request: HttpRequest) -> str:
    """The key of an `Authorization: Bearer` header."""
    return request.headers.get("authorization", "").removeprefix("Bearer ")


def required(body: Body, name: str) -> Any:
    """A field that a call must have. Raises Problem."""
    if body.get(name) is None:
        raise Problem("bad_request", f"Missing required parameter: '{name}'.")
    return body[name]


def check_model(model: str, behaviour: Behaviour) -> None:
    """Raises Problem for a model that the server has not."""
    if behaviour.models is not None and model not in behaviour.models:
        raise Problem("no_model", f"The model `{model}` does not exist or you do not have access to it.")


def sequences(value: str | Sequence[str] | None) -> tuple[str, ...]:
    """Stop sequences, given as one, several or none."""
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


def last_user_text(messages: Sequence[Mapping[str, Any]]) -> str:
    """What the last user message says."""
    said = [message["content"] for message in messages if message["role"] == "user"]
    return content_text(said[-1]) if said else ""
