"""`RegexFilter`, on which task code builds filters of its own."""

import re
from collections.abc import Sequence
from typing import Any

from lm_eval.api.filter import Filter

from metrics.filters.filters import DEFAULT_PATTERN, regex

__all__ = ["Filter", "RegexFilter"]


class RegexFilter(Filter):  # type: ignore[misc]  # lm-eval is not typed
    """The filter `regex` of task files as a class."""

    def __init__(
        self, regex_pattern: str = DEFAULT_PATTERN, group_select: int = 0, fallback: str = "[invalid]"
    ) -> None:
        self.regex_pattern = regex_pattern
        self.regex = re.compile(regex_pattern)
        self.group_select = group_select
        self.fallback = fallback

    def apply(self, resps: Sequence[Any], docs: Sequence[Any]) -> list[Any]:
        return regex(self.regex_pattern, self.group_select, self.fallback)(resps, docs)
