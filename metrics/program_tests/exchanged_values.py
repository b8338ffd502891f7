"""Values that cross between a program and its tests, which are in processes of their own.

Plain values cross as what they are; all else stays where it is, and the other side gets a stand-in for it
(`Remote`), which asks whoever has it. What is received can be anything: nothing of it is imported, and while
it is read nothing is called but what is named in `_MADE`.
"""

import importlib
import io
import pickle
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Mapping
from typing import Any, Protocol

# Kinds of elements of arrays that are plain numbers, texts and times.
_ELEMENTS = "biufcSUmM"


class Other(Protocol):
    """The other side, as a stand-in asks it."""

    def ask(self, operation: str, target: "Remote", *arguments: Any, **options: Any) -> Any: ...


class Remote:
    """A stand-in for an object of the other side.

    It equals only what the other side says is the same of two of its own objects; no arithmetic and no order
    is passed on, so that what tests compare with their own values is a plain value.
    """

    __slots__ = ("_number", "_other")
    _number: int
    _other: Other

    def __init__(self, other: Other, number: int) -> None:
        object.__setattr__(self, "_other", other)
        object.__setattr__(self, "_number", number)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self._other.ask("call", self, *arguments, **options)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name not in ("__name__", "__doc__"):
            raise AttributeError(name)
        return self._other.ask("get", self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._other.ask("set", self, name, value)

    def __getitem__(self, key: Any) -> Any:
        return self._other.ask("item", self, key)

    def __iter__(self) -> Any:
        return self._other.ask("iter", self)

    def __next__(self) -> Any:
        return self._other.ask("next", self)

    def __len__(self) -> int:
        return int(self._other.ask("len", self))

    def __bool__(self) -> bool:
        return self._other.ask("bool", self) is True

    def __str__(self) -> str:
        return str(self._other.ask("str", self))

    def __repr__(self) -> str:
        return str(self._other.ask("repr", self))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Remote):
            return NotImplemented
        return self is other or self._other.ask("equal", self, other) is True

    def __hash__(self) -> int:
        return object.__hash__(self)


class Sender(pickle.Pickler):
    """Writes values. keep: keeps an object on this side, and gives the number by which the other asks for
    it."""

    def __init__(self, file: io.BytesIO, keep: Callable[[object], int]) -> None:
        super().__init__(file, protocol=4)
        self._keep = keep

    def reducer_override(self, value: Any) -> Any:
        """How a value is made anew that is none of the plainest."""
        if value is make:
            return NotImplemented
        if type(value) is Remote:
            return make, ("own", value._number)
        return make, _parts(value) or ("object", self._keep(value))


class Receiver(pickle.Unpickler):
    """Reads values. stand_in: by its number, an object of the other side. own: by its number, one of this."""

    def __init__(
        self, content: bytes, stand_in: Callable[[int], Remote], own: Callable[[int], object]
    ) -> None:
        super().__init__(io.BytesIO(content))
        self._stand_in, self._own = stand_in, own

    def find_class(self, module: str, name: str) -> Any:
        if name != make.__name__:
            raise pickle.UnpicklingError(f"{module}.{name}")
        return self._made

    def _made(self, kind: str, *parts: Any) -> Any:
        match kind:
            case "object":
                return self._stand_in(*parts)
            case "own":
                return self._own(*parts)
            case _:
                return _MADE[kind](*parts)


def make(kind: str, *parts: Any) -> Any:
    """Stands in what is sent for what a receiver makes values with."""
    raise NotImplementedError


def _array_of_numpy(elements: str, shape: Any, content: bytes) -> Any:
    import numpy as np

    kind = np.dtype(elements)
    if kind.kind not in _ELEMENTS or kind.hasobject:
        raise pickle.UnpicklingError(f"an array of {elements}")
    return np.frombuffer(content, kind).reshape(shape).copy()[()]


def _of_library(module: str, name: str, *parts: Any) -> Any:
    if (module, name) not in _OF_LIBRARY:
        raise pickle.UnpicklingError(f"{module}.{name}")
    return getattr(importlib.import_module(module), name)(*parts)


