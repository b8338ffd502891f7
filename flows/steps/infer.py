"""Requests to responses: ask the model what the store does not have, and make each batch durable."""

from collections import Counter, defaultdict
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from time import monotonic, time

from prefect import State

from backends.errors import BackendError
from backends.money.purse import Purse
from backends.protocol import AskContext, Batch, ask
from backends.requests import Call, Request, Response
from backends.stop_sign import PartSign, Sign, Stopped, StopSign
from backends.store.answerers import names
from backends.telemetry.telemetry import telemetry
from flows.planning.kept_model import turn
from flows.planning.plan import Plan
from flows.planning.prepared_requests import Piece, PreparedRequests, answered
from flows.steps import account_limit
from flows.steps.records import ShardResult, TaskShare
from flows.steps.run import Run, RunAddress, load_for, run_at
from flows.steps.step import ended, step
from flows.steps.stop_mark import StopMark
from flows.steps.unanswered_file import write_unanswered
from flows.storage.step_files import File


@step("infer", retries=2)
def infer(
    run: Run | RunAddress,
    pieces: Sequence[Piece],
    key: str,
    stop: Sign | None = None,
) -> ShardResult | State[ShardResult]:
    """Answer the requests of a shard, those that have no answer in the store. Answers are stored as they
    come; what has none is said in a file that the tasks' shares name.

    run: its address, where this process asks for the flow run of another. stop: the sign of a run of this
    process that its answers are wanted no more.
    """
    opened = run_at(run) if isinstance(run, RunAddress) else run
    sign = StopMark(opened.plan.steps, run.start, key) if isinstance(run, RunAddress) else stop
    shard = _Shard.read(opened, pieces)
    missing, unanswered, seconds = shard.missing(), dict[str, Response](), 0.0
    if missing:
        with account_limit.held(shard.plan, len(missing)) as places, turn(shard.plan.backend):
            if sign is not None and sign.is_set():
                raise Stopped
            if isinstance(run, RunAddress):
                load_for(opened, frozenset(request.kind for request in missing.values()))
            started = monotonic()
            unanswered = shard.answer(list(missing), shard.context(places, sign))
            seconds = monotonic() - started
    return ended(shard.result(missing, unanswered, seconds, key))


