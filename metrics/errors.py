"""The errors a user of filters and metrics can cause."""

import difflib
from collections.abc import Iterable


class MetricError(ValueError):
    """A filter, metric or aggregation that cannot work as configured; the message says the way out."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> MetricError:
    """The error for a name that is in no table, with the nearest name that is."""
    names = sorted(known)
    nearest = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {nearest[0]!r}?" if nearest else f"known: {', '.join(names) or 'none'}."
    return MetricError(f"Unknown {kind} {name!r}: {hint}")
