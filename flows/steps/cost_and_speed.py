"""What a run took: money, and how fast its model answered, of each task and of all together."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import compute

from backends.money.estimates import Experience
from flows.planning import call_history
from flows.planning.plan import Plan
from flows.planning.prepared_requests import PreparedRequests, PreparedTask
from flows.results.call_totals import COLUMNS, TOKENS, CallTotals
from flows.results.cost import Cost, RunCost
from flows.results.performance import Performance, RunPerformance
from flows.results.run_folder import RunFolder

_COLUMNS = ["prompt_bytes", "asked", "usd", *COLUMNS.names]


@dataclass(frozen=True, slots=True)
class TaskAccount:
    """What the calls of a task took. own_costs: by the model that was asked, None where none was; of the
    calls that no task before has."""

    totals: CallTotals
    cost: Cost
    own_costs: Mapping[str | None, Cost]
    experience: Experience

    @classmethod
    def of(cls, task: str, calls: pa.Table, are_own: npt.NDArray[np.bool_]) -> "TaskAccount":
        timed = calls.filter(compute.is_valid(calls["enqueued"]))  # answers of old stores have no times
        own = calls.filter(pa.array(are_own))
        names = compute.unique(own["asked"]).to_pylist()
        costs = {name: _cost(own.filter(_is(own["asked"], name))) for name in names}
        return cls(CallTotals.of(timed), _cost(calls), costs, call_history.experience_of(task, timed))


def accounts(
    plan: Plan,
    folder: RunFolder,
    tasks: Sequence[PreparedTask],
    scored: Collection[str],
    seconds_asking: float,
) -> tuple[RunPerformance, RunCost]:
    """Of the calls in a run's folder: how fast those of scored tasks were, and what all cost.

    seconds_asking: in which the model was asked in this run. The calls of one task are in memory at a time.
    """
    taken = _taken(plan, tasks, lambda one: folder.read_calls(one.task, _COLUMNS))
    timed = {task: one for task, one in taken.items() if task in scored}
    nothing = CallTotals.of(COLUMNS.empty_table())
    target = plan.spec.latency_target
    run = Performance.of(CallTotals.together([nothing, *(one.totals for one in timed.values())]), target)
    call_history.save(plan, [one.experience for one in timed.values()], run.requests_per_second)
    performance = RunPerformance(
        run, {task: Performance.of(one.totals, target) for task, one in timed.items()}
    )
    return performance, _cost_of(plan, taken, seconds_asking)


def run_cost(
    plan: Plan,
    tasks: Sequence[PreparedTask],
    calls: Callable[[PreparedTask], pa.Table],
    seconds_asking: float,
) -> RunCost:
    """What the calls of tasks cost. calls: those of one, with what each cost."""
    return _cost_of(plan, _taken(plan, tasks, calls), seconds_asking)


def _taken(
    plan: Plan, tasks: Sequence[PreparedTask], calls: Callable[[PreparedTask], pa.Table]
) -> dict[str, TaskAccount]:
    return {
        one.task: TaskAccount.of(one.task, calls(one), are_own)
        for one, are_own in zip(tasks, _are_own(plan, tasks), strict=True)
    }


def _cost_of(plan: Plan, taken: Mapping[str, TaskAccount], seconds_asking: float) -> RunCost:
    return RunCost(
        run=_total(cost for one in taken.values() for cost in one.own_costs.values()),
        tasks={task: one.cost for task, one in taken.items()},
        models={asked: _total(_of_model(taken, asked)) for asked in _names(taken)},
        prices={asked: price.source if price else None for asked, price in plan.prices.items()},
        machine_usd=_machine(plan, seconds_asking),
    )


def _are_own(plan: Plan, tasks: Sequence[PreparedTask]) -> Sequence[npt.NDArray[np.bool_]]:
    """Which requests of each task ask what no request before them asks, so that one answer counts once.

    64 bits of a digest tell the requests of any run apart, and those of ten million take 80 MB.
    """
    digests = [
        np.array(
            [int(one[:16], 16) for one in PreparedRequests.of(plan, task.whole).digests], dtype=np.uint64
        )
        for task in tasks
    ]
    together = np.concatenate([np.empty(0, dtype=np.uint64), *digests])
    are_own = np.zeros(len(together), dtype=np.bool_)
    are_own[np.unique(together, return_index=True)[1]] = True
    return np.split(are_own, np.cumsum([len(own) for own in digests])[:-1]) if digests else []


def _is(column: pa.ChunkedArray, name: str | None) -> pa.ChunkedArray:
    return compute.is_null(column) if name is None else compute.equal(column, name)


def _cost(calls: pa.Table) -> Cost:
    tokens = {f"tokens_{name}": compute.sum(calls[f"tokens_{name}"]).as_py() or 0 for name in TOKENS}
    known = calls["usd"].null_count == 0
    return Cost(**tokens, usd=(compute.sum(calls["usd"]).as_py() or 0.0) if known else None)


def _total(costs: Iterable[Cost]) -> Cost:
    return sum(costs, Cost())


def _names(taken: Mapping[str, TaskAccount]) -> list[str]:
    """The models that were asked by name, as endpoints' are."""
    return sorted({name for one in taken.values() for name in one.own_costs if name})


def _of_model(taken: Mapping[str, TaskAccount], asked: str) -> Iterable[Cost]:
    return (one.own_costs[asked] for one in taken.values() if asked in one.own_costs)


def _machine(plan: Plan, seconds_asking: float) -> float | None:
    """What the time cost in which a model of this machine was asked; None without a price."""
    price = plan.prices.get("")
    return None if price is None else price.hour * seconds_asking / 3600
