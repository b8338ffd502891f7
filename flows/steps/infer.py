"""Requests to responses: ask the model what the store does not have, and make each batch durable."""

import json
from collections import Counter, defaultdict
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from time import monotonic, time
from typing import Any

from backends.identity import request_key
from backends.money.purse import Purse, paying
from backends.protocol import Batch, ask
from backends.requests import Call, Request, Response
from backends.telemetry.telemetry import telemetry
from flows.planning import requests_file
from flows.planning.plan import Plan, plan_for
from flows.reporting.reporter import reporter
from flows.specs.evaluation import EvaluationSpec
from flows.steps import account_limit
from flows.steps.step import BudgetSpent, Incomplete, References, step
from flows.steps.worker_context import Origin, asking, plan_of
from flows.storage.files import write_text
from flows.storage.step_files import File


@dataclass(frozen=True, slots=True)
class Piece:
    """The part of a shard that is one task's: rows of its requests file, which is one of its files."""

    task: str
    files: Mapping[str, File]
    start: int
    stop: int

    @property
    def rows(self) -> range:
        return range(self.start, self.stop)


def cut_pieces(prepared: References, shard: range) -> list[Piece]:
    """The part of each task's requests file that is in a shard of them all, one after the other."""
    pieces, first = [], 0
    for name, one in prepared.items():
        start, stop = max(shard.start - first, 0), min(shard.stop - first, one["requests"])
        if start < stop:
            pieces.append(Piece(name, one["files"], start, stop))
        first += one["requests"]
    return pieces


@step("infer", retries=2)
def infer(
    spec: EvaluationSpec, pieces: Sequence[Piece], key: str, origin: Origin | None = None
) -> References:
    """Answer the requests of a shard; by task the counts of those asked now and of those found in the store,
    and the seconds that the model was asked.

    origin: where this process asks for the flow run of another.
    Raises Incomplete, naming the tasks, where some requests have no answer (BudgetSpent where one was not
    asked for that reason); the others' answers are stored, and what became of those is in the file that the
    tasks' references name.
    """
    shard = _Shard.read(plan_for(spec) if origin is None else plan_of(spec, origin), pieces)
    missing = shard.missing()
    kinds = {request.kind for request in missing.values()}
    with (
        account_limit.held(shard.plan, len(missing)),
        asking(shard.plan, origin, kinds) if origin and kinds else nullcontext(),
    ):
        started = monotonic()
        unanswered = shard.answer(missing)
        seconds = monotonic() - started if missing else 0.0
    done = {
        task: {
            "requests": len(keys),
            "asked": len(keys & missing.keys()),
            "seconds": seconds * len(keys & missing.keys()) / max(len(missing), 1),
            "files": {},
        }
        for task, keys in shard.tasks.items()
    }
    if not unanswered:
        return done
    path = shard.plan.steps.unanswered / f"{key}.json"
    write_text(path, json.dumps({key: _why(response) for key, response in unanswered.items()}))
    failures = {
        task: _reason(unanswered, keys) for task, keys in shard.tasks.items() if keys & unanswered.keys()
    }
    unanswered_file = shard.plan.steps.add(path)
    for task in failures:
        done[task]["files"] = {"unanswered": unanswered_file}
    is_spent = any(response.status == "skipped" for response in unanswered.values())
    raise (BudgetSpent if is_spent else Incomplete)(done, failures)


