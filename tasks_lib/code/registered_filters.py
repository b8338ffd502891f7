"""Filters that task code registers by name (`@register_filter` of lm-eval), and the task they belong to.

lm-eval keeps them in one table for all tasks and refuses a name that another module has registered. Here the
name means what the task's own modules registered under it, whichever other tasks were loaded before.
"""

import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

# By the name of a filter: its class, by the module whose import registered it.
_registered: dict[str, dict[str, type]] = {}


@contextmanager
def registering(module: str) -> Iterator[None]:
    """Note what importing a module of task code registers; names that others have registered are free."""
    others = {name: _table().pop(name) for name in _of_task_code()}
    try:
        yield
    finally:
        for name in _of_task_code():
            _registered.setdefault(name, {})[module] = _table()[name]
        _table().update({name: cls for name, cls in others.items() if name not in _table()})


def registered_filter(name: str, modules: Collection[str]) -> type | None:
    """The class that is called `name` in a task whose functions are in these modules."""
    for module, cls in _registered.get(name, {}).items():
        # A class of a module that was imported in passing is there for all that import it.
        if module in modules or cls.__module__ != module:
            return cls
    return None


def _of_task_code() -> list[str]:
    """The names in lm-eval's table that are not of its own filters."""
    return [
        name
        for name, cls in _table().items()
        if isinstance(cls, type) and not cls.__module__.startswith("lm_eval.filters.")
    ]


def _table() -> dict[str, Any]:
    """lm-eval's table of filters, once something has imported it."""
    module = sys.modules.get("lm_eval.api.registry")
    registry: Any = getattr(module, "filter_registry", {})
    table: dict[str, Any] = registry if isinstance(registry, dict) else registry._objs
    return table
