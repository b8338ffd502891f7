"""Tasks made of a few rows and keys, for tests of what a task asks and how it scores."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from backends.requests import Request, Response
from tasks_lib.ask_options import AskOptions
from tasks_lib.code.trusted_functions import TrustedRoots
from tasks_lib.context import TaskContext
from tasks_lib.files.config import FunctionRef, TaskConfig
from tasks_lib.files.formats import with_format
from tasks_lib.prompts.turns import ChatRenderer
from tasks_lib.scoring.scorer import Answered, Sample
from tasks_lib.task import ConfiguredTask, Task

ROWS = [{"question": f"q{i}", "answer": f"a{i}", "choices": [f"a{i}", f"b{i}"], "label": 0} for i in range(8)]


class TaskMaker:
    """`<folder>/{data, functions.py}`: the documents and the Python of the tasks of one test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.file = self.folder / "made.yaml"

    def data(self, rows: Sequence[Any], split: str = "test") -> Path:
        """Write the documents of a split; its file."""
        file = self.folder / "data" / "made" / "default" / f"{split}.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
        return file

    def function(self, code: str) -> FunctionRef:
        """Add a function or class to the tasks' Python; a reference to it."""
        file = self.folder / "functions.py"
        before = file.read_text() if file.exists() else ""
        file.write_text(f"{before}\n{code}\n")
        return FunctionRef(self.folder, f"functions.{code.split('(')[0].split(':')[0].split()[-1]}")

    def task(
        self,
        options: AskOptions | None = None,
        *,
        chat: ChatRenderer | None = None,
        format: str | None = None,
        **keys: object,
    ) -> ConfiguredTask:
        """A task over split `test` that asks for `answer` after `question`, but for what `keys` say."""
        own: dict[str, object] = {
            "task": "made",
            "dataset_path": "made",
            "test_split": "test",
            "doc_to_text": "{{question}}",
            "doc_to_target": "answer",
        }
        config = with_format(TaskConfig.model_validate({**own, **keys}), format, "made.yaml, task made")
        return ConfiguredTask(self.context(options, chat).scope(config, self.file), chat)

    def context(self, options: AskOptions | None = None, chat: ChatRenderer | None = None) -> TaskContext:
        """What a run gives a task: this folder's data and trust in its Python."""
        return TaskContext(
            roots=[self.folder / "data"],
            trusted=TrustedRoots((self.folder,)),
            options=options or AskOptions(),
            chat=chat,
        )


def requests(task: Task) -> list[list[Request]]:
    """What is asked for each document."""
    return [one.requests for one in task.builder]


def prompts(task: Task) -> list[str]:
    """The prompt of each document's first request."""
    return [own[0].prompt_text for own in requests(task)]


def scored(task: Task, *answers: Response | list[Response]) -> list[Sample]:
    """The samples of a task whose requests are answered, in order, by these; a list answers all repeats."""
    rest = iter(answers)
    return list(task.scorer.samples([_answered(one, rest) for one in task.builder]))


def _answered(asked: Any, answers: Iterator[Response | list[Response]]) -> Answered:
    own = [next(answers) for _ in asked.requests]
    return Answered(asked, [one if isinstance(one, list) else [one] for one in own])


def text(answer: str) -> Response:
    """The answer to a `generate_until` request."""
    return Response(text=answer)


def likely(logprob: float, is_greedy: bool = False) -> Response:
    """The answer to a log-likelihood request."""
    return Response(logprob=logprob, is_greedy=is_greedy)
