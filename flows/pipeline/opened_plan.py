"""The plan that a run is started with, for its flow: Prefect hands a flow plain values only."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from flows.pipeline.readiness import checked_and_loaded
from flows.planning.plan import Plan
from flows.specs.evaluation import EvaluationSpec

_handed_over: ContextVar[Plan | None] = ContextVar("plan", default=None)


@contextmanager
def handing_over(plan: Plan) -> Iterator[None]:
    """The flow that is called within the block, by this thread, gets this plan."""
    token = _handed_over.set(plan)
    try:
        yield
    finally:
        _handed_over.reset(token)


def opened_plan(spec: EvaluationSpec) -> Plan:
    """The plan that was handed over; a new one where a worker has started the flow. Raises what
    `checked_and_loaded` raises."""
    return _handed_over.get() or checked_and_loaded(Plan.of(spec))
