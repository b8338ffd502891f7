"""A function of another package under a new definition for a while, for task code that knows no other way."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

_lock = threading.RLock()


@contextmanager
def patched(
    owner: ModuleType, name: str, make: Callable[[Any], Any], importers: Iterable[ModuleType] = ()
) -> Iterator[None]:
    """`owner.name` is `make(real)` for this thread and until the end; through it others get the real one, and
    who keeps it does so afterwards.

    importers: modules that may have imported the function by its name, where it is replaced too.
    One thread at a time replaces anything.
    """
    with _lock:
        real, threads = getattr(owner, name), {threading.get_ident()}
        new = make(real)

        def either(*args: Any, **options: Any) -> Any:
            return (new if threading.get_ident() in threads else real)(*args, **options)

        holders = [owner, *(module for module in importers if vars(module).get(name) is real)]
        for holder in holders:
            setattr(holder, name, either)
        try:
            yield
        finally:
            threads.clear()
            for holder in holders:
                setattr(holder, name, real)
