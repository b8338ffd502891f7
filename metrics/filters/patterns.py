"""What filters share: the responses of a document, and regular expressions with errors a user can read."""

import functools
import re
from collections.abc import Sequence
from typing import Any

from metrics.errors import MetricError


def responses_of(values: Any, position: int, used_by: str) -> Sequence[Any]:
    """The responses of document `position`: a sequence (a text is one of letters), or a MetricError."""
    if not isinstance(values, Sequence):
        raise MetricError(
            f"{used_by}: document {position} has {values!r} instead of responses; "
            "a filter that reads one value per document must come last."
        )
    return values


def compile_patterns(patterns: Any, used_by: str) -> tuple[re.Pattern[str], ...]:
    """The compiled patterns of a list, or of nothing; MetricError for anything else."""
    if not isinstance(patterns or [], list | tuple):
        raise MetricError(f"{used_by}: must be a list of regular expressions, not {patterns!r}.")
    return tuple(compile_pattern(pattern, used_by) for pattern in patterns or ())


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
