"""The plan that a run is started with, for its flow: Prefect hands a flow plain values only."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from flows.pipeline.readiness import checked_and_loaded
from flows.planning.plan import Plan
from flows.specs.evaluation import EvaluationSpec


@dataclass
class HandedOver:
    """A plan on its way into a flow. ended_in: the run's folder, once all is done, whatever Prefect knows."""

    plan: Plan
    ended_in: str | None = None


_handed_over: ContextVar[HandedOver | None] = ContextVar("plan", default=None)


@contextmanager
def handing_over(plan: Plan) -> Iterator[HandedOver]:
    """The flow that is called within the block, by this thread, gets this plan."""
    given = HandedOver(plan)
    token = _handed_over.set(given)
    try:
        yield given
    finally:
        _handed_over.reset(token)


def opened_plan(spec: EvaluationSpec) -> Plan:
    """The plan that was handed over; a new one where a worker has started the flow. Raises what
    `checked_and_loaded` raises."""
    given = handed_over()
    return given.plan if given else checked_and_loaded(Plan.of(spec))


def handed_over() -> HandedOver | None:
    """What was handed to the current flow; None in one that a worker has started."""
    return _handed_over.get()
