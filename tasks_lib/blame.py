"""Who is to blame: errors of a task file's own templates and functions, named with file, key and document."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from jinja2 import UndefinedError

from metrics.errors import MetricError
from tasks_lib.errors import TaskError
from tasks_lib.fields import Doc


@dataclass(frozen=True, slots=True)
class Blame:
    """Makes the TaskErrors of one task.

    task: its name. path: its file, or its group's for one defined there.
    """

    task: str
    path: Path

    def error(self, key: str, message: str, doc_id: int | None = None) -> TaskError:
        document = "" if doc_id is None else f", document {doc_id}"
        return TaskError(f"{self.task}: {key}{document}: {message} (in {self.path})")

    @contextmanager
    def on(self, key: str, doc_id: int | None = None, doc: Doc | None = None) -> Iterator[None]:
        """Turn whatever the code of `key` raises into a TaskError that names key, document and file."""
        try:
            yield
        except TaskError:
            raise
        except MetricError as error:
            raise self.error(key, str(error), doc_id) from error
        except Exception as error:
            raise self.error(key, _reason(error, doc), doc_id) from error


def _reason(error: Exception, doc: Doc | None) -> str:
    reason = f"{type(error).__name__}: {error}"
    if doc is not None and isinstance(error, UndefinedError | KeyError):
        reason += f"; the document has {', '.join(map(str, doc))}"
    return reason