@dataclass(frozen=True, slots=True)
class _Shard:
    """The requests of a shard by their keys, and the keys of each task."""

    plan: Plan
    requests: Mapping[str, Request]
    tasks: Mapping[str, set[str]]

    @classmethod
    def read(cls, plan: Plan, pieces: Sequence[Piece]) -> "_Shard":
        requests: dict[str, Request] = {}
        tasks: dict[str, set[str]] = defaultdict(set)
        for piece in pieces:
            path = plan.steps.fetch_all(piece.files)["requests"]
            for _, _, digest, request in requests_file.read(path, piece.rows):
                answer_key = request_key(plan.model_key, digest)
                if answer_key in requests:
                    reporter().reused(request.kind, 1)
                requests[answer_key] = request
                tasks[piece.task].add(answer_key)
        return cls(plan, requests, tasks)

    def missing(self) -> dict[str, Request]:
        """What the store does not have."""
        stored = self.plan.store.has_many(list(self.requests))
        for kind, count in Counter(self.requests[key].kind for key in stored).items():
            reporter().reused(kind, count)
        return {key: request for key, request in self.requests.items() if key not in stored}

    def answer(self, missing: Mapping[str, Request]) -> dict[str, Response]:
        """Ask for what is missing, kind by kind, and store it batch by batch; gives what has no answer."""
        unanswered: dict[str, Response] = {}
        for kind in dict.fromkeys(request.kind for request in missing.values()):
            keys = [key for key, request in missing.items() if request.kind == kind]
            started = monotonic()
            with closing(self._batches(keys)) as batches:
                for batch in batches:
                    answered = [(keys[position], _timed(response)) for position, response in batch]
                    unanswered |= {key: response for key, response in answered if not response.is_scorable}
                    self._store(answered)
                    reporter().answered(kind, len(batch), monotonic() - started)
                    started = monotonic()
        return unanswered

    def _batches(self, keys: Sequence[str]) -> Generator[Batch, None, None]:
        """Answers as they come; where a budget is spent, the rest is skipped. The first task that has a
        request pays for it."""
        requests, budget = [self.requests[key] for key in keys], self.plan.budget
        if budget is None:
            yield from ask(self.plan.backend, requests)
            return
        payers = {key: task for task in reversed(list(self.tasks)) for key in self.tasks[task]}
        purse = Purse(budget, self.plan.prices, [payers[key] for key in keys])
        asking = _asking if self.plan.backend.capabilities.offers else _metered
        yield from asking(self.plan, requests, purse)

    def _store(self, answered: Sequence[tuple[str, Response]]) -> None:
        """Make answers durable, and tell whoever watches of all."""
        self.plan.store.put_many([pair for pair in answered if pair[1].is_scorable], self.plan.model_key)
        spec = self.plan.spec
        for key, response in answered:
            telemetry().called(self.requests[key], response, spec.model.backend, spec.model.name)


def _asking(plan: Plan, requests: Sequence[Request], purse: Purse) -> Iterator[Batch]:
    """A backend that asks the purse before each call."""
    with paying(purse):
        yield from ask(plan.backend, requests)


def _metered(plan: Plan, requests: Sequence[Request], purse: Purse) -> Iterator[Batch]:
    """A backend of this machine, which is stopped between two batches."""
    left = dict.fromkeys(range(len(requests)))
    if why := purse.spent(left):
        yield [(position, Response(status="skipped", error=why)) for position in left]
        return
    for batch in ask(plan.backend, requests):
        for position, response in batch:
            purse.note(position, response)
            del left[position]
        yield batch
        if left and (why := purse.spent(left)):
            yield [(position, Response(status="skipped", error=why)) for position in left]
            return


def _timed(response: Response) -> Response:
    """The response of a model of this machine with the times of the batch that it was in."""
    if response.call is not None or response.status == "skipped":
        return response
    seconds = response.seconds
    return replace(response, call=Call(enqueued=time() - seconds, finished=seconds))


def _why(response: Response) -> dict[str, Any]:
    call = response.call
    attempts, failures = (call.attempts, call.failures) if call else (0, ())
    return {
        "status": response.status,
        "error": response.error,
        "attempts": attempts,
        "failures": failures,
        "http_status": call.http_status if call else 0,
    }


def _reason(unanswered: Mapping[str, Response], keys: set[str]) -> str:
    own = [unanswered[key] for key in keys if key in unanswered]
    return f"{len(own)} of {len(keys)} requests of a shard have no answer; the first: {own[0].error}"
