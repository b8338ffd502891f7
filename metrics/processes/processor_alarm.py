"""Alarms that count processor time: what task code bounds by `signal.alarm` takes as long on a busy machine.

Task code that waits for something else than the processor is bounded by who watches the process.
"""

import math
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

Handler = Callable[[int, FrameType | None], Any] | int | signal.Handlers | None

_signal, _setitimer, _getitimer = signal.signal, signal.setitimer, signal.getitimer


def count_processor_time() -> None:
    """From now on, in this process, `signal.alarm` and the real interval timer go by its processor time.

    Their signal is still `SIGALRM` to those that handle it.
    """
    signal.alarm = _alarm
    signal.setitimer = _set_timer
    signal.getitimer = _get_timer
    signal.signal = _handle  # type: ignore[assignment]


def _alarm(seconds: int, /) -> int:
    left, _ = _setitimer(signal.ITIMER_PROF, seconds)
    return math.ceil(left)


def _set_timer(which: int, seconds: float, interval: float = 0.0, /) -> tuple[float, float]:
    return _setitimer(_timer(which), seconds, interval)


def _get_timer(which: int, /) -> tuple[float, float]:
    return _getitimer(_timer(which))


def _timer(which: int) -> int:
    return signal.ITIMER_PROF if which == signal.ITIMER_REAL else which


def _handle(number: int, handler: Handler, /) -> Handler:
    before = _signal(number, handler)
    if number == signal.SIGALRM:
        _signal(signal.SIGPROF, _as_alarm(handler) if callable(handler) else handler)
    return before


def _as_alarm(handler: Callable[[int, FrameType | None], Any]) -> Callable[[int, FrameType | None], Any]:
    return lambda _, frame: handler(signal.SIGALRM, frame)
