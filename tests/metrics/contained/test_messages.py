"""Of what a process in a sandbox says, only what its work may say is taken, as plain values."""

import json
import pickle

import pytest

from metrics.contained.messages import At, Failure, Message, Reader, Result, Said, UnreadableError


def read(*pieces: bytes, most: int = 10_000, documents: int = 1) -> list[Message]:
    reader = Reader(most, documents)
    return [message for piece in pieces for message in reader.feed(piece)]


def line(**content: object) -> bytes:
    return json.dumps(content).encode() + b"\n"


def test_messages_are_read_however_they_come_in_pieces() -> None:
    said = line(at=["t: ", " (in f)", 3]) + line(logged="odd") + line(gave={"a": [1, None]})
    expected = [At("t: ", " (in f)", 3), Said("odd"), Result({"a": [1, None]})]
    assert read(said) == expected
    assert read(*(said[at : at + 1] for at in range(len(said)))) == expected


@pytest.mark.parametrize(
    "said",
    [
        pickle.dumps(Result(1)) + b"\n",
        b"\xff\xfe\n",
        b"[" * 100_000 + b"\n",
        b'{"gave": ' + b"9" * 5000 + b"}\n",
        line(),
        line(at=["t", "f", "3"]),
        line(at=["t", "f"]),
        line(logged=3),
        line(raised=["TaskError"]),
        b"3\n",
    ],
)
def test_anything_else_is_refused(said: bytes) -> None:
    with pytest.raises(UnreadableError, match=r"^says what is no (JSON|message)$"):
        read(said, most=200_000)


def test_no_more_is_read_than_work_can_give() -> None:
    with pytest.raises(UnreadableError, match=r"^says more than its work can give$"):
        read(b'{"gave": "' + b"x" * 10_000)


def test_work_does_not_turn_to_something_else_for_ever() -> None:
    turn = line(at=["t", "f", 0])
    with pytest.raises(UnreadableError, match=r"^turns to something else more often than its work can$"):
        read(turn * 100_000, most=10**9)


def test_only_some_lines_are_logged() -> None:
    said = read(*[line(logged="x")] * 100, line(gave=1))
    assert said[-1] == Result(1)
    assert 0 < len(said) < 50


def test_texts_are_shown_harmless_and_not_too_long() -> None:
    (logged, raised) = read(line(logged="\x1b]0;owned\x07\u202eevil\n"), line(raised="y" * 9000))
    assert isinstance(logged, Said)
    assert logged.text.isprintable()
    assert "owned" in logged.text
    assert isinstance(raised, Failure)
    assert len(raised.text) < 3000
