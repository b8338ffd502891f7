"""lm-eval beside Assay, in one process on the same models and data, and what differs between their runs."""

import contextlib
import json
import math
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import datasets
from lm_eval import simple_evaluate
from lm_eval.api.model import LM
from lm_eval.tasks import TaskManager

from backends.requests import Request, Response
from backends.scripted import hashed
from backends.simple import cut_at_stop
from flows.evaluate import evaluate
from flows.results.result import EvaluationResult
from flows.spec import EvaluationSpec

RECORDED = "scripted:tests.parity.oracle:recorded"
ANSWERS: dict[str, Response] = {}
NUMBER = 1e-6
LOGPROB = 1e-4


@dataclass(frozen=True)
class Case:
    """One run of both. options: as of `EvaluationSpec`, those that lm-eval has too."""

    tasks: Sequence[str]
    data_roots: tuple[Path, ...]
    include: Path | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    bootstrap_iters: int = 100_000


# Answers from nowhere: lm-eval asks first, and what it was told is told to Assay.


class Recorder(LM):
    """A model whose log-likelihoods are a hash of the request and whose texts come from the document, so that
    some are right; it notes what it said."""

    def loglikelihood(self, requests: list[Any]) -> list[tuple[float, bool]]:
        answers = [_note(Request("loglikelihood", *one.args)) for one in requests]
        return [(answer.logprob, answer.is_greedy) for answer in answers]

    def loglikelihood_rolling(self, requests: list[Any]) -> list[float]:
        return [_note(Request("loglikelihood_rolling", *one.args)).logprob for one in requests]

    def generate_until(self, requests: list[Any]) -> list[str]:
        texts = []
        for number, one in enumerate(requests):
            repeat = sum(1 for before in requests[max(0, number - one.repeats) : number] if before is one)
            prompt, generation = one.args
            request = Request("generate_until", prompt, generation=generation, repeat=repeat)
            texts.append(_note(request, list(_texts(one.doc))).text)
        return texts


def recorded(request: Request) -> Response:
    """What lm-eval was told; a marked answer for what it never asked."""
    unknown = Response(text="(lm-eval never asked this)", logprob=1e9, is_greedy=False)
    return ANSWERS.get(request.digest(), unknown)


def _note(request: Request, said: Sequence[str] = ()) -> Response:
    answer = hashed(request)
    if request.kind == "generate_until":
        number = int(request.digest()[:8], 16)
        candidates = [*said, *(f" So the answer is {text}." for text in said), answer.text or ""]
        text = cut_at_stop(candidates[number % len(candidates)], request.generation)
        answer = Response(text=text)
    ANSWERS[request.digest()] = answer
    return answer


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping | list):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(inner)
    elif value is not None and value != "":
        yield str(value)


# Both runs


@cache
def catalog(include: Path | None) -> TaskManager:
    """lm-eval's own tasks, or only those of a folder."""
    return TaskManager() if include is None else TaskManager(include_path=include, include_defaults=False)


def ask_lm_eval(case: Case, lm: LM) -> dict[str, Any]:
    options = dict(case.options)
    options.pop("compat", None)
    seed = options.pop("seed", 1234)
    with _local_data(case.data_roots), mock.patch.dict(os.environ, DISABLE_MULTIPROC="1"):
        found = simple_evaluate(
            lm,
            tasks=list(case.tasks),
            task_manager=catalog(case.include),
            bootstrap_iters=case.bootstrap_iters,
            fewshot_random_seed=seed,
            **options,
        )
    assert found is not None
    return found


def ask_assay(case: Case, model: str, output: Path) -> EvaluationResult:
    include = [] if case.include is None else [case.include]
    spec = EvaluationSpec.model_validate(
        {
            "model": model,
            "tasks": list(case.tasks),
            "data_root": list(case.data_roots),
            "include_path": include,
            "trust_task_code": True,
            "output": output,
            **case.options,
        }
    )
    return evaluate(spec)


@contextlib.contextmanager
def _local_data(roots: Sequence[Path]) -> Iterator[None]:
    def load(path: str, name: str | None = None, **_: Any) -> Splits:
        folders = (root / path / (name or "default") for root in roots)
        return _splits(next(folder for folder in folders if folder.is_dir()))

    with mock.patch("lm_eval.api.task.datasets.load_dataset", load):
        yield


