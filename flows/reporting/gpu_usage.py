"""How busy the machine's NVIDIA GPUs are, as NVML tells; what it does not tell is left out, and no error."""

# ruff: noqa: N802 - the names are NVML's
import importlib
from contextlib import suppress
from typing import Any, Protocol, cast

_MIB = 2**20


class Nvml(Protocol):
    """What is used of the module `pynvml`: three figures of a GPU, and the way to them."""

    @property
    def NVMLError(self) -> type[Exception]: ...

    def nvmlInit(self) -> None: ...

    def nvmlShutdown(self) -> None: ...

    def nvmlDeviceGetCount(self) -> int: ...

    def nvmlDeviceGetHandleByIndex(self, index: int, /) -> Any: ...

    def nvmlDeviceGetUtilizationRates(self, handle: Any, /) -> Any:
        """`.gpu`: percent of the last moments, at most a second, in which the GPU did anything."""

    def nvmlDeviceGetMemoryInfo(self, handle: Any, /) -> Any:
        """`.used`: bytes."""

    def nvmlDeviceGetPowerUsage(self, handle: Any, /) -> int:
        """Milliwatts."""


def installed_nvml() -> Nvml | None:
    """`pynvml`, where the extra `gpu` is installed."""
    try:
        return cast(Nvml, importlib.import_module("pynvml"))
    except ImportError:
        return None


class Gpus:
    """All GPUs of the machine, whoever uses them. Keeps sums, not samples."""

    def __init__(self, nvml: Nvml) -> None:
        self._nvml = nvml
        self._gpus: list[_Gpu] = []

    def open(self) -> None:
        """Find the GPUs; without a driver there are none. May take a second."""
        count = 0
        with suppress(self._nvml.NVMLError):
            self._nvml.nvmlInit()
            count = self._nvml.nvmlDeviceGetCount()
        for index in range(count):
            with suppress(self._nvml.NVMLError):
                self._gpus.append(_Gpu(self._nvml, index))

    def sample(self, at: float) -> None:
        """Look at each GPU. at: the time, in seconds of a clock that never jumps."""
        for gpu in self._gpus:
            gpu.sample(at)

    def close(self) -> None:
        """Let go of NVML; what was seen stays."""
        with suppress(self._nvml.NVMLError):
            self._nvml.nvmlShutdown()

    def summary(self) -> list[dict[str, float]]:
        """One entry a GPU, with the figures that it gave; see `ResourceSampler.summary`."""
        return [gpu.summary() for gpu in self._gpus]


class _Tally:
    """Mean and highest of values that are not kept."""

    def __init__(self) -> None:
        self.count = 0
        self.highest = 0.0
        self._total = 0.0

    def add(self, value: float) -> None:
        self.count += 1
        self.highest = max(self.highest, value)
        self._total += value

    @property
    def mean(self) -> float:
        return self._total / self.count


class _Gpu:
    def __init__(self, nvml: Nvml, index: int) -> None:
        self._nvml = nvml
        self._index = index
        self._handle = nvml.nvmlDeviceGetHandleByIndex(index)
        self._utilisation, self._memory, self._watts = _Tally(), _Tally(), _Tally()
        self._joules = 0.0
        self._power_at: float | None = None

    def sample(self, at: float) -> None:
        """Each figure by itself: a part of a GPU has no utilisation, some cards tell no power."""
        nvml, handle = self._nvml, self._handle
        with suppress(nvml.NVMLError):
            self._utilisation.add(nvml.nvmlDeviceGetUtilizationRates(handle).gpu)
        with suppress(nvml.NVMLError):
            self._memory.add(nvml.nvmlDeviceGetMemoryInfo(handle).used / _MIB)
        with suppress(nvml.NVMLError):
            self._add_power(nvml.nvmlDeviceGetPowerUsage(handle) / 1000, at)

    def summary(self) -> dict[str, float]:
        figures: dict[str, float] = {"index": self._index}
        if self._utilisation.count:
            figures["utilisation_percent_mean"] = round(self._utilisation.mean, 1)
            figures["utilisation_percent_max"] = self._utilisation.highest
        if self._memory.count:
            figures["memory_mib_peak"] = round(self._memory.highest, 1)
        if self._watts.count:
            figures["power_watts_mean"] = round(self._watts.mean, 1)
            figures["energy_wh"] = round(self._joules / 3600, 4)
        return figures

    def _add_power(self, watts: float, at: float) -> None:
        """A figure stands for the time since the one before it."""
        self._watts.add(watts)
        self._joules += watts * (at - self._power_at if self._power_at is not None else 0.0)
        self._power_at = at
