"""The answers to a prepared task: its requests, and what store or record of failures say of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from flows.planning.plan import Plan
from flows.planning.prepared_requests import PreparedRequests, PreparedTask
from flows.results.calls_file import CallRecord
from flows.steps.unanswered_file import read_unanswered
from flows.storage.step_files import File
from tasks_lib.doc import Doc
from tasks_lib.errors import TaskError
from tasks_lib.prompts.request_builder import DocRequests
from tasks_lib.scoring.scorer import Answered


@dataclass(frozen=True, slots=True)
class TaskAnswers:
    """answered: the documents all of whose requests have answers. calls: all requests. docs: how many
    documents were asked about."""

    answered: Sequence[Answered]
    calls: Sequence[CallRecord]
    docs: int

    def count(self, status: str) -> int:
        """How many requests have this status."""
        return sum(call.response.status == status for call in self.calls)

    def check_coverage(self, task: str, least: float) -> None:
        """Raise TaskError where too few documents have an answer."""
        if not self.answered or len(self.answered) < least * self.docs:
            error = next(call.response.error for call in self.calls if not call.response.is_scorable)
            raise TaskError(
                f"{task}: {self.docs - len(self.answered)} of {self.docs} documents have no answer, "
                f"more than --min-coverage {least:g} allows; the first: {error}"
            )


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
    docs = plan.task(prepared.task).builder.selected
    by_doc = [(doc_id, list(own)) for doc_id, own in groupby(calls, key=lambda call: call.doc_id)]
    answered = [
        _answered(docs[doc_id], doc_id, own)
        for doc_id, own in by_doc
        if all(call.response.is_scorable for call in own)
    ]
    return TaskAnswers(answered, calls, len(by_doc))


def _answered(doc: Doc, doc_id: int, calls: Sequence[CallRecord]) -> Answered:
    requests, repeats = [], []
    for _, same in groupby(calls, key=lambda call: call.index):
        own = list(same)
        requests.append(own[0].request)
        repeats.append([call.response for call in own])
    return Answered(DocRequests(doc_id, doc, requests), repeats)
