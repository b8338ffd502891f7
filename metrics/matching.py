"""Regular expressions as filters and metrics use them: compiled once, wrong ones told to the user."""

import functools
import re
from collections.abc import Sequence

from metrics.errors import MetricError


def compile_pattern(pattern: str, used_by: str) -> re.Pattern[str]:
    """The compiled `pattern`; `used_by` names its owner in the MetricError for a wrong one."""
    if not isinstance(pattern, str):
        raise MetricError(f"{used_by}: a regular expression is a text, not {pattern!r}.")
    try:
        return _compiled(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise MetricError(f"{used_by}: {pattern!r} is no regular expression: {error}.") from error


_compiled = functools.lru_cache(maxsize=4096)(re.compile)


def nth_match(found: Sequence[str | tuple[str, ...]], position: int, used_by: str) -> str | None:
    """The `position`-th of the matches of `re.findall`, stripped; None if all of its groups are empty.

    A match of several groups counts as its first group that is not empty.
    """
    try:
        match = found[position]
    except (IndexError, TypeError):
        raise MetricError(
            f"{used_by}: group_select {position!r} selects none of the {len(found)} match(es) of a response; "
            "use 0 for the first or -1 for the last."
        ) from None
    if isinstance(match, tuple):
        groups = [group for group in match if group]
        return groups[0].strip() if groups else None
    return match.strip()
