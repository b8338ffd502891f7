"""The tasks of a run: what `flows.planning.task_work` does with them is done in processes of their own."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from secrets import token_hex
from typing import TypeVar

from backends.requests import Response
from flows.planning import task_work
from flows.planning.contained_tasks import ContainedTasks
from flows.planning.task_work import PreparedDocuments, ScoredDocuments, TaskOfRun, ToPrepare, ToScore
from metrics.processes.call_messages import Ask
from metrics.processes.call_process import CallProcesses, Origin
from metrics.processes.limits import WorkLimits
from metrics.processes.watch import WorkEnded
from metrics.sandbox.pick import Wanted
from tasks_lib.catalog.selection import TaskFile
from tasks_lib.checks.configuration import check_task
from tasks_lib.code.answers_as_code import AnswersAsCode
from tasks_lib.context import TaskContext
from tasks_lib.errors import MissingPackage, MissingResource, TaskError
from tasks_lib.files.config import function_refs
from tasks_lib.prompts.turns import ChatRenderer
from tasks_lib.task import ConfiguredTask, open_task

# Tasks whose documents stay in memory.
KEPT_TASKS = 8

Argument = TypeVar("Argument")
Result = TypeVar("Result")


@cache
def processes() -> CallProcesses:
    """The processes of task code, which all runs of this process share."""
    return CallProcesses(task_work.__name__)


class TaskCalls:
    """The tasks of one run, by name.

    context: what each is given, without a chat template. chat: the model's, where prompts go through it; it
    is called here. sandbox: of what the model has written. limits: of work on a document. lacking: why tasks
    cannot be asked here, once all are checked.
    """

    def __init__(
        self,
        files: Mapping[str, TaskFile],
        context: TaskContext,
        chat: ChatRenderer | None,
        limits: WorkLimits,
        sandbox: Wanted,
    ) -> None:
        self._files, self.context, self._chat = files, context, chat
        self._limits, self._sandbox = limits, sandbox
        self._contained = ContainedTasks(sandbox, limits)
        self._code, self._run = AnswersAsCode(), token_hex(8)
        self._digests: dict[str, str] = {}
        self.lacking: Mapping[str, str] = {}

    def check(self, name: str) -> None:
        """Raise TaskError for a task that cannot be used, as far as that is seen without a document."""
        file = self._files[name]
        if any(function_refs(file.config)):
            self._call(name, task_work.check, self.of_run(name))
        else:
            check_task(file, self.context)

    def digest(self, name: str) -> str:
        """The identity of the content of a task's data. Raises TaskError."""
        if name not in self._digests:
            self._digests[name] = self._digest(name)
        return self._digests[name]

    def check_all(self) -> None:
        """Look for tasks that need a package, data or a program which is not here: they are `lacking` then.

        Raises TaskError for the first task whose file cannot be used, and where no task has what it needs.
        """
        lacking: dict[str, MissingPackage | MissingResource] = {}
        for name in self._files:
            try:
                self.check(name)
            except (MissingPackage, MissingResource) as error:
                lacking[name] = error
        if len(lacking) == len(self._files):
            raise next(iter(lacking.values()))
        self.lacking = {name: str(error) for name, error in lacking.items()}

    def prepare(self, name: str, path: Path) -> PreparedDocuments:
        """Write the requests of a task to a file, and score made-up answers to some. Raises TaskError."""
        tries = not self._is_contained(name)
        prepared = self._call(name, task_work.prepare, ToPrepare(self.of_run(name), path, tries))
        if prepared.to_try:
            self._contained.try_made_up(name, prepared.to_try)
        return prepared

    def score(
        self, name: str, requests: Path, responses: Sequence[Response], made: str, samples: Path
    ) -> ScoredDocuments:
        """Score a task and write its samples; see `ToScore`. Raises TaskError and MetricError."""
        asked = ToScore(self.of_run(name), requests, responses, made, samples)
        if self._is_contained(name):
            return self._contained.score(name, self._call(name, task_work.hand, asked), samples)
        return self._call(name, task_work.score, asked)

    def stop(self) -> None:
        """End what is under way: the run is stopped."""
        processes().stop(self._run)
        self._contained.stop()

    def _digest(self, name: str) -> str:
        task = open_task(self._files[name], self.context)
        # Files are read as they are, whatever code the task has.
        if isinstance(task, ConfiguredTask) and task.documents.are_local:
            return task.documents.digest()
        return self._call(name, task_work.digest, self.of_run(name))

    def _is_contained(self, name: str) -> bool:
        """Whether a task is scored in a sandbox."""
        runs_answers = self._code.run_by(self._files[name].config) == "its Python"
        return runs_answers and self._sandbox.found().is_apart

    def of_run(self, name: str) -> TaskOfRun:
        """What a process needs to open a task."""
        has_chat = self._chat is not None
        return TaskOfRun(self._run, self._files[name], self.context, has_chat, self._sandbox, KEPT_TASKS)

    def _call(self, name: str, function: Callable[[Argument, Ask], Result], argument: Argument) -> Result:
        file = self._files[name]
        origin = Origin(self._run, f"{file.path}, {name}", file.digest)
        try:
            return processes().call(function, argument, self._limits, origin=origin, answer=self._chat)
        except WorkEnded as ended:
            said = str(ended).removeprefix(f"{name}: ")
            raise TaskError(f"{name}: {said}") from ended
