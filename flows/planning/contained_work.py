"""What is done with a task whose answers are run as code, in a sandbox: they are scored, and what comes of
that is plain values.

The functions are called through `flows.planning.contained_tasks`.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from flows.common.json_object import JsonObject
from flows.results.samples_file import as_json
from metrics.hf_evaluate.code_eval import allowing_code
from metrics.processes.call_messages import Ask
from metrics.sandbox.pick import NONE
from tasks_lib.checks.trial import TriedDocuments
from tasks_lib.code.random_state import seeded
from tasks_lib.context import TaskContext
from tasks_lib.data.documents import Split
from tasks_lib.files.config import TaskConfig
from tasks_lib.prompts.request_builder import DocRequests
from tasks_lib.scoring.scorer import Answered, MetricScore, Sample
from tasks_lib.task import HandedTask, Task


@dataclass(frozen=True, slots=True)
class Handed:
    """All of a task that scoring reads.

    path: of its file. context: without a chat template. split: the documents that are evaluated.
    """

    config: TaskConfig
    path: Path
    context: TaskContext
    split: Split

    def opened(self) -> HandedTask:
        return HandedTask(self.context.scope(self.config, self.path), self.split)


@dataclass(frozen=True, slots=True)
class ToTry:
    """Documents to which answers are made up."""

    task: Handed
    docs: list[DocRequests]


@dataclass(frozen=True, slots=True)
class ToScoreHanded:
    task: Handed
    answered: Sequence[Answered]


def try_made_up(asked: ToTry, ask: Ask) -> JsonObject:
    """Score made-up answers, so that what scoring lacks is known before anything is asked."""
    task, options = asked.task.opened(), asked.task.context.options
    with allowing_code(NONE):  # all of this process is in a sandbox
        samples = TriedDocuments(task, asked.docs).score(compat=options.compat)
    return {"samples": [_plain_sample(sample) for sample in samples]}


def score(asked: ToScoreHanded, ask: Ask) -> JsonObject:
    """Score documents: `contained_tasks.Scored`."""
    options = asked.task.context.options
    with allowing_code(NONE):
        samples, scores, better = scored(asked.task.opened(), asked.answered, compat=options.compat)
    return {
        "samples": [_plain_sample(sample) for sample in samples],
        "scores": [_plain_score(one) for one in scores],
        "higher_is_better": better,
    }


def scored(
    task: Task, answered: Sequence[Answered], *, compat: bool
) -> tuple[list[Sample], list[MetricScore], dict[str, bool | None]]:
    """The samples of documents, what becomes of them over all, and, by metric, whether higher is better."""
    task.scorer.check()  # importing a task's Python may seed the generators too
    with seeded():  # some tasks guess where an answer cannot be read
        samples = list(task.scorer.samples(answered))
        scores = task.scorer.aggregate(samples, compat=compat)
    better = {key: metric.higher_is_better for key, metric in task.scorer.metrics.items()}
    return samples, scores, better


def _plain_sample(sample: Sample) -> JsonObject:
    return {
        "filter": sample.filter,
        "filtered": [_plain(value) for value in sample.filtered],
        "scores": {name: _plain(value) for name, value in sample.scores.items()},
    }


def _plain_score(score: MetricScore) -> JsonObject:
    plain = {name: _plain(value) for name, value in asdict(score).items()}
    return {**plain, "interval": score.interval and [_plain(end) for end in score.interval]}


def _plain(value: Any) -> Any:
    """A value as JSON has it: where it is no number, as the file of samples would have it."""
    if isinstance(value, np.generic):
        value = value.item()
    return value if isinstance(value, bool | int | float | str | None) else json.loads(as_json(value))