# How values are made, by their kind, of plain parts.
_MADE: Mapping[str, Callable[..., Any]] = {
    "same": lambda of: of,
    "range": range,
    "slice": slice,
    "complex": complex,
    "bytearray": bytearray,
    "keys": lambda keys: dict.fromkeys(keys).keys(),
    "values": lambda values: dict(enumerate(values)).values(),
    "items": lambda items: dict(items).items(),
    "ellipsis": lambda: ...,
    "not implemented": lambda: NotImplemented,
    "deque": deque,
    "counter": Counter,
    "ordered": OrderedDict,
    "default": lambda of: defaultdict(None, of),
    "library": _of_library,
    "numpy": _array_of_numpy,
}

# The parts of values of exactly these types.
_EXACTLY: Mapping[type, Callable[[Any], tuple[Any, ...]]] = {
    range: lambda it: ("range", it.start, it.stop, it.step),
    slice: lambda it: ("slice", it.start, it.stop, it.step),
    complex: lambda it: ("complex", it.real, it.imag),
    bytearray: lambda it: ("bytearray", bytes(it)),
    type({}.keys()): lambda it: ("keys", list(it)),
    type({}.values()): lambda it: ("values", list(it)),
    type({}.items()): lambda it: ("items", list(it)),
    type(...): lambda it: ("ellipsis",),
    type(NotImplemented): lambda it: ("not implemented",),
    deque: lambda it: ("deque", list(it), it.maxlen),
    Counter: lambda it: ("counter", dict(it)),
    OrderedDict: lambda it: ("ordered", list(it.items())),
    defaultdict: lambda it: ("default", dict(it)),
}

# Those of classes whose modules are imported where one is needed: each program waits for what is imported.
_OF_LIBRARY: Mapping[tuple[str, str], Callable[[Any], tuple[Any, ...]]] = {
    ("array", "array"): lambda it: (it.typecode, list(it)),
    ("fractions", "Fraction"): lambda it: (it.numerator, it.denominator),
    ("decimal", "Decimal"): lambda it: (str(it),),
    ("datetime", "date"): lambda it: (it.year, it.month, it.day),
    ("datetime", "time"): lambda it: (it.hour, it.minute, it.second, it.microsecond),
    ("datetime", "datetime"): lambda it: (*it.timetuple()[:6], it.microsecond),
    ("datetime", "timedelta"): lambda it: (it.days, it.seconds, it.microseconds),
}

# Those of classes of a program's own cross as what they are made of: named tuples, enumerations of numbers.
_AS: Mapping[type, Callable[[Any], Any]] = {
    int: lambda it: int.__int__(it),
    float: lambda it: float.__float__(it),
    str: lambda it: str.__str__(it),
    bytes: lambda it: bytes.__getitem__(it, slice(None)),
    tuple: lambda it: tuple(tuple.__iter__(it)),
    list: lambda it: list(list.__iter__(it)),
    dict: lambda it: dict(dict.items(it)),
    frozenset: lambda it: frozenset(frozenset.__iter__(it)),
    set: lambda it: set(set.__iter__(it)),
}


def _parts(value: Any) -> tuple[Any, ...] | None:
    """The kind of a value and what it is made of; None where it stays on its side."""
    own = type(value)
    if own in _EXACTLY:
        return _EXACTLY[own](value)
    name = (own.__module__, own.__qualname__)
    if name in _OF_LIBRARY and getattr(value, "tzinfo", None) is None:
        return "library", *name, *_OF_LIBRARY[name](value)
    if issubclass(own, tuple(_AS)):
        base = next(base for base in own.__mro__ if base in _AS)
        return "same", _AS[base](value)
    return _parts_of_numpy(value)


def _parts_of_numpy(value: Any) -> tuple[Any, ...] | None:
    np = sys.modules.get("numpy")
    if np is None or not isinstance(value, (np.ndarray, np.generic)) or value.dtype.kind not in _ELEMENTS:
        return None
    return "numpy", value.dtype.str, value.shape, value.tobytes()
