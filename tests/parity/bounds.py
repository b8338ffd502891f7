"""What keeps the code of thousands of tasks from network, disk, terminal and from going on for ever."""

import contextlib
import os
import signal
from collections.abc import Iterator
from functools import cache
from typing import Any

SECONDS, CPU_SECONDS = 300, 30  # for one task


def prepare() -> None:
    """Settings of a process that compares: no network, no progress bars, nothing cached on disk."""
    import logging
    import warnings

    os.environ |= {"HF_HUB_OFFLINE": "1", "DISABLE_MULTIPROC": "1"}
    import datasets
    import evaluate
    import lm_eval.utils

    from metrics.hf_evaluate import metrics
    from tests.parity.stand_ins.sitecustomize import (
        STAND_INS,
        leave_code_to_stand_in,
        loaded,
        refuse_network,
    )

    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    datasets.disable_progress_bars()
    datasets.disable_caching()
    datasets.fingerprint.Hasher.update = lambda self, value: None  # of names for caches
    evaluate.load = loaded
    leave_code_to_stand_in(metrics)
    lm_eval.utils.env.from_string = cache(lm_eval.utils.env.from_string)
    refuse_network()
    # The processes of a run get the same stand-ins when they start.
    os.environ["PYTHONPATH"] = os.pathsep.join([STAND_INS, *filter(None, [os.environ.get("PYTHONPATH")])])


@contextlib.contextmanager
def time_limit() -> Iterator[None]:
    def stop(*_: Any) -> None:
        raise TimeoutError("takes too long")

    timers = {
        signal.SIGALRM: (signal.ITIMER_REAL, SECONDS),
        signal.SIGPROF: (signal.ITIMER_PROF, CPU_SECONDS),
    }
    before = {number: signal.signal(number, stop) for number in timers}
    for timer, seconds in timers.values():
        signal.setitimer(timer, seconds)
    try:
        yield
    finally:
        for number, (timer, _) in timers.items():
            signal.setitimer(timer, 0)
            signal.signal(number, before[number])


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    with contextlib.redirect_stdout(_sink()), contextlib.redirect_stderr(_sink()):
        yield


@cache
def _sink() -> Any:
    """Open as long as the process: what is imported may keep it."""
    return open(os.devnull, "w")
