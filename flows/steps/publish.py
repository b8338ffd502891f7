"""After the run: each sink gets it, in a step of its own that is tried again and costs the run nothing."""

import logging
from collections.abc import Sequence

from prefect import State, task
from prefect.cache_policies import NO_CACHE
from prefect.task_engine import TaskRunTimeoutError

from flows.common.errors import PublishError, ResultError, SpecError, Unavailable
from flows.reporting.reporter import reporter
from flows.results.evaluation_result import EvaluationResult
from flows.sinks.registry import open_sink
from flows.storage.files import Place

log = logging.getLogger("assay")


# Seconds before the second, third and fourth try of a sink; the last outlasts a minute's rate limit.
DELAYS = (2.0, 15.0, 70.0)
# Of one try, since clients may wait for ever. Half an hour sends some gigabytes.
MOST_SECONDS = 1800.0


def _may_pass(_task: object, _run: object, state: State[object]) -> bool:
    return isinstance(state.result(raise_on_failure=False), Unavailable)


@task(name="publish", cache_policy=NO_CACHE, retry_condition_fn=_may_pass)
def publish(sink: str, folder: str) -> str:
    """Publish the run in a folder; the address it has. Raises PublishError."""
    return open_sink(sink).publish(EvaluationResult.open(folder))


def publish_all(sinks: Sequence[str], folder: Place) -> list[str]:
    """Publish a run to each sink; those that did not get it. Why not, and the way out, is logged."""
    failed = []
    for sink in sinks:
        step = publish.with_options(
            task_run_name=f"publish {sink}".replace("{", "(").replace("}", ")"),
            retries=len(DELAYS),
            retry_delay_seconds=list(DELAYS),
            timeout_seconds=MOST_SECONDS,
        )
        outcome: object = step(sink, str(folder), return_state=True).result(raise_on_failure=False)
        if isinstance(outcome, Exception):
            failed.append(sink)
            log.warning("not published: %s\n%s", _reason(sink, outcome), _way_out(sink, folder))
        else:
            reporter().say(f"published: {outcome}")
    return failed


def _reason(sink: str, error: Exception) -> str:
    match error:
        case TaskRunTimeoutError():
            return f"{sink}: not done after {MOST_SECONDS:g} seconds"
        case PublishError() | ResultError() | SpecError():
            return str(error)
        case _:
            return f"{sink}: {type(error).__name__}: {' '.join(str(error).split())}"


def _way_out(sink: str, folder: Place) -> str:
    return f"The run is whole; to publish it again: python flows/publish.py {folder} --to '{sink}'"
