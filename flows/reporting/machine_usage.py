"""What a run takes of its machine: processor, memory and GPUs, sampled beside it by `ResourceSampler`."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import psutil

from flows.common.json_object import JsonObject
from flows.reporting.gpu_usage import Gpus, Nvml, installed_nvml

_MIB = 2**20
# The share of one core that sampling may take. A machine with thousands of processes is sampled less often.
_SHARE = 0.004
# How long the end of a run waits for a sample that is under way; a driver can hang.
_JOIN_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Reading:
    """What was seen at one time.

    at: seconds of a clock that never jumps.
    cpu_seconds: what this process and its descendants have computed, those that ended included.
    rss: bytes of memory that they hold; what several share counts for each.
    machine_busy, machine_time: seconds that all cores of the machine computed, and had.
    machine_memory: bytes in use on the machine.
    """

    at: float
    cpu_seconds: float
    rss: int
    machine_busy: float
    machine_time: float
    machine_memory: int


class Totals:
    """Sums and peaks of readings, which are not kept.

    shortest: the least seconds between two readings that say how busy something was; clocks of processes
        tick every hundredth of a second, so that over less the rate would be noise.
    """

    def __init__(self, first: Reading, shortest: float) -> None:
        self._first = self._last = self._rated = first
        self._shortest = shortest
        self._samples = 1
        self._rss, self._machine_memory = first.rss, first.machine_memory
        self._cpu_percent = self._machine_percent = 0.0

    def add(self, reading: Reading) -> None:
        self._samples += 1
        self._last = reading
        self._rss = max(self._rss, reading.rss)
        self._machine_memory = max(self._machine_memory, reading.machine_memory)
        if reading.at - self._rated.at >= self._shortest:
            self._cpu_percent = max(self._cpu_percent, _cpu_percent(self._rated, reading))
            self._machine_percent = max(self._machine_percent, _machine_percent(self._rated, reading))
            self._rated = reading

    def summary(self) -> JsonObject:
        """The figures of `ResourceSampler.summary`, without the GPUs."""
        first, last = self._first, self._last
        cpu, machine = _cpu_percent(first, last), _machine_percent(first, last)
        return {
            "samples": self._samples,
            "seconds": round(last.at - first.at, 3),
            "cpu_seconds": round(last.cpu_seconds - first.cpu_seconds, 3),
            "cpu_percent_mean": round(cpu, 1),
            "cpu_percent_max": round(max(cpu, self._cpu_percent), 1),
            "rss_mib_peak": round(self._rss / _MIB, 1),
            "machine_cpu_percent_mean": round(machine, 1),
            "machine_cpu_percent_max": round(max(machine, self._machine_percent), 1),
            "machine_memory_mib_peak": round(self._machine_memory / _MIB, 1),
        }


class ResourceSampler:
    """Samples what happens within its block, each second, in a thread of its own.

        with ResourceSampler() as sampler:
            ...
        sampler.summary()

    find_nvml: what gives the module that knows the GPUs; without one, or a driver, there are no GPU figures.
    interval: seconds between samples; more where a sample takes long.
    """

    def __init__(self, find_nvml: Callable[[], Nvml | None] = installed_nvml, interval: float = 1.0) -> None:
        self._find_nvml = find_nvml
        self._interval = interval
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="assay-resources", daemon=True)
        self._process = psutil.Process()
        self._gpus: Gpus | None = None

    def __enter__(self) -> Self:
        self._totals = Totals(self._read(), shortest=self._interval / 2)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join(_JOIN_SECONDS)
        self._totals.add(self._read())

    def summary(self) -> JsonObject:
        """What was seen, as JSON has it; within the block, so far.

        samples, seconds: how often and how long.
        cpu_seconds: computed by this process and its descendants, by the system's own account; without
            those of descendants that outlived their parent.
        cpu_percent_mean, cpu_percent_max: of one core, so that four busy ones are 400.
        rss_mib_peak: the most memory they held.
        machine_...: of all processes of the machine; its CPU in percent of all cores.
        gpus: each GPU's `index`, `utilisation_percent_mean` and `_max`, `memory_mib_peak`,
            `power_watts_mean` and `energy_wh` (the sum of power by time), as far as it tells them.
        """
        return {**self._totals.summary(), "gpus": self._gpus.summary() if self._gpus else []}

    def _work(self) -> None:
        if nvml := self._find_nvml():
            self._gpus = Gpus(nvml)
            self._gpus.open()
        self._sample_gpus()
        pause = self._interval
        while not self._over.wait(pause):
            began = time.thread_time()
            self._totals.add(self._read())
            self._sample_gpus()
            pause = max(self._interval, (time.thread_time() - began) / _SHARE)
        self._sample_gpus()
        if self._gpus:
            self._gpus.close()

    def _sample_gpus(self) -> None:
        if self._gpus:
            self._gpus.sample(time.monotonic())

    def _read(self) -> Reading:
        cpu_seconds, rss = _tree(self._process)
        busy, available = _machine()
        memory = psutil.virtual_memory().used
        return Reading(time.monotonic(), cpu_seconds, rss, busy, available, memory)


def _tree(process: psutil.Process) -> tuple[float, int]:
    """CPU seconds and bytes of a process and its descendants; seconds also of those that ended."""
    seconds, rss = 0.0, 0
    for member in (process, *process.children(recursive=True)):
        with suppress(psutil.Error), member.oneshot():  # it may have ended since
            times, memory = member.cpu_times(), member.memory_info()
            seconds += times.user + times.system + times.children_user + times.children_system
            rss += memory.rss
    return seconds, rss


def _machine() -> tuple[float, float]:
    """Seconds that all cores computed, and had. Guests of a virtual machine host count as user already."""
    times = psutil.cpu_times()
    had = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    return had - times.idle - getattr(times, "iowait", 0.0), had


def _cpu_percent(earlier: Reading, later: Reading) -> float:
    return _percent(later.cpu_seconds - earlier.cpu_seconds, later.at - earlier.at)


def _machine_percent(earlier: Reading, later: Reading) -> float:
    return _percent(later.machine_busy - earlier.machine_busy, later.machine_time - earlier.machine_time)


def _percent(part: float, whole: float) -> float:
    return 100.0 * part / whole if whole > 0 else 0.0
