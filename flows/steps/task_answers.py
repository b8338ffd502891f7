"""The answers to a prepared task: its requests, and what store or record of failures say of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path

from backends.requests import Response
from flows.planning.plan import Plan
from flows.planning.prepared_requests import PreparedRequests, PreparedTask
from flows.results.calls_file import CallRecord
from flows.steps.unanswered_file import read_unanswered
from flows.storage.step_files import File
from tasks_lib.errors import TaskError


@dataclass(frozen=True)
class TaskAnswers:
    """requests: the requests file. calls: one for each of its rows."""

    requests: Path
    calls: Sequence[CallRecord]

    @cached_property
    def docs(self) -> int:
        """How many documents were asked about."""
        return len(self._by_document)

    @cached_property
    def docs_answered(self) -> int:
        """How many documents have answers to all their requests."""
        return len(self._answered)

    @property
    def of_answered(self) -> list[Response]:
        """The answers of those documents."""
        return [response for own in self._answered for response in own]

    def count(self, status: str) -> int:
        """How many requests have this status."""
        return sum(call.response.status == status for call in self.calls)

    def check_coverage(self, task: str, least: float) -> None:
        """Raise TaskError where too few documents have an answer."""
        if not self.docs_answered or self.docs_answered < least * self.docs:
            error = next(call.response.error for call in self.calls if not call.response.is_scorable)
            raise TaskError(
                f"{task}: {self.docs - self.docs_answered} of {self.docs} documents have no answer, "
                f"more than --min-coverage {least:g} allows; the first: {error}"
            )

    @cached_property
    def _by_document(self) -> list[list[Response]]:
        by_doc = groupby(self.calls, key=lambda call: call.doc_id)
        return [[call.response for call in own] for _, own in by_doc]

    @cached_property
    def _answered(self) -> list[list[Response]]:
        return [own for own in self._by_document if all(response.is_scorable for response in own)]


def read_answers(plan: Plan, prepared: PreparedTask, unanswered: Sequence[File]) -> TaskAnswers:
    """What there is for the requests of a task. unanswered: the files that say what has no answer, and why.

    Raises TaskError where answers are missing that were there before.
    """
    requests = PreparedRequests.of(plan, prepared.whole)
    found = {key: why for file in unanswered for key, why in read_unanswered(plan.steps.fetch(file)).items()}
    for responses in requests.answers(requests.keys):
        found |= responses
    if lost := len(set(requests.keys) - found.keys()):
        raise TaskError(f"{prepared.task}: {lost} answers are no longer in the response store; run again")
    calls = [CallRecord(one.doc_id, one.index, one.request, found[one.key]) for one in requests]
    return TaskAnswers(requests.path, calls)
