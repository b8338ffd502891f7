"""Documents that note how they are read: what a task's templates and functions do to a value tells its type.

A `Field` is what is known of one place in the documents. `watched` makes a value that behaves like the plain
one, does not mind being used as another type, and writes down in its `Field` what is done with it.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

# What a string has and can be meant by nothing else; `index`, `count` and `format` are said of lists as well.
_OF_TEXT = frozenset(dir(str)) - {"index", "count", "title", "format"}

_OF_LISTS = frozenset({"append", "extend", "sort", "insert", "remove", "reverse", "copy"})


@dataclass
class Field:
    """One place in the documents of a task.

    keys: it is a mapping with these.
    item: it is a list of these.
    constants: what it was compared with, or looked up in.
    uses: "text", "number", "index", "list", "truth" and "shown" as it is used; "closed" where nothing but the
        constants will do.
    size: the list, or the split, is at least so long.
    parsed: what it is as JSON, where it is that.
    parts: what the text must contain. starts: what it may start with.
    among: it is one of the values of that list.
    examples: what else is known of it.
    """

    keys: dict[str, "Field"] = field(default_factory=dict)
    item: "Field | None" = None
    constants: list[Any] = field(default_factory=list)
    uses: set[str] = field(default_factory=set)
    size: int = 4
    parsed: "Field | None" = None
    parts: list[str] = field(default_factory=list)
    starts: list[str] = field(default_factory=list)
    among: "Field | None" = None
    examples: list[Any] = field(default_factory=list)

    def key(self, name: str) -> "Field":
        return self.keys.setdefault(name, Field())

    def element(self) -> "Field":
        self.item = self.item or Field()
        return self.item

    def equals(self, constant: Any) -> None:
        global last_compared
        last_compared = self
        plain = isinstance(constant, str | int | bool) and not isinstance(constant, Watched)
        if plain and constant != "" and constant not in self.constants and len(self.constants) < 200:
            self.constants.append(constant)

    def facts(self) -> Any:
        """All that is known, to see whether a run taught something."""
        inner = {name: one.facts() for name, one in sorted(self.keys.items())}
        below = self.item and self.item.facts(), self.parsed and self.parsed.facts()
        return (
            inner,
            below,
            [repr(one) for one in self.constants],
            sorted(self.uses),
            self.size,
            self.parts,
            self.starts,
        )


last_compared = Field()


def _of_a_task(file: str) -> bool:
    """Whether the code of a file is a task's own, of Python or of a template."""
    return "/lm_eval/tasks/" in file or file == "<template>" or "jinja2" in file


class Watched:
    """What all watched values do: being indexed, iterated over and asked for attributes."""

    place: Field

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            return Text.of(self.place.key(str(key)), f"some {key}")
        if isinstance(key, slice):
            if isinstance(self, str):
                self.place.uses.add("text")
                _note(self.place.starts, "Step-by-step answer: "[: key.start or 0])
                return Text.of(self.place, str.__getitem__(self, key))
            return list.__getitem__(self, key) if isinstance(self, list) else self
        self.place.element()
        if int(key) < 12:  # beyond, it is a number out of a made-up document
            self.place.size = max(self.place.size, int(key) + 1)
        if isinstance(self, list) and int(key) < len(self):
            return list.__getitem__(self, key)
        return Text.of(self.place.element(), "one two")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "lineno":  # which `ast` asks for
            raise AttributeError(name)
        if name in _OF_LISTS:
            self.place.uses.add("list")
            self.place.element()
            return getattr(list(self), name)
        if name in _OF_TEXT:
            self.place.uses.add("text")
            return getattr(Text.of(self.place, str(self)), name)
        if name in ("items", "keys", "values"):
            mapping = {letter: Text.of(self.place.key(letter), f"some {letter}") for letter in "ABCD"}
            return getattr(mapping, name)
        if name == "get":
            return lambda key, default=None: self[key]
        return self[name]


class Text(Watched, str):
    """A text, or what was taken for one so far."""

    @classmethod
    def of(cls, place: Field, content: str) -> "Text":
        made = str.__new__(cls, content)
        made.place = place
        return made

    def __iter__(self) -> Iterator[Any]:
        inner = self.place.element()
        return iter([Text.of(inner, text) for text in ("one two", "three", "four five", "six")])

    def __eq__(self, other: object) -> bool:
        if _of_a_task(sys._getframe(1).f_code.co_filename):
            self.place.equals(other)
        return str.__eq__(self, other) if isinstance(other, str) else False

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return str.__hash__(self)

    def __contains__(self, part: object) -> bool:
        _note(self.place.starts, part)
        return isinstance(part, str) and str.__contains__(self, part)

    def __bool__(self) -> bool:
        self.place.uses.add("truth")
        return len(self) > 0

    def __str__(self) -> str:
        self.place.uses.add("shown")
        return str.__str__(self)

    def __format__(self, how: str) -> str:
        self.place.uses.add("shown")
        return str.__format__(self, how)

    def __int__(self) -> int:
        self.place.uses.add("number")
        return int(str.__str__(self)) if str.isdigit(self) else 1

    def __float__(self) -> float:
        return float(int(self))

    def __index__(self) -> int:
        self.place.uses.add("index")
        return int(str.__str__(self)) if str.isdigit(self) else 1

    def _number(self, other: Any, combine: Callable[[int, Any], Any]) -> Any:
        self.place.uses.add("number")
        return combine(int(self), other)

    def __add__(self, other: Any) -> Any:
        if not isinstance(other, str):
            return self._number(other, lambda one, two: one + two) if isinstance(other, int) else other
        self.place.uses.add("text")
        return str.__add__(self, other)

    def __radd__(self, other: Any) -> Any:
        return self + other if isinstance(other, int) else other

    def __sub__(self, other: Any) -> Any:
        return self._number(other, lambda one, two: one - two)

    def __rsub__(self, other: Any) -> Any:
        return self._number(other, lambda one, two: two - one)

    def __lt__(self, other: Any) -> Any:
        return (
            self._number(other, lambda one, two: one < two)
            if isinstance(other, int | float)
            else str(self) < other
        )

    def __gt__(self, other: Any) -> Any:
        return (
            self._number(other, lambda one, two: one > two)
            if isinstance(other, int | float)
            else str(self) > other
        )

    def __ge__(self, other: Any) -> Any:
        return not self < other

    def __le__(self, other: Any) -> Any:
        return not self > other


