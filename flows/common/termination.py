"""SIGTERM and SIGHUP: a run that is to end soon, by a scheduler or with its terminal."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from flows.common.errors import SpecError

# Kubernetes and Slurm kill 30 seconds after SIGTERM, systemd after 90; Docker does after 10, without a loss.
_SECONDS = 25.0
_VARIABLE = "ASSAY_TERM_SECONDS"


class Terminated(BaseException):
    """SIGTERM has come. A BaseException, as KeyboardInterrupt is."""


def termination_seconds() -> float:
    """How long calls in flight are waited for after SIGTERM. Raises SpecError."""
    said = os.environ.get(_VARIABLE) or str(_SECONDS)
    try:
        seconds = float(said)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise SpecError(f"{_VARIABLE}: must be seconds from 0 on (got {said!r})")
    return seconds


@contextmanager
def raising_terminated() -> Iterator[None]:
    """Within the block SIGTERM raises Terminated, and SIGHUP is taken for it, unless they are ignored (nohup)
    or handled by somebody else."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {signal.SIGTERM: _terminated, signal.SIGHUP: _hung_up}
    own = [number for number in handlers if signal.getsignal(number) is signal.SIG_DFL]
    for number in own:
        signal.signal(number, handlers[number])
    try:
        yield
    finally:
        for number in own:
            signal.signal(number, signal.SIG_DFL)


def _terminated(_number: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated


def _hung_up(_number: int, _frame: FrameType | None) -> None:
    # Prefect has a handler of its own for SIGTERM while a flow runs, and none for this.
    signal.raise_signal(signal.SIGTERM)
