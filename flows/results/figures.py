"""What a run took: money, and how fast its model answered, of each task and of all together."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
from pyarrow import compute

from flows.experience import remember
from flows.plan import Plan
from flows.results.calls import SCHEMA
from flows.results.performance import COLUMNS, performance
from flows.results.run_folder import RunFolder

# What figures are made of. All calls of a run are in memory at once for it, so that nothing else is read.
_COLUMNS = ["prompt_bytes", "asked", "usd", *COLUMNS.names]
_EMPTY = SCHEMA.append(pa.field("usd", pa.float64())).empty_table().select(_COLUMNS)


def figures(plan: Plan, folder: RunFolder, tasks: Sequence[str], facts: Mapping[str, Any]) -> dict[str, Any]:
    """The parts `performance` and `cost` of a run's results, from the calls in its folder."""
    calls = {task: folder.read_calls(task, _COLUMNS) for task in tasks}
    everything = pa.concat_tables([_EMPTY, *calls.values()])
    remember(plan, calls)
    target = plan.spec.latency_target
    return {
        "performance": {
            "run": performance(_timed(everything), target),
            "tasks": {task: performance(_timed(own), target) for task, own in calls.items()},
        },
        "cost": {
            "run": _cost(everything),
            "tasks": {task: _cost(own) for task, own in calls.items()},
            "models": {asked: _cost(_asked(everything, asked)) for asked in _names(everything)},
            "prices": {asked: price.source if price else None for asked, price in plan.prices.items()},
            "machine_usd": _machine(plan, facts),
        },
    }


def _timed(calls: pa.Table) -> pa.Table:
    """Those whose times are known: answers of old stores have none."""
    return calls.filter(compute.is_valid(calls["enqueued"]))


def _asked(calls: pa.Table, asked: str) -> pa.Table:
    return calls.filter(compute.equal(calls["asked"], asked))


def _names(calls: pa.Table) -> list[str]:
    return sorted(name for name in compute.unique(calls["asked"]).to_pylist() if name)


def _cost(calls: pa.Table) -> dict[str, Any]:
    """Tokens and money; the money is None where the price of any of the calls is not known."""
    known = calls["usd"].null_count == 0
    totals = {
        name: compute.sum(calls[name]).as_py() or 0 for name in ("tokens_in", "tokens_out", "tokens_cached")
    }
    return {**totals, "usd": (compute.sum(calls["usd"]).as_py() or 0.0) if known else None}


def _machine(plan: Plan, facts: Mapping[str, Any]) -> float | None:
    """What the time cost in which a model of this machine was asked in this run; None without a price."""
    price = plan.prices.get("")
    return None if price is None else price.hour * facts["seconds_asking"] / 3600
