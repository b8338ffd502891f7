"""lm-eval beside Assay, in one process on the same models and data, and what differs between their runs."""

import contextlib
import json
import math
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any
from unittest import mock

import datasets
from lm_eval import simple_evaluate
from lm_eval.api.model import LM
from lm_eval.tasks import TaskManager

from backends.requests import Attachment, Request, Response
from backends.simple.scripted import hashed
from backends.text.stop_sequences import cut_at_stops, stops_of
from flows.evaluate import evaluate
from flows.results.evaluation_result import EvaluationResult
from flows.specs.evaluation import EvaluationSpec
from tasks_lib.prompts.attachments import attachments

RECORDED = "scripted:tests.parity.oracle:recorded"
ANSWERS: dict[str, Response] = {}


@dataclass(frozen=True)
class Case:
    """What both are asked. options: as of `EvaluationSpec`; lm-eval calls them the same but for `seed`.

    include: a folder of task files, which are all that lm-eval then knows.
    """

    tasks: Sequence[str]
    data_roots: tuple[Path, ...]
    include: Path | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    bootstrap_iters: int = 100_000


# Both runs


def run_recorded(case: Case, output: Path) -> "Both":
    """Run both with made-up answers: lm-eval asks first, and what it was told is told to Assay."""
    theirs = ask_lm_eval(case, Recorder())
    version = output.as_posix().encode().hex()  # another model each time: no stored answer serves
    return Both(theirs, ask_assay(case, f"{RECORDED}?version={version}", output))


def ask_lm_eval(case: Case, lm: LM) -> dict[str, Any]:
    own = ("compat", "seed", "end_of_thinking", "metadata")
    options = {key: value for key, value in case.options.items() if key not in own}
    with local_data(case.data_roots), mock.patch.dict(os.environ, DISABLE_MULTIPROC="1"):
        found: dict[str, Any] | None = simple_evaluate(
            lm,
            tasks=list(case.tasks),
            task_manager=catalog(case.include, json.dumps(case.options.get("metadata"))),
            bootstrap_iters=case.bootstrap_iters,
            fewshot_random_seed=case.options.get("seed", 1234),
            **options,
        )
    assert found is not None
    return found


def ask_assay(case: Case, model: str, output: Path) -> EvaluationResult:
    given = {
        "model": model,
        "tasks": list(case.tasks),
        "data_root": list(case.data_roots),
        "include_path": [] if case.include is None else [case.include],
        "trust_task_code": True,
        "output": output,
        **case.options,
    }
    return evaluate(EvaluationSpec.model_validate(given))


@cache
def catalog(include: Path | None, metadata: str) -> TaskManager:
    """lm-eval's own tasks, or only those of a folder, with metadata in JSON."""
    only = {} if include is None else {"include_path": include, "include_defaults": False}
    return TaskManager(metadata=json.loads(metadata), **only)


# Made-up answers


class Recorder(LM):  # type: ignore[misc]  # lm-eval is not typed
    """A model whose log-likelihoods are a hash of the request and whose texts come from the document, so that
    some are right; it notes what it said."""

    MULTIMODAL = True

    def loglikelihood(self, requests: list[Any]) -> list[Any]:
        answers = [_note(hashed(request), request) for request in _asked("loglikelihood", requests)]
        return [(answer.logprob, answer.is_greedy) for answer in answers]

    def loglikelihood_rolling(self, requests: list[Any]) -> list[Any]:
        return [
            _note(hashed(request), request).logprob for request in _asked("loglikelihood_rolling", requests)
        ]

    def generate_until(self, requests: list[Any]) -> list[Any]:
        texts = []
        for position, one in enumerate(requests):
            repeat = sum(before is one for before in requests[max(0, position - one.repeats) : position])
            prompt, generation, *shown = one.args
            attached = _attached(*shown)
            request = Request("generate_until", prompt, "", generation, repeat, attached)
            texts.append(_note(_text(request, one.doc), request).text)
        return texts


def recorded(request: Request) -> Response:
    """What lm-eval was told; a marked answer for what it never asked."""
    unknown = Response(text="(lm-eval never asked this)", logprob=-1e9, is_greedy=False)
    unseeded = {key: value for key, value in request.generation.items() if key != "seed"}
    # lm-eval gives documents that are equal one answer, whichever drew it
    return ANSWERS.get(replace(request, generation=unseeded, draw=0).digest(), unknown)


def _asked(kind: Any, requests: list[Any]) -> Iterator[Request]:
    for one in requests:
        texts = [part for part in one.args if isinstance(part, str)]
        yield Request(kind, *texts, attachments=_attached(*one.args[len(texts) :]))  # type: ignore[misc,arg-type]


def _attached(shown: Mapping[str, Any] = MappingProxyType({})) -> tuple[Attachment, ...]:
    """What lm-eval shows besides text."""
    visual, audio = shown.get("visual"), shown.get("audio")
    return (*attachments("image", visual), *attachments("audio", audio))


def _note(answer: Response, request: Request) -> Response:
    ANSWERS[request.digest()] = answer
    return answer


def _text(request: Request, doc: Any) -> Response:
    said = list(_texts_in(doc))
    candidates = [*said, *(f" So the answer is {text}." for text in said), hashed(request).text or ""]
    chosen = candidates[int(request.digest()[:8], 16) % len(candidates)]
    return Response(text=cut_at_stops(chosen, stops_of(request.generation)))


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping | list):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from _texts_in(inner)
    elif value is not None and value != "":
        yield str(value)


# Data


