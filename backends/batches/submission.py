"""One call of the backend: its requests are handed in, but for those in a batch already, and their answers
collected.

A request is in one batch at a time, and among the pending ones until its answer is stored or another batch
has it.
"""

import logging
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from backends.batches.api import BatchApi
from backends.batches.files import Line, by_name, line_of, parts
from backends.batches.options import BatchOptions
from backends.batches.payments import BatchedRequest, Payments
from backends.batches.pending_batches import Failures, PendingBatch, PendingBatches
from backends.batches.reading import Reader
from backends.batches.state import State
from backends.calls.endpoint_options import merged_body
from backends.calls.failure import RETRIED, CallFailed
from backends.endpoints.parameters import Parameters
from backends.endpoints.prompt import Prompt
from backends.endpoints.question import Question
from backends.errors import BackendStopped
from backends.money.budget import Spent
from backends.money.purse import also_taken, usage_of
from backends.protocol import AskContext, Batch
from backends.requests import Request, Response

log = logging.getLogger("assay")

# An account that has too much in its batches is tried again after `poll`, then after twice as long, up to
# this: room comes when a batch ends, which takes minutes, and OpenAI takes 2,000 new ones an hour.
_LONGEST_REST = 600.0  # seconds
# How long after its end a batch may name its file of answers, and that of lines that failed, which not all
# endpoints have.
_ANSWERS_NAMED, _FAILURES_NAMED = 600.0, 60.0  # seconds
# How often the files of a batch are read of which a line is broken or missing.
_LOOKS = 3
_NOTHING = Response(status="failed")


@dataclass(frozen=True, slots=True)
class ModelBatches:
    """What all submissions of one model share. question: the call that a prompt of a request is put in.
    parameters: what of its body is not taken."""

    api: BatchApi
    pending: PendingBatches
    reader: Reader
    question: Callable[[Request, Prompt], Question]
    parameters: Parameters
    options: BatchOptions