class Splits(dict[str, Any]):
    """lm-eval opens splits it never uses; one that is not there is another that is."""

    def __missing__(self, split: str) -> Any:
        return next(self[other] for other in ("validation", "test", "train") if other in self)


@cache
def _splits(folder: Path) -> Splits:
    readers = {".parquet": datasets.Dataset.from_parquet, ".jsonl": datasets.Dataset.from_json}
    with tempfile.TemporaryDirectory() as cache:
        return Splits(
            (file.stem, readers[file.suffix](str(file), cache_dir=cache, keep_in_memory=True))
            for file in sorted(folder.iterdir())
            if file.suffix in readers
        )


# What differs


def differences(theirs: Mapping[str, Any], ours: EvaluationResult, *, exact: bool) -> list[str]:
    """What differs in prompts, samples and scores, a line each.

    exact: whether both were told the very same; a real model may differ by `LOGPROB`.
    """
    if ours.failures:
        return [f"{task} failed: {reason}" for task, reason in ours.failures.items()]
    found = []
    for task, samples in theirs["samples"].items():
        rows = ours.samples(task).to_dict("records")
        found += [f"{task}: {line}" for line in _sample_differences(samples, rows, exact)]
    found += _differences("", _scores(theirs), _scores(ours.results), NUMBER)
    return [line for line in found if not _is_known(line)]


def _sample_differences(theirs: list[Any], ours: list[Any], exact: bool) -> Iterator[str]:
    order = [(one["filter"], one["doc_id"]) for one in theirs]
    if order != [(one["filter"], one["doc_id"]) for one in ours]:
        yield f"samples {order[:5]}... are {[(one['filter'], one['doc_id']) for one in ours][:5]}..."
        return
    tolerance = 1e-9 if exact else LOGPROB
    for one, other in zip(theirs, ours, strict=True):
        where = f"doc {one['doc_id']}, {one['filter']}"
        keys = ("doc_hash", "prompt_hash", "target_hash", "arguments", "target", "resps", "filtered_resps")
        for key in keys:
            yield from _differences(f"{where}, {key}", _plain(one[key]), other[key], tolerance)
        for metric in one["metrics"]:
            value = other.get(metric, "missing")
            value = json.loads(value) if isinstance(value, str) and value != "missing" else value
            yield from _differences(f"{where}, {metric}", _plain(one[metric]), value, tolerance)


def _scores(results: Mapping[str, Any]) -> dict[str, Any]:
    sections = ("results", "groups", "group_subtasks", "versions", "n-shot", "higher_is_better", "n-samples")
    return {name: _plain(results.get(name, {})) for name in sections}


def _differences(where: str, theirs: Any, ours: Any, tolerance: float) -> Iterator[str]:
    if isinstance(theirs, Mapping) and isinstance(ours, Mapping):
        for key in dict.fromkeys((*theirs, *ours)):
            left, right = theirs.get(key, "missing"), ours.get(key, "missing")
            yield from _differences(f"{where}/{key}", left, right, tolerance)
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        for position, (left, right) in enumerate(zip(theirs, ours, strict=True)):
            yield from _differences(f"{where}[{position}]", left, right, tolerance)
    elif not _same(theirs, ours, tolerance):
        yield f"{where}: lm-eval {_short(theirs)}, Assay {_short(ours)}"


def _same(theirs: Any, ours: Any, tolerance: float) -> bool:
    if isinstance(theirs, int | float) and isinstance(ours, int | float):
        return math.isclose(theirs, ours, rel_tol=NUMBER, abs_tol=tolerance) or (theirs != theirs != ours)
    return bool(theirs == ours)


# docs/lm-eval.md: what is there in addition.
KNOWN = (
    r"_stderr,[^:]*: lm-eval 'N/A', Assay \d",
    r"^/(n-shot|higher_is_better)/[^/:]*: lm-eval 'missing', Assay ",
)


def _is_known(line: str) -> bool:
    return any(re.search(pattern, line) for pattern in KNOWN)


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=lambda one: one.tolist() if hasattr(one, "tolist") else str(one)))


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:140]} ... {text[-140:]}"
