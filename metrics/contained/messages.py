"""What a process in a sandbox says, read by who trusts it in nothing: plain values, no more of them than its
work needs, and texts that are harmless wherever they are shown."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from metrics.shown_text import in_one_line

# Lines that are logged of what one process says.
_LOGGED = 20
_TEXT = 2000  # characters
# So often a process may turn to something else, and so often more for each document.
_TURNS, _TURNS_OF_DOCUMENT = 1000, 100


class UnreadableError(Exception):
    """What was said is nothing that a process at its work says; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class At:
    """What it works on from now on, as a `Mark` says it."""

    before: str
    after: str
    document: int | None


@dataclass(frozen=True, slots=True)
class Said:
    """A line for the log."""

    text: str


@dataclass(frozen=True, slots=True)
class Result:
    """What its work gave, as JSON has it."""

    value: Any


@dataclass(frozen=True, slots=True)
class Failure:
    """What its work raised, in words."""

    text: str


Message = At | Said | Result | Failure


class Reader:
    """Makes messages of what comes. most: bytes in all. documents: how many it works on."""

    def __init__(self, most: int, documents: int) -> None:
        self._bytes_left = most
        self._turns_left = _TURNS + _TURNS_OF_DOCUMENT * documents
        self._logged = 0
        self._begun: list[bytes] = []

    def feed(self, piece: bytes) -> Iterator[Message]:
        """The messages that are whole with this piece. Raises UnreadableError."""
        self._bytes_left -= len(piece)
        if self._bytes_left < 0:
            raise UnreadableError("says more than its work can give")
        *whole, rest = piece.split(b"\n")
        if whole:
            whole[0] = b"".join((*self._begun, whole[0]))
            self._begun.clear()
        self._begun.append(rest)
        for line in whole:
            message = _message(line)
            if self._is_wanted(message):
                yield message

    def _is_wanted(self, message: Message) -> bool:
        match message:
            case At():
                self._turns_left -= 1
                if self._turns_left < 0:
                    raise UnreadableError("turns to something else more often than its work can")
            case Said():
                self._logged += 1
                return self._logged <= _LOGGED
        return True


def harmless(text: str) -> str:
    """A text in one line, without what a terminal would do something about, and not too long."""
    shown = in_one_line(text[: _TEXT + 1])
    return shown if len(shown) <= _TEXT else f"{shown[:_TEXT]}..."


def _message(line: bytes) -> Message:
    try:
        content = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UnreadableError("says what is no JSON") from error
    match content:
        case {"at": [str(before), str(after), int() | None as document]}:
            return At(harmless(before), harmless(after), document)
        case {"logged": str(text)}:
            return Said(harmless(text))
        case {"gave": value}:
            return Result(value)
        case {"raised": str(text)}:
            return Failure(harmless(text))
    raise UnreadableError("says what is no message")
