"""Errors of a task file's own templates and functions, named with file, key and document."""

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from jinja2 import UndefinedError

from metrics.errors import MetricError
from metrics.processes.marks import working_on
from tasks_lib.doc import Doc
from tasks_lib.errors import TaskError

_LONGEST_REASON = 500  # characters; some libraries print whole tables


@dataclass(frozen=True, slots=True)
class ErrorContext:
    """Makes the TaskErrors of one task.

    task: its name. path: its file, or its group's for one defined there.
    """

    task: str
    path: Path | str

    def error(self, key: str, message: str, doc_id: int | None = None) -> TaskError:
        return TaskError(self._message(key, message, doc_id))

    def _message(self, key: str, message: str, doc_id: int | None) -> str:
        return f"{self._before(key, doc_id)}{message}{self._place}"

    def _before(self, key: str, doc_id: int | None) -> str:
        document = "" if doc_id is None else f", document {doc_id}"
        return f"{self.task}: {key}{document}: "

    @property
    def _place(self) -> str:
        return f" (in {self.path})"

    @contextmanager
    def on(self, key: str, doc_id: int | None = None, doc: Doc | None = None) -> Iterator[None]:
        """Turn whatever is raised over `key` into a TaskError that names key, document and file; so does who
        watches this process, where it ends meanwhile."""
        try:
            with working_on(self._before(key, doc_id), self._place, doc_id):
                yield
        except TaskError as error:
            if not str(error).endswith(self._place):
                said = str(error).removeprefix(f"{self.task}: ")
                error.args = (self._message(key, said, doc_id),)
            raise
        except MetricError as error:
            raise self.error(key, str(error), doc_id) from error
        except (Exception, SystemExit) as error:  # some task code exits where a program is missing
            raise self.error(key, _reason(error, doc), doc_id) from error


def _reason(error: BaseException, doc: Doc | None) -> str:
    """What was raised, in one line."""
    reason = f"{type(error).__name__}: {textwrap.shorten(str(error), _LONGEST_REASON)}"
    if doc is not None and isinstance(error, UndefinedError | KeyError):
        reason += f"; the document has {', '.join(map(str, doc)) or 'no fields'}"
    return reason
