"""A request as an endpoint is asked it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from backends.money.counts import Count
from backends.requests import Response

Content = dict[str, Any]
# Told what a user should hear of an endpoint; what is equal is said once.
Say = Callable[[str], None]


def unsaid(message: str) -> None:
    """Where nobody listens."""


class Malformed(ValueError):
    """An answer that is not what the endpoint's dialect promises; the message says what is wrong with it."""


class GaveUp(Malformed):
    """An answer that was not brought to its end. code: the endpoint's own, where it has one."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class NotOffered(ValueError):
    """An answer without what was asked for; it would be the same again. The message says what to do."""


class CutOff(Malformed):
    """A streamed answer that broke off before its end."""


class Read(Protocol):
    """An answer's content as a response, whose `call` says what the content says of it (model, cached
    tokens). Raises Malformed and NotOffered."""

    def __call__(self, content: Content, say: Say = unsaid) -> Response: ...


class Stream(Protocol):
    """Puts a streamed answer together from its events, in their order.

    body: the keys that ask for a stream.
    """

    body: Mapping[str, Any]

    def add(self, event: Content) -> bool:
        """Take the next event; whether it brings text of the answer. Raises Malformed."""
        ...

    def whole(self, *, has_ended: bool) -> Content:
        """What the same answer is when it is not streamed. Raises CutOff where its end is missing.

        has_ended: whether the stream itself said that this was all.
        """
        ...

    def so_far(self) -> Content:
        """As much of it as has come."""
        ...


@dataclass(frozen=True, slots=True)
class Question:
    """One call. path: below the endpoint's address. body: as JSON.

    taken: the tokens of an answer that cannot be read, from as much of it as came.
    stream: makes what puts a streamed answer together; None where the answer is not streamed.
    declined: the response where the endpoint refuses the prompt for what it says, from its message; None
        where that is a failure as any other.
    """

    path: str
    body: Mapping[str, Any]
    read: Read
    taken: Callable[[Content], Count]
    stream: Callable[[], Stream] | None = None
    declined: Callable[[str], Response] | None = None


def at(content: Any, *keys: str | int) -> Any:
    """The value at a path of keys and positions. Raises Malformed where there is none."""
    value = content
    for number, key in enumerate(keys):
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError) as error:
            path = ".".join(str(part) for part in keys[: number + 1])
            raise Malformed(f"the answer has no {path}") from error
    return value


def record_at(content: Any, *keys: str | int) -> Content:
    """The object at a path. Raises Malformed where there is none."""
    value = at(content, *keys)
    if not isinstance(value, dict):
        raise Malformed(f"the answer's {'.'.join(map(str, keys))} is {value!r}, not an object")
    return value


def text_at(content: Any, *keys: str | int) -> str:
    """The text at a path. Raises Malformed where there is none."""
    value = at(content, *keys)
    if not isinstance(value, str):
        raise Malformed(f"the answer's {'.'.join(map(str, keys))} is {value!r}, not a text")
    return value


def numbers_at(content: Any, *keys: str | int) -> Sequence[float | None]:
    """The numbers, or nulls, at a path. Raises Malformed where there are none."""
    values = at(content, *keys)
    if not isinstance(values, list) or not all(value is None or is_number(value) for value in values):
        raise Malformed(f"the answer's {'.'.join(map(str, keys))} is no list of numbers")
    return values


def is_number(value: object) -> bool:
    """Whether a JSON value is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)
