"""One side of the two: it asks the other, and does what it is asked."""

import builtins
import io
import operator
import os
import select
import struct
from collections.abc import Callable, Mapping
from typing import Any

from metrics.program_tests.exchanged_values import Receiver, Remote, Sender

_HEAD = struct.Struct("=I")
_MOST = 64 * 2**20  # bytes of one message
# What a call may change and its caller sees.
_CHANGEABLE = (list, dict, set, bytearray)

# What one side may have done with the objects of the other.
OF_TESTS: Mapping[str, Callable[..., Any]] = {
    "call": lambda of, *arguments, **options: of(*arguments, **options),
    "iter": iter,
    "next": next,
}
OF_PROGRAM: Mapping[str, Callable[..., Any]] = {
    **OF_TESTS,
    "get": getattr,
    "set": setattr,
    "item": operator.getitem,
    "len": len,
    "bool": bool,
    "str": str,
    "repr": repr,
    "equal": operator.eq,
}


class OutOfTurn(BaseException):
    """What came is none of what could."""


class Gone(BaseException):
    """The other side is no more."""


class Side:
    """reading, writing: descriptors to and from the other side. operations: what it may have done here.
    wait: called with a descriptor and an event of `select.poll`; returns when that is there."""

    def __init__(
        self,
        reading: int,
        writing: int,
        operations: Mapping[str, Callable[..., Any]],
        wait: Callable[[int, int], None],
    ) -> None:
        self._reading, self._writing, self._operations, self._wait = reading, writing, operations, wait
        self._kept: list[object] = []
        self._numbers: dict[int, int] = {}
        self._stand_ins: dict[int, Remote] = {}
        self._is_broken = False
        os.set_blocking(writing, False)

    @property
    def is_in_order(self) -> bool:
        """Whether nothing has come that nobody asked for."""
        return not self._is_broken and not select.select([self._reading], [], [], 0)[0]

    def ask(self, operation: str, target: Remote | None, *arguments: Any, **options: Any) -> Any:
        """What comes of an operation on the other side, or what it raises there."""
        try:
            return self._answer_to(operation, target, arguments, options)
        except (OutOfTurn, Gone):
            self._is_broken = True
            raise

    def _answer_to(
        self, operation: str, target: Remote | None, arguments: tuple[Any, ...], options: dict[str, Any]
    ) -> Any:
        if not self.is_in_order:
            raise OutOfTurn
        self._send(("ask", operation, target, arguments, options))
        while True:
            match self._receive():
                case ("ask", str(asked), object_, tuple(own), dict(named)):
                    self._answer(asked, object_, own, named)
                case ("gave", result, list(changed)):
                    _change(arguments, changed)
                    return result
                case ("raised", str(name), tuple(texts)):
                    raise _error(name, texts)
                case _:
                    raise OutOfTurn

    def serve(self) -> None:
        """Do what is asked, until nothing more is."""
        while True:
            match self._receive():
                case ("ask", str(operation), target, tuple(arguments), dict(options)):
                    self._answer(operation, target, arguments, options)
                case _:
                    raise OutOfTurn

    def _answer(
        self, operation: str, target: object, arguments: tuple[Any, ...], options: dict[str, Any]
    ) -> None:
        do = self._operations.get(operation)
        if do is None:
            raise OutOfTurn
        try:
            result = do(target, *arguments, **options)
        except (OutOfTurn, Gone):
            raise
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is for who asked
            self._send(("raised", *_described(error)))
            return
        changed = [(at, it) for at, it in enumerate(arguments) if type(it) in _CHANGEABLE]
        try:
            self._send(("gave", result, changed))
        except RecursionError as error:
            self._send(("raised", *_described(error)))

    def _keep(self, value: object) -> int:
        if id(value) not in self._numbers:
            self._numbers[id(value)] = len(self._kept)
            self._kept.append(value)
        return self._numbers[id(value)]

    def _stand_in(self, number: int) -> Remote:
        return self._stand_ins.setdefault(number, Remote(self, number))

    def _send(self, message: tuple[Any, ...]) -> None:
        file = io.BytesIO()
        Sender(file, self._keep).dump(message)
        content = file.getvalue()
        left = memoryview(_HEAD.pack(len(content)) + content)
        while left:
            self._wait(self._writing, select.POLLOUT)
            try:
                left = left[os.write(self._writing, left) :]
            except BlockingIOError:
                continue
            except BrokenPipeError as error:
                raise Gone from error

    def _receive(self) -> Any:
        (length,) = _HEAD.unpack(self._read(_HEAD.size))
        if length > _MOST:
            raise OutOfTurn
        content = self._read(length)
        try:
            return Receiver(content, self._stand_in, self._kept.__getitem__).load()
        except Exception as error:  # whatever it is that came, it is nothing that could
            raise OutOfTurn from error

    def _read(self, length: int) -> bytes:
        parts = bytearray()
        while len(parts) < length:
            self._wait(self._reading, select.POLLIN)
            piece = os.read(self._reading, min(length - len(parts), 2**20))
            if not piece:
                raise Gone
            parts += piece
        return bytes(parts)


def _described(error: BaseException) -> tuple[str, tuple[Any, ...]]:
    """The nearest class that every side has, and what it was made with."""
    own = type(error)
    known = next(base for base in own.__mro__ if getattr(builtins, base.__name__, None) is base)
    plain = all(type(one) in (int, float, str, bytes, bool, type(None)) for one in error.args)
    return known.__name__, error.args if known is own and plain else (said_by(error),)


def said_by(error: BaseException) -> str:
    """The text of an error of whatever class."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - the program's own exception class
        return type(error).__name__


def _error(name: str, texts: tuple[Any, ...]) -> BaseException:
    """The error of this side for one of the other."""
    found = getattr(builtins, name, None)
    if not (isinstance(found, type) and issubclass(found, BaseException)):
        raise OutOfTurn
    try:
        return found(*texts)
    except Exception:  # noqa: BLE001 - some classes want more than a text
        return Exception(*texts)


def _change(arguments: tuple[Any, ...], changed: list[Any]) -> None:
    """Have the arguments of a call as the other side has left them."""
    for at, left in changed:
        given = arguments[at]
        if type(given) is not type(left) or type(given) not in _CHANGEABLE:
            raise OutOfTurn
        if isinstance(given, (list, bytearray)):
            given[:] = left
        else:
            given.clear()
            given.update(left)
