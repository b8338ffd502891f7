"""`Filter`: the base of filters of task code."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any


class Filter(ABC):
    """See `metrics.filters.filters.filter_from_class` for how one is used."""

    def __init__(self, **options: Any) -> None:
        """Options that a filter has no use for are taken all the same."""
        super().__init__()

    @abstractmethod
    def apply(self, resps: Sequence[Any], docs: Sequence[Any]) -> Iterable[Any]:
        """New values for the responses of all documents, in the same order."""