@dataclass(frozen=True, slots=True)
class _Shard:
    """The requests of a shard by their keys, the keys of each task, and which task pays for a request: the
    first that has it."""

    run: Run
    requests: Mapping[str, Request]
    tasks: Mapping[str, set[str]]
    payers: Mapping[str, str]

    @classmethod
    def read(cls, run: Run, pieces: Sequence[Piece]) -> "_Shard":
        requests: dict[str, Request] = {}
        tasks: dict[str, set[str]] = defaultdict(set)
        payers: dict[str, str] = {}
        for piece in pieces:
            for one in PreparedRequests.of(run.plan, piece):
                if one.key in requests:
                    run.reporter.reused(one.request.kind, 1)
                requests[one.key] = one.request
                tasks[piece.task].add(one.key)
                payers.setdefault(one.key, piece.task)
        return cls(run, requests, tasks, payers)

    @property
    def plan(self) -> Plan:
        return self.run.plan

    def missing(self) -> dict[str, Request]:
        """What the store does not have."""
        stored = answered(self.plan, list(self.requests))
        for kind, count in Counter(self.requests[key].kind for key in stored).items():
            self.run.reporter.reused(kind, count)
        return {key: request for key, request in self.requests.items() if key not in stored}

    def result(
        self, missing: Collection[str], unanswered: Mapping[str, Response], seconds: float, key: str
    ) -> ShardResult:
        """What became of the shard. key: of the step, which names the file of what has no answer."""
        asked = Counter(self.payers[one] for one in missing)
        failed = {
            task: _reason(unanswered, own) for task, own in self.tasks.items() if own & unanswered.keys()
        }
        files = [self._note(unanswered, key)] if unanswered else []
        done = {
            task: TaskShare(
                requests=len(own),
                asked=asked[task],
                seconds=seconds * asked[task] / max(len(missing), 1),
                unanswered=files if task in failed else [],
            )
            for task, own in self.tasks.items()
        }
        is_spent = any(response.status == "skipped" for response in unanswered.values())
        return ShardResult(done, failed, "budget" if is_spent else None)

    def _note(self, unanswered: Mapping[str, Response], key: str) -> File:
        """Write down why requests have no answer."""
        path = self.plan.steps.unanswered / f"{key}.json"
        write_unanswered(path, unanswered)
        return self.plan.steps.add(path)

    def context(self, places: int | None, stop: Sign | None) -> AskContext:
        """What holds while the shard is asked."""
        spec, plan = self.plan.spec, self.plan
        # What a server that is started for the run has is known by its files, wherever these lie now.
        is_known = spec.reuse or not plan.backend.capabilities.offers
        known = {} if is_known else names(plan.store.answerers(plan.model_key))
        refuses_cut = spec.truncate == "refuse"
        return AskContext(
            places=places, stop=stop, known=known, generation=spec.ask_anew, refuses_cut=refuses_cut
        )

    def answer(self, keys: Sequence[str], context: AskContext) -> dict[str, Response]:
        """Ask for what is missing, and store it batch by batch; gives what has no answer. Raises BackendError
        where answers cannot be stored, when those of the calls in flight have come."""
        unanswered: dict[str, Response] = {}
        sign = PartSign(context.stop or StopSign())
        started = monotonic()
        with closing(self._batches(keys, replace(context, stop=sign))) as batches:
            for batch in batches:
                answered = _by_key(keys, batch)
                unanswered |= {
                    key: response for key, response in answered.items() if not response.is_scorable
                }
                try:
                    self._store(answered)
                except BackendError:
                    sign.set()
                    self.run.unstored |= unanswered | answered
                    self._note_the_rest(keys, batches)
                    raise
                seconds = monotonic() - started
                for kind, count in Counter(self.requests[key].kind for key in answered).items():
                    self.run.reporter.answered(kind, count, seconds * count / len(answered))
                started = monotonic()
        return unanswered

    def _note_the_rest(self, keys: Sequence[str], batches: Iterator[Batch]) -> None:
        """Keep what the calls in flight give, for their cost, where nothing can be stored any more."""
        with suppress(Stopped, BackendError):
            for batch in batches:
                self.run.unstored |= _by_key(keys, batch)

    def _batches(self, keys: Sequence[str], context: AskContext) -> Generator[Batch, None, None]:
        """Answers as they come; where a budget is spent, the rest is skipped."""
        backend, budget = self.plan.backend, self.plan.budget
        requests = [self.requests[key] for key in keys]
        if budget is None:
            yield from ask(backend, requests, context)
            return
        purse = Purse(budget, self.plan.prices, [self.payers[key] for key in keys])
        if backend.capabilities.offers:
            yield from ask(backend, requests, replace(context, purse=purse))
        else:
            yield from _metered(ask(backend, requests, context), len(keys), purse)

    def _store(self, answered: Mapping[str, Response]) -> None:
        """Make answers durable, and tell whoever watches of all."""
        scorable = [pair for pair in answered.items() if pair[1].is_scorable]
        self.plan.store.put_many(scorable, self.plan.model_key)
        spec = self.plan.spec
        for key, response in answered.items():
            telemetry().called(self.requests[key], response, spec.model.backend, spec.model.name)


def _metered(batches: Iterator[Batch], count: int, purse: Purse) -> Iterator[Batch]:
    """The answers of a model of this machine, which is stopped between two batches."""
    left = dict.fromkeys(range(count))
    if why := purse.spent(left):
        yield [(position, Response(status="skipped", error=why)) for position in left]
        return
    for batch in batches:
        for position, response in batch:
            purse.note(position, response)
            del left[position]
        yield batch
        if left and (why := purse.spent(left)):
            yield [(position, Response(status="skipped", error=why)) for position in left]
            return


def _by_key(keys: Sequence[str], batch: Batch) -> dict[str, Response]:
    return {keys[position]: _timed(response) for position, response in batch}


def _timed(response: Response) -> Response:
    """The response of a model of this machine with the times of the batch that it was in."""
    if response.call is not None or response.status == "skipped":
        return response
    seconds = response.seconds
    return replace(response, call=Call(enqueued=time() - seconds, finished=seconds))


def _reason(unanswered: Mapping[str, Response], keys: set[str]) -> str:
    own = [unanswered[key] for key in keys if key in unanswered]
    return f"{len(own)} of {len(keys)} requests of a shard have no answer; the first: {own[0].error}"
