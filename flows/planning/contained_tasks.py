"""Tasks whose answers are run as code: they are scored in a sandbox, of which nothing is believed but what it
says of the task's own scores.
"""

import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationError

from flows.planning import contained_work
from flows.planning.contained_work import Handed, ToTry
from flows.planning.task_work import HandedAnswers, ScoredDocuments
from flows.results.samples_file import check_writable, write_samples
from metrics.contained.call import ContainedCalls, ContainedError, ContainedWork
from metrics.processes.call_messages import Ask
from metrics.processes.child import ROOT
from metrics.processes.limits import WorkLimits
from metrics.processes.watch import WorkEnded
from metrics.sandbox.pick import Wanted
from tasks_lib.code.answers_as_code import AnswersAsCode
from tasks_lib.code.trusted_functions import installed_catalog
from tasks_lib.errors import TaskError
from tasks_lib.scoring.scorer import Answered, MetricScore, Sample

# Assay's own code, as far as a sandbox needs it.
_OWN = ("backends", "flows", "metrics", "tasks_lib")
# Folders in which Python's packages are.
_PACKAGES = ("site-packages", "dist-packages")
_LONGEST_NAME = 200  # characters

Argument = TypeVar("Argument")
Said = TypeVar("Said", bound="_Strict")

log = logging.getLogger("assay")


def _name(given: str) -> str:
    if not given.isprintable() or len(given) > _LONGEST_NAME:
        raise ValueError("is no name")
    return given


_Name = Annotated[str, AfterValidator(_name)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class SaidSample(_Strict):
    filter: _Name
    filtered: list[JsonValue]
    scores: dict[_Name, JsonValue]


class SaidScore(_Strict):
    """`MetricScore`, as JSON has it."""

    metric: _Name
    filter: _Name
    value: float
    stderr: float | None
    count: int
    interval: Annotated[tuple[float, float], Field(strict=False)] | None
    aggregation: _Name | None
    aggregation_options: dict[_Name, JsonValue]

    def score(self) -> MetricScore:
        return MetricScore(**dict(self))


class Tried(_Strict):
    samples: list[SaidSample]


class Scored(_Strict):
    samples: list[SaidSample]
    scores: list[SaidScore]
    higher_is_better: dict[_Name, bool | None]


class ContainedTasks:
    """The contained tasks of one run. limits: of work on a document."""

    def __init__(self, sandbox: Wanted, limits: WorkLimits) -> None:
        self._calls, self._limits = ContainedCalls(sandbox.found, log.warning), limits

    def try_made_up(self, name: str, asked: ToTry) -> None:
        """Raise TaskError where made-up answers show that the task cannot be scored."""
        tried = self._call(Tried, name, contained_work.try_made_up, asked, asked.task, len(asked.docs))
        # None of them is of a document that was asked.
        answered = [Answered(doc, [[]] * len(doc.requests)) for doc in asked.docs[:1]]
        check_writable(name, _samples(name, tried.samples, answered, [None]))

    def score(self, name: str, handed: HandedAnswers, file: Path) -> ScoredDocuments:
        """Score a task, and write its samples to a file. Raises TaskError."""
        asked = handed.to_score
        scored = self._call(Scored, name, contained_work.score, asked, asked.task, len(asked.answered))
        write_samples(file, _samples(name, scored.samples, asked.answered, handed.targets))
        scores = [one.score() for one in scored.scores]
        return ScoredDocuments(
            scores, scored.higher_is_better, handed.version, handed.repeats, handed.repeats_scored
        )

    def stop(self) -> None:
        """End what is under way: the run is stopped."""
        self._calls.stop()

    def _call(
        self,
        kind: type[Said],
        name: str,
        function: Callable[[Argument, Ask], Any],
        asked: Argument,
        task: Handed,
        documents: int,
    ) -> Said:
        """What a function of `contained_work` gives, if it is of its kind. Raises TaskError."""
        work = ContainedWork(function, asked, documents, self._limits, _readable(task))
        try:
            return kind.model_validate(self._calls.call(work))
        except (WorkEnded, ContainedError) as error:
            raise TaskError(f"{name}: {str(error).removeprefix(f'{name}: ')}") from error
        except ValidationError as error:
            raise _unexpected(name) from error


def _readable(task: Handed) -> Sequence[Path]:
    """Assay's code, installed packages, and the task's own files, what they import, and all beside them."""
    own = [ROOT / name for name in _OWN]
    installed = [Path(entry) for entry in sys.path if Path(entry).name in _PACKAGES]
    catalog = installed_catalog()
    code = {file.parent for file in AnswersAsCode().code_files(task.config)}
    beside = [*([catalog.parent] if catalog else []), task.path.parent, *sorted(code)]
    return [folder for folder in dict.fromkeys((*own, *installed, *beside)) if folder.is_dir()]


def _samples(
    name: str, said: Sequence[SaidSample], answered: Sequence[Answered], targets: Sequence[Any]
) -> list[Sample]:
    """What was said of each document, filter by filter, beside what is known of it."""
    if answered and len(said) % len(answered):
        raise _unexpected(name)
    return [
        Sample(answered[at], targets[at], one.filter, one.filtered, one.scores)
        for number, one in enumerate(said)
        for at in (number % len(answered),)
    ]


def _unexpected(name: str) -> TaskError:
    return TaskError(f"{name}: its scoring gives something else than scores; did an answer meddle with it?")