class Submission:
    """The requests of one call of the backend, by digest, until each is answered."""

    def __init__(
        self,
        model: ModelBatches,
        wanted: Mapping[str, BatchedRequest],
        payments: Payments,
        context: AskContext,
    ) -> None:
        self._model = model
        self._wanted = wanted
        self._payments = payments
        self._context = context
        self._left: dict[str, Failures] = dict.fromkeys(wanted, ())
        self._open: dict[str, PendingBatch] = {}
        self._collected = set[str]()
        self._ended_at: dict[str, float] = {}
        self._paid: dict[str, Response] = {}
        self._rest = model.options.poll
        self._not_before = 0.0

    def answers(self) -> Iterator[Batch]:
        """Answers by position, a batch's together. They are taken for durable when the next are asked for."""
        try:
            while self._left or self._open:
                self._context.check_going_on()
                if skipped := self._hand_in():
                    yield self._placed(skipped)
                ended = self._ended()
                for pending, state in ended:
                    if answers := self._answered(pending, state):
                        yield self._placed(answers)
                        with self._model.pending.locked():
                            self._model.pending.forget(answers.keys())
                if not ended and (self._left or self._open):
                    self._context.rest(self._model.options.poll)
        finally:
            self._payments.release_all()
            self._tell_what_goes_on()

    # Handing in

    def _hand_in(self) -> dict[str, Response]:
        """See that what is left is in a batch, as far as the budget goes; what it has nothing for is answered
        so, and what has to wait for answers that are out stays."""
        if not self._left or time.monotonic() < self._not_before:
            return {}
        with self._model.pending.locked():
            self._join_batches()
            verdicts = {digest: self._payments.reserve(digest, self._wanted[digest]) for digest in self._left}
            granted = [digest for digest, verdict in verdicts.items() if verdict is None]
            for part in parts((digest, self._line(digest)) for digest in granted):
                self._make_batch(part)
        skipped = {digest: verdict.why for digest, verdict in verdicts.items() if isinstance(verdict, Spent)}
        for digest in skipped:
            del self._left[digest]
        return {digest: Response(status="skipped", error=why) for digest, why in skipped.items()}

    def _join_batches(self) -> None:
        """Wait for batches that hold some of what is left: of an earlier start, or of another submission."""
        for pending in self._model.pending.all():
            mine = pending.only(self._left.keys()).failures.keys()
            if not mine or pending.marker in self._collected:
                continue
            made = pending if pending.batch is not None else self._found(pending)
            if made is None:
                self._left |= pending.only(mine).failures
                continue
            for digest in mine:
                self._payments.reserve(digest, self._wanted[digest])
                del self._left[digest]
            self._open[made.marker] = made.only(mine)
            log.info("batch %s has %d of the requests already", made.batch, len(mine))

    def _found(self, intent: PendingBatch) -> PendingBatch | None:
        """The batch of an intent whose process died; without one the intent is forgotten."""
        batch = self._model.api.find(intent.marker, intent.created)
        if batch is None:
            self._model.pending.remove(intent)
            return None
        return self._made(intent, batch)

    def _make_batch(self, lines: Mapping[str, bytes]) -> None:
        """Hand in one file. What is left is taken out only now, so that it is never in no place at all."""
        failures = {digest: self._left[digest] for digest in lines}
        intent = PendingBatch(marker=str(uuid.uuid4()), created=time.time(), failures=failures)
        self._model.pending.add(intent)
        file = self._model.api.upload(b"".join(lines.values()))
        path = self._question(next(iter(lines))).path
        batch = self._model.api.create(file, path, intent.marker, intent.created)
        self._open[intent.marker] = self._made(intent, batch)
        for digest in lines:
            del self._left[digest]
        log.info("batch %s: %d requests handed in", batch, len(lines))

    def _made(self, intent: PendingBatch, batch: str) -> PendingBatch:
        made = intent.model_copy(update={"batch": batch})
        self._model.pending.write(made)
        return made

    def _line(self, digest: str) -> bytes:
        question = self._question(digest)
        return line_of(digest, question.path, merged_body(dict(question.body), self._model.options))

    def _question(self, digest: str) -> Question:
        wanted = self._wanted[digest]
        return self._model.question(wanted.request, wanted.prompt)

    # Collecting

    def _ended(self) -> list[tuple[PendingBatch, State]]:
        looked = [(pending, self._look(pending)) for pending in self._open.values()]
        return [
            (pending, state)
            for pending, state in looked
            if state.has_ended and not self._is_late(pending, state)
        ]

    def _is_late(self, pending: PendingBatch, state: State) -> bool:
        """Whether to wait for files of a batch that has ended, which may be named a while after. Raises
        BackendStopped where its answers' is not named: they are paid for, and handed in again would be so
        twice."""
        if not (state.lacks_answers or state.lacks_failures):
            return False
        since = self._ended_at.setdefault(pending.marker, time.monotonic())
        waited = time.monotonic() - since
        if state.lacks_answers and waited >= _ANSWERS_NAMED:
            raise BackendStopped(
                f"{state}, and has not named its file of answers for {waited:.0f} s; the same command "
                "collects them once it has"
            )
        return waited < (_ANSWERS_NAMED if state.lacks_answers else _FAILURES_NAMED)

    def _lines(self, state: State) -> dict[str, Line]:
        """The lines of a batch by name, read again where not all of them are there or whole."""
        for look in range(_LOOKS):
            lines = [line for file in state.files for line in self._model.api.lines(file)]
            if state.is_whole(lines) or look == _LOOKS - 1:
                break
            self._context.rest(self._model.options.poll)
        if nameless := sum(not line.name for line in lines):
            log.warning("%s: %d lines of its files cannot be read", state, nameless)
        return by_name(lines)

    def _look(self, pending: PendingBatch) -> State:
        assert pending.batch is not None, "only batches that were made are waited for"
        with self._remembered(pending):
            return self._model.api.look(pending.batch)

    def _answered(self, pending: PendingBatch, state: State) -> dict[str, Response]:
        """The answers of a batch that has ended; what may yet be answered is left for another one."""
        if state.was_too_much:
            self._close(pending)
            self._come_back_later(pending, state)
            return {}
        with self._remembered(pending):
            lines = self._lines(state)
        self._close(pending)
        answers: dict[str, Response] = {}
        sent = {digest: frozenset(self._question(digest).body) for digest in pending.failures}
        for digest, past in pending.failures.items():
            reader, question = self._model.reader, self._question(digest)
            try:
                response = reader.read(question, lines.get(digest), state)
            except CallFailed as error:
                if self._model.parameters.learn(error.failure, sent[digest]):
                    self._left[digest] = past
                    self._payments.release(digest)
                    continue
                response = reader.without_answer(question, error)
                past = (*past, error.failure.kind)
                if self._may_be_answered(past):
                    self._left[digest] = past
                    self._payments.settle(digest, self._wanted[digest], response)
                    self._paid[digest] = also_taken(response, usage_of(self._paid.get(digest, _NOTHING)))
                    continue
            response = reader.timed(response, pending.created, past)
            self._payments.settle(digest, self._wanted[digest], response)
            answers[digest] = also_taken(response, usage_of(self._paid.pop(digest, _NOTHING)))
        return answers

    def _may_be_answered(self, failures: Failures) -> bool:
        """Whether a request goes into another batch: an answer that came and cannot be read is paid for, and
        asked for once more only."""
        *_, last = failures
        is_paid_twice = failures.count("malformed") > 1
        return last in RETRIED and not is_paid_twice and len(failures) < self._model.options.max_tries

    def _come_back_later(self, pending: PendingBatch, state: State) -> None:
        """Nothing of it was asked: its requests are handed in once the account has room."""
        log.warning("%s; it is handed in again in %g s", state, self._rest)
        self._not_before = time.monotonic() + self._rest
        self._rest = min(2 * self._rest, _LONGEST_REST)
        self._left |= pending.failures
        for digest in pending.failures:
            self._payments.release(digest)

    def _close(self, pending: PendingBatch) -> None:
        del self._open[pending.marker]
        self._collected.add(pending.marker)

    # Telling

    @contextmanager
    def _remembered(self, pending: PendingBatch) -> Iterator[None]:
        """Say, where a batch is refused to us, how to do without it."""
        try:
            yield
        except BackendStopped as error:
            path = self._model.pending.path(pending.marker)
            raise BackendStopped(
                f"{error} (batch {pending.batch}; it belongs to the key that it was handed in with, and "
                f"without {path} its requests are asked, and paid for, again)"
            ) from error

    def _placed(self, answers: Mapping[str, Response]) -> Batch:
        return [
            (position, response)
            for digest, response in answers.items()
            for position in self._wanted[digest].positions
        ]

    def _tell_what_goes_on(self) -> None:
        if self._open:
            log.warning(
                "%d requests in batches (%s) go on without us; the same command collects their answers",
                sum(len(pending.failures) for pending in self._open.values()),
                ", ".join(str(pending.batch) for pending in self._open.values()),
            )