@contextlib.contextmanager
def local_data(roots: Sequence[Path]) -> Iterator[None]:
    """lm-eval finds datasets in the data roots; what is in none is loaded as ever."""
    builder = datasets.load_dataset

    def load(path: str, name: str | None = None, **options: Any) -> Any:
        folder = next(_folders(roots, path, name), None)
        return builder(path, name, **options) if folder is None else _splits(folder)

    with mock.patch("lm_eval.api.task.datasets.load_dataset", load):
        yield


def _folders(roots: Sequence[Path], dataset: str, name: str | None) -> Iterator[Path]:
    """Where a dataset is: the configuration of that name, else the default or only one."""
    named = [root / dataset / (name or "default") for root in roots]
    yield from (folder for folder in named if folder.is_dir())
    for root in roots if name is None else ():
        there = list((root / dataset).glob("*"))
        yield from there if len(there) == 1 else ()


class Splits(dict[str, Any]):
    """lm-eval opens splits it never uses; one that is not there is another that is."""

    def __missing__(self, split: str) -> Any:
        return next(self[other] for other in ("validation", "test", "train") if other in self)


@cache
def _splits(folder: Path) -> Splits:
    readers = {".parquet": datasets.Dataset.from_parquet, ".jsonl": datasets.Dataset.from_json}
    files = [file for file in sorted(folder.iterdir()) if file.suffix in readers]
    with tempfile.TemporaryDirectory() as cache_dir:
        return Splits(
            (file.stem, readers[file.suffix](str(file), cache_dir=cache_dir, keep_in_memory=True))
            for file in files
        )


# What differs

SAMPLE = ("doc_hash", "prompt_hash", "target_hash", "arguments", "target", "resps", "filtered_resps")
SECTIONS = ("results", "groups", "group_subtasks", "versions", "n-shot", "higher_is_better", "n-samples")

# What Assay has in addition (docs/lm-eval.md).
STDERR_OF_OURS = r"_stderr,[^:]*: lm-eval 'N/A', Assay \d"
MARK_OF_OURS = r", arguments\[0\]\[1\]/end_of_thinking: lm-eval 'missing', Assay "
SEED_OF_OURS = r", arguments\[0\]\[1\]/seed: lm-eval 'missing', Assay \d+$"
GROUP_OF_GROUPS = r"^/(n-shot|higher_is_better)/[^/:]*: lm-eval 'missing', Assay "


Tolerance = tuple[float, float]  # absolute and relative


@dataclass(frozen=True)
class Both:
    """theirs: lm-eval's results with samples. logprob: how far apart log-probabilities may be, and with them
    scores; without it scores are within 1e-6."""

    theirs: Mapping[str, Any]
    ours: EvaluationResult
    logprob: float = 0.0

    def differences(self, *known: str) -> list[str]:
        """What differs in prompts, samples and scores, a line each, but for what matches one of `known`."""
        return [line for line in self._found if not any(re.search(pattern, line) for pattern in known)]

    @cached_property
    def _found(self) -> list[str]:
        failed = [f"{task} failed: {reason}" for task, reason in self.ours.failures.items()]
        return failed or [*self._samples(), *self._scores()]

    def _samples(self) -> Iterator[str]:
        for task, samples in self.theirs["samples"].items():
            rows: list[Any] = self.ours.samples(task).to_dict("records")
            order, other = ([(one["filter"], one["doc_id"]) for one in rows] for rows in (samples, rows))
            if order != other:
                yield f"{task}: lm-eval has samples {order[:5]}..., Assay {other[:5]}..."
                continue
            for one, row in zip(samples, rows, strict=True):
                yield from self._sample(f"{task}, doc {one['doc_id']}, {one['filter']}", one, row)

    def _sample(self, where: str, theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> Iterator[str]:
        tolerance = self.logprob, min(self.logprob, 1e-6)
        for key in SAMPLE:
            yield from _compare(f"{where}, {key}", _plain(theirs[key]), ours[key], tolerance)
        for metric in theirs["metrics"]:
            value = ours.get(metric)
            value = json.loads(value) if isinstance(value, str) else value
            yield from _compare(f"{where}, {metric}", _plain(theirs[metric]), value, tolerance)

    def _scores(self) -> Iterator[str]:
        # relative, too: a perplexity is the exponential of log-probabilities
        tolerance = (max(self.logprob, 1e-6),) * 2
        for section in SECTIONS:
            theirs, ours = self.theirs.get(section, {}), self.ours.results.get(section, {})
            yield from _compare(f"/{section}", _plain(theirs), ours, tolerance)


def _compare(where: str, theirs: Any, ours: Any, tolerance: Tolerance) -> Iterator[str]:
    if isinstance(theirs, Mapping) and isinstance(ours, Mapping):
        for key in dict.fromkeys((*theirs, *ours)):
            yield from _compare(
                f"{where}/{key}", theirs.get(key, "missing"), ours.get(key, "missing"), tolerance
            )
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        for position, pair in enumerate(zip(theirs, ours, strict=True)):
            yield from _compare(f"{where}[{position}]", *pair, tolerance)
    elif not _same(theirs, ours, tolerance):
        yield f"{where}: lm-eval {_short(theirs)}, Assay {_short(ours)}"


def _same(theirs: Any, ours: Any, tolerance: Tolerance) -> bool:
    if isinstance(theirs, int | float) and isinstance(ours, int | float):
        both_nan = math.isnan(theirs) and math.isnan(ours)
        absolute, relative = tolerance
        return both_nan or math.isclose(theirs, ours, rel_tol=relative, abs_tol=absolute)
    return bool(theirs == ours)


def _plain(value: Any) -> Any:
    """As JSON can say it; that of numpy as Python's."""
    return json.loads(json.dumps(value, default=lambda one: one.tolist()))


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:140]} ... {text[-140:]}"
