"""What keeps the code of thousands of tasks from network, disk, terminal and from going on for ever."""

import contextlib
import json
import os
import signal
import zlib
from collections.abc import Iterator
from functools import cache
from typing import Any

SECONDS, CPU_SECONDS = 120, 30  # for one task


def prepare() -> None:
    """Settings of a process that compares: no network, no progress bars, nothing cached on disk."""
    import logging
    import socket
    import warnings

    os.environ |= {"HF_HUB_OFFLINE": "1", "DISABLE_MULTIPROC": "1"}
    import datasets
    import evaluate
    import lm_eval.utils

    from metrics.hf_evaluate import metrics

    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    datasets.disable_progress_bars()
    datasets.disable_caching()
    datasets.fingerprint.Hasher.update = lambda self, value: None  # of names for caches
    evaluate.load = MadeUpMetric
    # Programs would take long, and made-up answers are none.
    metrics.HF_METRICS = {name: one for name, one in metrics.HF_METRICS.items() if name != "code_eval"}
    lm_eval.utils.env.from_string = cache(lm_eval.utils.env.from_string)

    def refuse(*_: Any, **__: Any) -> Any:
        raise OSError("no network")

    socket.getaddrinfo = refuse


class MadeUpMetric:
    """A metric of `evaluate`, whose code is a download: numbers of the same shape, fixed by what it gets."""

    def __init__(self, name: str, *_: Any, **__: Any) -> None:
        self._name = name

    def compute(self, *given: Any, **named: Any) -> Any:
        said = json.dumps([given, named], sort_keys=True, default=lambda one: one.tolist())
        number = zlib.crc32(said.encode()) % 1000 / 1000
        match self._name:
            case "code_eval":
                return {f"pass@{k}": number for k in named.get("k", [1])}, {}
            case "bertscore":
                return {key: [number] for key in ("precision", "recall", "f1")}
            case "rouge":
                return dict.fromkeys(("rouge1", "rouge2", "rougeL", "rougeLsum"), number)
        return {self._name: number, "score": number, "scores": [number]}


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
