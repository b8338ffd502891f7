"""The filters that task code registers by name."""

from collections.abc import Callable
from typing import Any, TypeVar

Registered = TypeVar("Registered", bound=type)

filter_registry: dict[str, type] = {}


def register_filter(name: str) -> Callable[[Registered], Registered]:
    """Class decorator: the filter may be called `name` in task files."""

    def decorate(cls: Registered) -> Registered:
        filter_registry[name] = cls
        return cls

    return decorate


def get_filter(name: Any) -> Any:
    """The class of that name; what is a class already stays as it is. Raises KeyError."""
    return name if callable(name) else filter_registry[name]