def _note(known: list[str], part: object) -> None:
    """A constant that the code looks for in a text; what comes from a document is longer."""
    if not isinstance(part, str) or isinstance(part, Watched):
        return
    if 0 < len(part) <= 24 and part not in known and len(known) < 8:
        known.append(part)


def _same_text(name: str) -> Callable[..., Any]:
    """A method of a string whose result still stands for the same place."""

    def method(self: Text, *given: Any, **named: Any) -> Any:
        if given and isinstance(given[0], Watched) and name == "index":
            self.place.element()  # one field's value is looked up in another: that is a list
            given[0].place.uses.add("closed")
            return 0
        self.place.uses.add("text")
        if given and name in _SEARCHES:
            _note(self.place.parts, given[0])
        if name == "startswith":
            _note(self.place.starts, given[0])
        made = getattr(str, name)(self, *given, **named)
        return Text.of(self.place, made) if isinstance(made, str) else made

    return method


_SEARCHES = ("split", "find", "index", "partition", "rsplit")
for _name in (*_SEARCHES, "strip", "lower", "upper", "rstrip", "lstrip", "replace", "startswith", "endswith"):
    setattr(Text, _name, _same_text(_name))


class Number(Watched, int):
    """A whole number, or what was taken for one."""

    @classmethod
    def of(cls, place: Field, content: int) -> "Number":
        made = int.__new__(cls, content)
        made.place = place
        return made

    def __eq__(self, other: object) -> bool:
        if _of_a_task(sys._getframe(1).f_code.co_filename):
            self.place.equals(other)
        return int.__eq__(self, other) if isinstance(other, int) else False

    def __hash__(self) -> int:
        return int.__hash__(self)

    def __iter__(self) -> Iterator[Any]:
        return iter(Text.of(self.place, str(int(self))))

    def __len__(self) -> int:
        return len(list(self))

    def __index__(self) -> int:
        self.place.uses.add("index")
        return int(self)

    def __add__(self, other: Any) -> Any:
        if isinstance(other, str):
            self.place.uses.add("text")
            return f"{int(self)}{other}"
        return int(self) + other


class Row(dict[str, Any], Watched):
    """A mapping, or a document; a key that it lacks it gets."""

    def __init__(self, place: Field, content: Mapping[str, Any]) -> None:
        dict.__init__(self, content)
        self.place = place

    def __missing__(self, key: Any) -> Any:
        if not isinstance(key, str):
            return Text.of(self.place.element(), "one two")
        self[key] = Text.of(self.place.key(str(key)), f"some {key}")
        return self[key]

    def get(self, key: Any, default: Any = None) -> Any:
        return self[key]

    def __contains__(self, key: object) -> bool:
        if isinstance(key, str) and _of_a_task(sys._getframe(1).f_code.co_filename):
            self.place.key(key)
        return dict.__contains__(self, key)

    def pop(self, key: Any, default: Any = None) -> Any:
        value = self[key]
        dict.pop(self, key, None)
        return value


class Several(Watched, list[Any]):
    """A list."""

    def __init__(self, place: Field, content: Iterable[Any]) -> None:
        list.__init__(self, content)
        self.place = place

    def __iter__(self) -> Iterator[Any]:
        self.place.element()
        return list.__iter__(self)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str) and _of_a_task(sys._getframe(1).f_code.co_filename):
            self.place.equals(other)
        return list.__eq__(self, other)

    __hash__ = None

    def __contains__(self, one: object) -> bool:
        if isinstance(one, Watched):
            one.place.among = self.place
            return True
        return list.__contains__(self, one)

    def index(self, one: Any, *given: Any) -> int:
        return list.index(self, one, *given) if list.__contains__(self, one) or one not in self else 0


KINDS = frozenset({Text, Number, Row, Several})


def watched(value: Any, place: Field) -> Any:
    """`value` of the same type, which writes what is done with it into `place`."""
    match value:
        case bool() | float() | None:
            return value
        case str():
            return Text.of(place, value)
        case int():
            return Number.of(place, value)
        case Mapping():
            return Row(place, {name: watched(one, place.key(name)) for name, one in value.items()})
        case list():
            inner = place.item or Field()
            return Several(place, [watched(one, inner) for one in value])
    return value
