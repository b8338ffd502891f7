"""What Dask and Ray have in common here: processes that steps can be sent to."""

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Protocol

from flows import __version__
from flows.errors import ResultError, SpecError
from flows.files import write_text
from flows.home import Home


class Cluster(Protocol):
    """Worker processes, on this machine or others.

    processes: how many there are. at_once: how many shards they work on at a time. scale: how many times the
    usual size their shards are.
    """

    @property
    def processes(self) -> int: ...

    @property
    def at_once(self) -> int: ...

    @property
    def scale(self) -> int: ...

    def run(self, step: Any, parameters: dict[str, Any]) -> Any:
        """Have a worker run a step; its final state. Raises LostShard where no worker could end it."""
        ...

    def try_out(self, function: Callable[..., str], *arguments: str) -> Mapping[str, str]:
        """What a function gives on workers, by worker. Raises what it raises there."""
        ...


def check_workers(cluster: Cluster, where: str, home: Home | None) -> None:
    """Raise SpecError unless workers have this version of Assay and see the run's folder, if it has one."""
    with nullcontext("") if home is None else _mark(home) as mark:
        try:
            said = cluster.try_out(look, str(mark), __version__)
        except ModuleNotFoundError as error:
            raise SpecError(
                f"--runner: {where}: its workers have no module {error.name}: "
                "install Assay where they run, or put it on their PYTHONPATH"
            ) from error
    for worker, problem in said.items():
        if problem:
            raise SpecError(f"--runner: {where}: worker {worker} {problem}")


def look(mark: str, version: str) -> str:
    """What is wrong with this process as a worker; empty if nothing is."""
    if version != __version__:
        return f"has Assay {__version__}, and this is {version}: install the same"
    if mark and not Path(mark).exists():
        return f"does not see {Path(mark).parents[1]}: ASSAY_HOME must be on a disk that all share"
    return ""


@contextmanager
def _mark(home: Home) -> Iterator[Path]:
    """A file below the home, for a moment."""
    mark = home.root / "steps" / f"seen-{uuid.uuid4().hex}"
    try:
        write_text(mark, "")
        yield mark
    except ResultError as error:
        raise SpecError(f"ASSAY_HOME: {error}") from error
    finally:
        mark.unlink(missing_ok=True)
