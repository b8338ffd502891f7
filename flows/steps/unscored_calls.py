"""The calls of tasks that have no score, and of runs that were stopped: what they took was paid, too."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa

from backends.requests import Response
from flows.planning.prepared_requests import PreparedRequests, PreparedTask
from flows.results.calls_file import CallRecord, calls_table, priced, write_calls
from flows.results.cost import RunCost
from flows.results.run_folder import RunFolder
from flows.steps.cost_and_speed import run_cost
from flows.steps.run import Run
from flows.steps.unanswered_file import read_unanswered
from flows.storage.step_files import File

_NEVER_ASKED = Response(status="skipped")


def add_unscored_calls(
    run: Run, folder: RunFolder, tasks: Iterable[PreparedTask], unanswered: Mapping[str, Sequence[File]]
) -> None:
    """Put the calls of prepared tasks into the run's folder. unanswered: by task, the files that say what has
    no answer. Raises ResultError."""
    with TemporaryDirectory(prefix="assay-") as temporary:
        for one in tasks:
            file = Path(temporary) / "calls.parquet"
            write_calls(file, _calls(run, one, unanswered.get(one.task, ())))
            folder.add_calls(one.task, file, run.plan.prices)


def paid(
    run: Run,
    tasks: Sequence[PreparedTask],
    unanswered: Mapping[str, Sequence[File]],
    seconds_asking: float,
) -> RunCost:
    """What the answers to prepared tasks have cost so far, by what came of them. Raises BackendError."""

    def calls(one: PreparedTask) -> pa.Table:
        return priced(calls_table(_calls(run, one, unanswered.get(one.task, ()))), run.plan.prices)

    return run_cost(run.plan, tasks, calls, seconds_asking)


def _calls(run: Run, prepared: PreparedTask, unanswered: Sequence[File]) -> list[CallRecord]:
    """One for each request, whether or not there is an answer."""
    plan = run.plan
    requests = PreparedRequests.of(plan, prepared.whole)
    found = {key: why for file in unanswered for key, why in read_unanswered(plan.steps.fetch(file)).items()}
    for responses in requests.answers(requests.keys):
        found |= responses
    found = {**run.unstored, **found}
    return [
        CallRecord(one.doc_id, one.index, one.request, found.get(one.key, _NEVER_ASKED)) for one in requests
    ]
