"""Whether tasks and groups can be used: all that their files say is read and resolved, but no document.

What a check does not see: what task code does with documents, and what it loads only then.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from metrics.scores.registry import DEFAULT_METRICS
from tasks_lib.ask_options import AskOptions
from tasks_lib.catalog.catalog import Catalog
from tasks_lib.catalog.selection import Selection, TaskFile
from tasks_lib.checks.configuration import check_configuration
from tasks_lib.checks.importer import TaskCode
from tasks_lib.checks.resources import check_resources
from tasks_lib.code.trusted_functions import TrustedRoots
from tasks_lib.context import TaskContext
from tasks_lib.error_context import ErrorContext
from tasks_lib.errors import MissingPackage, MissingResource, TaskError
from tasks_lib.files.config import FunctionRef, TaskConfig, function_refs
from tasks_lib.scope import TaskScope
from tasks_lib.task import open_task

Status = Literal["loads", "package", "resource", "members", "broken"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found about one task or group.

    status: `package`: it needs packages that are not installed. `resource`: documents, a download or a
    program that is not there. `members`: a group whose own file is right, but tasks of it do not load.
    `broken`: anything else that keeps it from being used.
    reason: empty where it loads. packages: the names under which task code imports them.
    """

    name: str
    status: Status = "loads"
    reason: str = ""
    packages: tuple[str, ...] = ()


class Checker:
    """Checks names of a catalog, one after the other.

    roots: data roots; where there are some, each task's first document is read and its requests are built.
    """

    def __init__(
        self, catalog: Catalog, trusted: TrustedRoots, code: TaskCode, roots: Sequence[Path] = ()
    ) -> None:
        self._catalog = catalog
        self._trusted = trusted
        self._code = code
        self._roots = roots
        self._found: dict[str, Finding] = {}

    def check(self, name: str) -> Finding:
        """What there is to say about a task or group."""
        try:
            selection = self._catalog.select([name])
            found = {task: self._task(file) for task, file in selection.tasks.items()}
            if name not in selection.groups:
                return found[name]
            self._check_members(found)
            check_group_metrics(name, selection)
        except TaskError as error:
            return _finding(name, error)
        failing = sum(finding.status != "loads" for finding in found.values())
        if failing:
            return Finding(name, "members", f"{failing} of its {len(found)} tasks do not load")
        return Finding(name)

    def _task(self, file: TaskFile) -> Finding:
        """What there is to say about a task, once however many groups have it."""
        if file.digest not in self._found:
            try:
                self._check_task(file)
                self._found[file.digest] = Finding(file.config.task)
            except TaskError as error:
                self._found[file.digest] = _finding(file.config.task, error)
        return self._found[file.digest]

    def _check_task(self, file: TaskFile) -> None:
        refs = list(function_refs(file.config))
        self._code.check(refs)
        check_resources(file.config.task, refs)
        if isinstance(file.config, TaskConfig):  # what else there is to a class is in its own code
            self._check_configuration(file.config, file.path)
        if self._roots:
            for _ in open_task(file, TaskContext(self._roots, self._trusted, AskOptions(limit=1))).builder:
                pass

    def _check_configuration(self, config: TaskConfig, path: Path) -> None:
        check_configuration(TaskScope(config, ErrorContext(config.task, path), self._code.resolve))

    def _check_members(self, found: Mapping[str, Finding]) -> None:
        """Raise what is wrong with a task that is written in the group itself; others are checked by name."""
        for name, finding in found.items():
            if finding.status == "broken" and name not in self._entries:
                raise TaskError(f"{name}: {finding.reason}")

    @cached_property
    def _entries(self) -> Mapping[str, Path | None]:
        return {entry.name: entry.path for entry in self._catalog.entries()}


def check_group_metrics(name: str, selection: Selection) -> None:
    """Raise TaskError where a group aggregates what none of its tasks has.

    Tasks whose scores are named by their own code may have any.
    """
    configs = [file.config for file in selection.tasks.values()]
    written = [config for config in configs if isinstance(config, TaskConfig)]
    if len(written) < len(configs) or any(_names_its_own_scores(config) for config in written):
        return
    scores = {score for config in written for score in _scores(config)}
    for metric in selection.groups[name].aggregate_metric_list:
        filters = metric.filter_list or [one for known, one in scores if known == metric.metric]
        if not any((metric.metric, one) in scores for one in filters):
            wanted = ", ".join(f"{metric.metric},{one}" for one in filters) or metric.metric
            raise TaskError(f"{name}: the group aggregates {wanted}, which none of its tasks has")


def _names_its_own_scores(config: TaskConfig) -> bool:
    return isinstance(config.process_results, FunctionRef) or any(
        isinstance(entry.metric, FunctionRef) for entry in config.metric_list or ()
    )


def _scores(config: TaskConfig) -> Iterator[tuple[str, str]]:
    """The metrics and filters a task has scores for."""
    filters = ["none"] if config.filter_list is None else [one.name for one in config.filter_list]
    if config.metric_list is None:
        metrics: Sequence[str] = DEFAULT_METRICS[config.output_type]
    else:
        metrics = [entry.name for entry in config.metric_list]
    yield from ((metric, one) for metric in metrics for one in filters)


def _finding(name: str, error: TaskError) -> Finding:
    match error:
        case MissingPackage():
            return Finding(name, "package", str(error), error.packages)
        case MissingResource():
            return Finding(name, "resource", str(error))
        case _:
            return Finding(name, "broken", str(error))
