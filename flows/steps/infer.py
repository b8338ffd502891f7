"""Requests to responses: ask the model what the store does not have, and make each batch durable."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from backends.identity import request_key
from backends.protocol import ask
from backends.requests import Request, Response
from flows.plan import Plan, plan_for
from flows.progress import reporter
from flows.spec import EvaluationSpec
from flows.steps import requests_file
from flows.steps.step import Incomplete, References, step


@dataclass(frozen=True, slots=True)
class Piece:
    """The part of a shard that is one task's: rows of its requests file."""

    task: str
    path: str
    start: int
    stop: int

    @property
    def rows(self) -> range:
        return range(self.start, self.stop)


@step("infer", retries=2)
def infer(spec: EvaluationSpec, pieces: Sequence[Piece], key: str) -> References:
    """Answer the requests of a shard; counts, by task, of those asked now and of those found in the store.

    Raises Incomplete, naming the tasks, where some requests have no answer; the others' answers are stored.
    """
    plan = plan_for(spec)
    requests: dict[str, Request] = {}
    tasks: dict[str, set[str]] = defaultdict(set)
    for piece in pieces:
        for _, _, digest, request in requests_file.read(Path(piece.path), piece.rows):
            answer_key = request_key(plan.model_key, digest)
            if answer_key in requests:
                reporter().reused(request.kind, 1)
            requests[answer_key] = request
            tasks[piece.task].add(answer_key)
    missing = _missing(plan, requests)
    failed = _answer(plan, missing)
    done = {
        task: {"requests": len(keys), "asked": len(keys & missing.keys())} for task, keys in tasks.items()
    }
    failures = {task: _reason(failed, keys) for task, keys in tasks.items() if keys & failed.keys()}
    if failures:
        raise Incomplete({task: found for task, found in done.items() if task not in failures}, failures)
    return done


def _missing(plan: Plan, requests: Mapping[str, Request]) -> dict[str, Request]:
    stored = plan.store.has_many(list(requests))
    for kind, count in Counter(requests[key].kind for key in stored).items():
        reporter().reused(kind, count)
    return {key: request for key, request in requests.items() if key not in stored}


def _answer(plan: Plan, missing: Mapping[str, Request]) -> dict[str, Response]:
    """Ask for what is missing, kind by kind, and store it batch by batch; what has no answer is returned."""
    failed: dict[str, Response] = {}
    for kind in dict.fromkeys(request.kind for request in missing.values()):
        keys = [key for key, request in missing.items() if request.kind == kind]
        started = monotonic()
        for batch in ask(plan.backend, [missing[key] for key in keys]):
            answered = [(keys[position], response) for position, response in batch]
            failed |= {key: response for key, response in answered if not response.is_scorable}
            plan.store.put_many([pair for pair in answered if pair[1].is_scorable], plan.model_key)
            reporter().answered(kind, len(batch), monotonic() - started)
            started = monotonic()
    return failed


def _reason(failed: Mapping[str, Response], keys: set[str]) -> str:
    own = [failed[key] for key in keys if key in failed]
    return f"{len(own)} of {len(keys)} requests of a shard have no answer; the first: {own[0].error}"
