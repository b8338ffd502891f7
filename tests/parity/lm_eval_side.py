"""What lm-eval makes of one task of its catalog: requests, and samples and scores of given answers.

lm-eval's own task object does all of it, in the main thread, on documents that are made up.
"""

import contextlib
import os
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from backends.requests import Response
from tasks_lib.code.trusted_functions import installed_catalog
from tasks_lib.scoring.scorer import Answered
from tests.parity.observed import Field
from tests.parity.synthetic_documents import rows

LIMIT = 6  # documents
RESAMPLES = 100_000  # of a bootstrap; lm-eval's number, and Assay's


class LmEvalFails(Exception):
    """lm-eval raises where Assay does not; there is nothing to compare with."""


@contextlib.contextmanager
def blaming(what: str) -> Iterator[None]:
    try:
        yield
    except TimeoutError:
        raise
    except Exception as error:
        raise LmEvalFails(f"{what}: {type(error).__name__}: {error}") from error


@dataclass
class Splits:
    """The splits of a task, made when they are asked for; to Assay a `Source`, to lm-eval its `dataset`."""

    schema: Field
    count: int
    made: dict[str, Any] = field(default_factory=dict)

    def __getitem__(self, split: str) -> Any:
        import datasets

        if split not in self.made:
            self.made[split] = datasets.Dataset.from_list(rows(self.schema, self.count, split))
        return self.made[split]

    def rows(self, split: str) -> list[Any]:
        return list(self[split])

    def dataset(self, split: str) -> Any:
        return self[split]

    def digest(self, splits: Sequence[str]) -> str:
        return ""


@dataclass(frozen=True)
class Expected:
    """All that lm-eval says of a task.

    samples: of each filter and document: both, filtered answers, target, scores.
    aggregated: scores and standard errors, by lm-eval's names. size: documents, as lm-eval counts them.
    """

    requests: list[Any]
    samples: list[tuple[Any, ...]]
    aggregated: dict[str, Any]
    size: int

    @property
    def vary(self) -> bool:
        """Whether some metric has several values over the documents."""
        values = defaultdict(set)
        for name, *_, scores in self.samples:
            for metric, score in scores.items():
                values[name, metric].add(repr(score))
        return any(len(different) > 1 for different in values.values())


def their_task(path: Path, splits: Splits) -> Any:
    """lm-eval's task of a file, on these splits."""
    from lm_eval.api.task import ConfigurableTask
    from lm_eval.tasks import TaskManager

    def download(self: Any, *_: Any, **__: Any) -> None:
        self.dataset = splits
        for config, key in (
            (self.config, "process_docs"),
            (self.config.fewshot_config, "process_docs"),
            (self.config.fewshot_config, "samples"),
        ):
            if callable(getattr(config, key)):
                setattr(config, key, _seeded(getattr(config, key)))

    share_modules()
    with mock.patch.object(ConfigurableTask, "download", download):
        (task,) = TaskManager(include_defaults=False).load([str(path)])["tasks"].values()
        return task


def their_requests(task: Any, examples: int) -> list[Any]:
    task.set_config(key="num_fewshot", value=examples)
    task.set_fewshot_seed(1234)
    task.build_all_requests(limit=LIMIT)
    return list(task.instances)


def expected(task: Any, given: Sequence[Answered]) -> Expected:
    """What lm-eval says of answers to the requests that it has built last."""
    from lm_eval.api import metrics
    from lm_eval.evaluator_utils import _compute_task_aggregations

    by_doc: dict[int, list[Any]] = defaultdict(list)
    responses = (repeats for one in given for repeats in one.responses)
    for instance, repeats in zip(task.instances, responses, strict=True):
        instance.resps = [_plain(instance.request_type, response) for response in repeats]
        by_doc[instance.doc_id].append(instance)
    task.apply_filters()
    samples: list[tuple[Any, ...]] = []
    raw: dict[tuple[str, str], list[Any]] = defaultdict(list)
    _seed()
    for name in task.instances[0].filtered_resps:
        for doc_id, doc in task.doc_iterator(limit=LIMIT):
            filtered = [instance.filtered_resps[name] for instance in by_doc[doc_id]]
            scores = task.process_results(doc, filtered)
            samples.append((name, doc_id, filtered, task.doc_to_target(doc), scores))
            for metric, score in scores.items():
                raw[metric, name].append(score)
    with (
        # Else it forks processes for that, which hang now and then where this one has threads.
        mock.patch.dict(os.environ, DISABLE_MULTIPROC="1"),
        mock.patch.object(metrics, "_bootstrap_internal_no_mp", quick_bootstrap),
    ):
        aggregated, size = _compute_task_aggregations(task, raw, RESAMPLES)
    return Expected(list(task.instances), samples, aggregated, size)


def quick_bootstrap(f: Callable[[Sequence[Any]], float], xs: Sequence[Any], iters: int) -> list[float]:
    """lm-eval's `_bootstrap_internal_no_mp`, which computes each multiset of documents once: the order of
    documents decides none of the statistics that are resampled."""
    draws = _draws(len(xs), iters)
    values = {draw: f([xs[i] for i in draw]) for draw in dict.fromkeys(draws)}
    return [values[draw] for draw in draws]


@cache
def _draws(documents: int, iters: int) -> list[tuple[int, ...]]:
    """The documents of each resample, in order."""
    chunk = min(1000, iters)
    streams = [random.Random(i) for i in range(iters // chunk)]
    found = [
        tuple(sorted(one.choices(range(documents), k=documents))) for one in streams for _ in range(chunk)
    ]
    known = {draw: draw for draw in Counter(found)}  # one tuple each
    return [known[draw] for draw in found]


def share_modules() -> None:
    """lm-eval would load each module again that Assay has loaded."""
    for name, module in list(sys.modules.items()):
        stamp = name.startswith("lm_eval.tasks.") and getattr(module, "__task_file__", None)
        if stamp and not hasattr(module, "__mtime__"):
            module.__dict__["__mtime__"] = stamp[1]


def forget_modules(path: Path) -> None:
    """Those of a task's family, with what they remember of tasks before."""
    for name in [name for name in sys.modules if name.startswith(f"lm_eval.tasks.{family(path)}")]:
        del sys.modules[name]


def family(path: Path) -> str:
    return place(path).partition("/")[0]


def place(path: Path) -> str:
    """In the catalog."""
    root = installed_catalog()
    assert root is not None
    return path.relative_to(root).as_posix()


def _seeded(function: Callable[..., Any]) -> Callable[..., Any]:
    """Called once for each split, with the seeds that Assay sets for each (docs/lm-eval.md)."""
    done: dict[int, Any] = {}

    def called(*given: Any) -> Any:
        key = id(given[0]) if given else 0
        if key not in done:
            _seed()
            done[key] = function(*given)
        return done[key]

    return called


def _seed() -> None:
    random.seed(0)
    np.random.seed(1234)


def _plain(kind: str, response: Response) -> Any:
    match kind:
        case "loglikelihood":
            return response.logprob, response.is_greedy
        case "loglikelihood_rolling":
            return response.logprob
    return response.text
