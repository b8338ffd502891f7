"""A made-up answer that is scored before questions are asked: what scoring needs, and what it gives, shows.

A task imports packages, reads data or starts programs within the functions that score. Without a trial that
would be missed only after all was asked and paid.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from backends.requests import Request, Response
from metrics.errors import MetricError
from tasks_lib.code.import_failures import is_of_surroundings
from tasks_lib.code.random_state import undisturbed
from tasks_lib.errors import TaskError
from tasks_lib.prompts.request_builder import DocRequests
from tasks_lib.scoring.scorer import Answered, Sample
from tasks_lib.task import Task

# Documents that are tried, from all over the task: what scoring needs may depend on the document.
DOCUMENTS = 8
_TEXTS = ("The answer is (A). #### 1", "1", "")


@dataclass
class TriedDocuments:
    """Iterates over a task's documents with their requests, and keeps those that are tried."""

    task: Task
    kept: list[DocRequests] = field(default_factory=list)

    def __iter__(self) -> Iterator[DocRequests]:
        every = max(1, len(self.task.builder.selected) // DOCUMENTS)
        for number, one in enumerate(self.task.builder):
            if number % every == 0 and len(self.kept) < DOCUMENTS:
                self.kept.append(one)
            yield one

    def score(self, *, compat: bool) -> Sequence[Sample]:
        """Samples of made-up answers; none where no answer that is made up can be scored here.

        Raises TaskError where scoring lacks something that is not here, whatever the answer says, and where
        it fails in the same way for every answer to the first document.
        """
        if not self.kept:
            return ()
        with undisturbed():
            first, *others = self.kept
            samples = self._first(first)
            for one in others:
                self._scored(one, _TEXTS[0])
            if samples:
                self._aggregate(samples, compat)
        return samples

    def _first(self, one: DocRequests) -> Sequence[Sample]:
        errors = []
        for text in self._texts(one):
            found = self._scored(one, text)
            if not isinstance(found, Exception):
                return found
            errors.append(found)
        if len({str(error) for error in errors}) == 1:  # it is not the answer that is wrong
            raise errors[0]
        return ()

    def _texts(self, one: DocRequests) -> Sequence[str]:
        """Answers as they may be; first of all the right one, where that is a text."""
        target = self.task.scorer.target(one.doc_id, one.doc)
        return [*([target] if isinstance(target, str) else []), *_TEXTS]

    def _scored(self, one: DocRequests, text: str) -> Sequence[Sample] | Exception:
        """The samples of an answer, or why there are none. Raises it where another answer would not help."""
        repeats = self.task.builder.repeats
        responses = [
            [_answer(request, number, text)] * repeats for number, request in enumerate(one.requests, start=1)
        ]
        try:
            return list(self.task.scorer.samples([Answered(one, responses)]))
        except (TaskError, MetricError) as error:
            if is_of_surroundings(error):
                raise
            return error

    def _aggregate(self, samples: Sequence[Sample], compat: bool) -> None:
        """One document may be too few for a task's own aggregation, which says nothing of many."""
        try:
            self.task.scorer.aggregate(samples, compat=compat)
        except (TaskError, MetricError) as error:
            if is_of_surroundings(error):
                raise


def _answer(request: Request, number: int, text: str) -> Response:
    if request.kind == "generate_until":
        return Response(text=text)
    return Response(logprob=-float(number), is_greedy=False)
