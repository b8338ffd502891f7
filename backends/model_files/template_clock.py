"""Another time for chat templates that write the clock."""

import datetime as real
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# Another second, minute, hour, day, weekday, month and year.
_LATER = real.timedelta(days=403, hours=7, minutes=11, seconds=13)
_turn = threading.Lock()


@contextmanager
def later() -> Iterator[None]:
    """A block in which templates of transformers that ask for the time in this thread get a later one."""
    from transformers.utils import chat_template_utils

    module: Any = chat_template_utils
    with _turn:
        before, module.datetime = module.datetime, _clock_of(threading.get_ident())
        try:
            yield
        finally:
            module.datetime = before


def _clock_of(thread: int) -> type[real.datetime]:
    class Later(real.datetime):
        @classmethod
        def now(cls, tz: real.tzinfo | None = None) -> Any:
            is_meant = threading.get_ident() == thread
            return real.datetime.now(tz) + (_LATER if is_meant else real.timedelta())

    return Later
