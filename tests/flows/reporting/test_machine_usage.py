# ruff: noqa: N802 - the names of the stand-in are NVML's
import json
import pickle
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.reporting.gpu_usage import Gpus, installed_nvml
from flows.reporting.machine_usage import Reading, ResourceSampler, Totals

MIB = 2**20
# A child that computes and takes 64 MiB, says so, and lives until its input ends.
CHILD = """
import sys, time
begin = time.process_time()
while time.process_time() - begin < 0.3: pass
block = b"x" * (64 * 2**20)
print("ready", flush=True)
sys.stdin.read()
"""


@contextmanager
def busy_child() -> Iterator[subprocess.Popen[bytes]]:
    """A child that has computed and holds its memory; it ends with the block."""
    with subprocess.Popen([sys.executable, "-c", CHILD], stdin=-1, stdout=-1) as child:
        assert child.stdout
        assert child.stdout.readline() == b"ready\n"
        yield child


def no_gpus() -> None:
    return None


def cpu_seconds() -> float:
    """By the system's own account, with children that ended."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def test_cpu_seconds_are_those_of_this_process_and_of_children_that_ended() -> None:
    before = cpu_seconds()
    with ResourceSampler(no_gpus) as sampler:
        began = time.process_time()
        with busy_child():
            pass
        sum(range(5_000_000))
        within = 0.3 + time.process_time() - began
    around = cpu_seconds() - before
    seen = sampler.summary()
    assert seen["cpu_seconds"] > 0.3
    # Clocks of processes tick a hundredth of a second; four are read, twice, on a machine that may be busy.
    assert within - 0.15 <= seen["cpu_seconds"] <= around + 0.15
    assert seen["cpu_percent_mean"] == pytest.approx(
        100 * seen["cpu_seconds"] / seen["seconds"], rel=0.01, abs=0.2
    )


def test_a_living_childs_cpu_and_memory_count() -> None:
    with ResourceSampler(no_gpus) as alone:
        pass
    with ExitStack() as child, ResourceSampler(no_gpus) as sampler:
        child.enter_context(busy_child())
    assert sampler.summary()["cpu_seconds"] > 0.3
    assert sampler.summary()["rss_mib_peak"] > alone.summary()["rss_mib_peak"] + 60


def test_what_a_child_computed_before_the_block_does_not_count_though_it_ends_within() -> None:
    with ExitStack() as child:
        child.enter_context(busy_child())
        with ResourceSampler(no_gpus) as sampler:
            child.close()
    assert sampler.summary()["cpu_seconds"] < 0.25


def test_samples_are_taken_while_the_block_goes_on_and_end_with_it() -> None:
    with ResourceSampler(no_gpus, interval=0.01) as sampler:
        deadline = time.monotonic() + 10
        while sampler.summary()["samples"] < 4 and time.monotonic() < deadline:
            time.sleep(0.005)
    last = sampler.summary()
    assert last["samples"] >= 5
    assert "assay-resources" not in {thread.name for thread in threading.enumerate()}
    assert sampler.summary() == last


def test_the_summary_is_json_also_of_a_block_that_took_no_time() -> None:
    with ResourceSampler() as sampler:
        pass
    seen = json.loads(json.dumps(sampler.summary()))
    assert seen["samples"] == 2
    assert seen["rss_mib_peak"] > 1
    assert seen["machine_memory_mib_peak"] > 1


# Readings by their distance in seconds, the cores that were busy then, and MiB.
STEPS = st.lists(
    st.tuples(st.floats(0.001, 3), st.floats(0, 8), st.floats(0, 8), st.integers(1, 9000)), min_size=1
)


def readings(steps: list[tuple[float, float, float, int]]) -> list[Reading]:
    taken = [Reading(50.0, 7.0, MIB, 100.0, 1000.0, 2 * MIB)]
    for seconds, cores, machine_cores, mib in steps:
        last = taken[-1]
        taken.append(
            Reading(
                last.at + seconds,
                last.cpu_seconds + cores * seconds,
                mib * MIB,
                last.machine_busy + machine_cores * seconds,
                last.machine_time + 8 * seconds,
                2 * mib * MIB,
            )
        )
    return taken


@given(STEPS)
def test_means_are_over_the_whole_run_and_no_mean_is_above_its_peak(
    steps: list[tuple[float, float, float, int]],
) -> None:
    first, *rest = readings(steps)
    totals = Totals(first, shortest=0.5)
    for reading in rest:
        totals.add(reading)
    seen = totals.summary()
    seconds = sum(step[0] for step in steps)
    computed = sum(step[0] * step[1] for step in steps)
    assert seen["samples"] == len(steps) + 1
    assert seen["seconds"] == pytest.approx(seconds, abs=1e-3)
    assert seen["cpu_seconds"] == pytest.approx(computed, abs=1e-3)
    assert seen["cpu_percent_mean"] == pytest.approx(100 * computed / seconds, abs=0.06)
    assert seen["cpu_percent_mean"] <= seen["cpu_percent_max"] <= 800.1
    assert seen["machine_cpu_percent_mean"] <= seen["machine_cpu_percent_max"] <= 100.1
    assert seen["rss_mib_peak"] == max(step[3] for step in steps)
    assert seen["machine_memory_mib_peak"] == 2 * seen["rss_mib_peak"]


def test_a_peak_is_a_rate_over_no_less_than_the_shortest_time() -> None:
    first, *rest = readings([(1.0, 2.0, 2.0, 1), (0.001, 100.0, 8.0, 1)])
    totals = Totals(first, shortest=0.5)
    for reading in rest:
        totals.add(reading)
    assert totals.summary()["cpu_percent_max"] == pytest.approx(210, abs=1)  # the mean of both


def test_what_is_held_does_not_grow_with_the_run() -> None:
    def size(samples: int) -> int:
        totals = Totals(Reading(0.0, 0.0, MIB, 0.0, 0.0, MIB), shortest=0.5)
        for at in range(samples):
            totals.add(Reading(at, at / 2, MIB, at / 2, at, MIB))
        return len(pickle.dumps(totals))

    assert size(5000) < size(50) + 50


class FakeNvml:
    """Two GPUs, one at 30 % and 100 W, one at 60 % and 200 W; `broken` functions fail."""

    class NVMLError(Exception):
        pass

    def __init__(self, *broken: str) -> None:
        self.broken = set(broken)
        self.is_open = False
        self.asked = 0

    def nvmlInit(self) -> None:
        self._check("init")
        self.is_open = True

    def nvmlShutdown(self) -> None:
        self._check("init")
        self.is_open = False

    def nvmlDeviceGetCount(self) -> int:
        return 2

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        self._check(f"gpu {index}")
        return index + 1

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> SimpleNamespace:
        self._check("utilisation")
        self.asked += 1
        return SimpleNamespace(gpu=30 * handle)

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> SimpleNamespace:
        self._check("memory")
        return SimpleNamespace(used=handle * 1024 * MIB)

    def nvmlDeviceGetPowerUsage(self, handle: int) -> int:
        self._check("power")
        return 100_000 * handle

    def _check(self, function: str) -> None:
        if function in self.broken:
            raise self.NVMLError(function)


def sampled(nvml: FakeNvml, *times: float) -> list[dict[str, float]]:
    gpus = Gpus(nvml)
    gpus.open()
    for at in times:
        gpus.sample(at)
    gpus.close()
    return gpus.summary()


def test_each_gpu_has_its_figures_and_energy_is_power_by_time() -> None:
    assert sampled(FakeNvml(), 5.0, 6.0, 41.0) == [
        {
            "index": 0,
            "utilisation_percent_mean": 30.0,
            "utilisation_percent_max": 30,
            "memory_mib_peak": 1024.0,
            "power_watts_mean": 100.0,
            "energy_wh": 1.0,
        },
        {
            "index": 1,
            "utilisation_percent_mean": 60.0,
            "utilisation_percent_max": 60,
            "memory_mib_peak": 2048.0,
            "power_watts_mean": 200.0,
            "energy_wh": 2.0,
        },
    ]


@pytest.mark.parametrize("function", ["utilisation", "memory", "power"])
def test_a_figure_that_a_gpu_does_not_tell_is_left_out_alone(function: str) -> None:
    whole, *_ = sampled(FakeNvml(), 0.0, 1.0)
    partly, *_ = sampled(FakeNvml(function), 0.0, 1.0)
    missing = set(whole) - set(partly)
    assert missing
    assert all(function in name or (function, name) == ("power", "energy_wh") for name in missing)


def test_a_lost_gpu_does_not_take_the_others_with_it() -> None:
    assert [gpu["index"] for gpu in sampled(FakeNvml("gpu 0"), 0.0)] == [1]


def test_a_driver_that_fails_in_the_middle_leaves_what_was_seen() -> None:
    nvml = FakeNvml()
    gpus = Gpus(nvml)
    gpus.open()
    gpus.sample(0.0)
    before = gpus.summary()
    nvml.broken |= {"utilisation", "memory", "power", "init"}
    gpus.sample(1.0)
    gpus.close()
    assert gpus.summary() == before


def test_without_a_driver_there_are_no_gpu_figures() -> None:
    assert sampled(FakeNvml("init"), 0.0, 1.0) == []


def test_the_real_library_is_asked_without_an_error_whatever_there_is() -> None:
    gpus = Gpus(pytest.importorskip("pynvml"))
    gpus.open()
    gpus.sample(0.0)
    gpus.close()
    assert [gpu["index"] for gpu in gpus.summary()] == list(range(len(gpus.summary())))


def test_without_the_package_there_are_no_gpu_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert installed_nvml() is None
    with ResourceSampler() as sampler:
        pass
    assert sampler.summary()["gpus"] == []


def test_gpus_are_sampled_at_once_and_at_the_end_and_let_go() -> None:
    nvml = FakeNvml()
    with ResourceSampler(lambda: nvml) as sampler:
        pass
    assert nvml.asked == 4
    assert not nvml.is_open
    assert [gpu["utilisation_percent_max"] for gpu in sampler.summary()["gpus"]] == [30, 60]


def test_sampling_that_costs_much_is_done_seldom() -> None:
    class Costly(FakeNvml):
        def nvmlDeviceGetPowerUsage(self, handle: int) -> int:
            begin = time.thread_time()
            while time.thread_time() - begin < 0.01:
                pass
            return super().nvmlDeviceGetPowerUsage(handle)

    nvml = Costly()
    with ResourceSampler(lambda: nvml, interval=0.001):
        time.sleep(0.4)
    # The first, one more that shows the cost, and the last, of two GPUs; nearly 20 rounds would fit.
    assert nvml.asked <= 6


@pytest.mark.slow
def test_a_driver_that_hangs_does_not_hold_up_the_end_of_a_run() -> None:
    awake = threading.Event()

    class Hanging(FakeNvml):
        def nvmlDeviceGetMemoryInfo(self, handle: int) -> SimpleNamespace:
            awake.wait()
            return super().nvmlDeviceGetMemoryInfo(handle)

    begin = time.monotonic()
    with ResourceSampler(Hanging) as sampler:
        pass
    assert time.monotonic() - begin < 4.0
    assert sampler.summary()["samples"] == 2
    awake.set()
