"""The errors a user of filters and metrics can cause."""

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class MetricError(ValueError):
    """A filter, metric or aggregation that cannot work as configured; the message says the way out."""


def nearest(name: str, known: Iterable[str], most: int = 1) -> str:
    """The end of a message about an unknown name: `; did you mean 'this'?`, or nothing.

    most: so many names, of those that are like it.
    """
    like = difflib.get_close_matches(name, sorted(known), n=most)
    return f"; did you mean {', '.join(map(repr, like))}?" if like else ""


def nearest_or_all(name: str, known: Iterable[str]) -> str:
    """The same without the semicolon, and with all that are known where none is like it."""
    return nearest(name, known).removeprefix("; ") or f"known: {', '.join(sorted(known)) or 'none'}"


def unknown_name(kind: str, name: str, known: Iterable[str]) -> MetricError:
    """The error for a name that is in no table, with the nearest name that is."""
    return MetricError(f"Unknown {kind} {name!r}: {nearest_or_all(name, known)}")


@contextmanager
def cannot_use(said: str) -> Iterator[None]:
    """A MetricError that begins with `said` for what Python raises of values that a function cannot use."""
    try:
        yield
    except MetricError:
        raise
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise MetricError(f"{said}: {error}.") from error
