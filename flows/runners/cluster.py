"""What Dask and Ray have in common here: processes that steps can be sent to."""

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Protocol

from prefect import State, Task

from flows.common.errors import USER_ERRORS, ResultError, SpecError
from flows.common.version import __version__
from flows.planning.prepared_requests import Piece
from flows.specs.evaluation import EvaluationSpec
from flows.steps.records import ShardResult
from flows.steps.run import RunAddress
from flows.storage.files import write_text

# The step `infer`, as a run shows and keeps it.
InferStep = Task[..., ShardResult]


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

    def infer(
        self, step: InferStep, run: RunAddress, pieces: Sequence[Piece], key: str
    ) -> State[ShardResult]:
        """Have a worker ask a shard; the final state. Raises LostShard where no worker could end it."""
        ...

    def try_out(self, function: Callable[..., str], *arguments: str) -> Mapping[str, str]:
        """What a function gives on workers, by worker. Raises what it raises there."""
        ...


def check_workers(cluster: Cluster, address: RunAddress) -> None:
    """Raise SpecError unless workers have this version of Assay, and see what they share with the run: its
    folder or its bucket, and its store."""
    where, spec_json = address.spec.runner, address.spec.model_dump_json()
    with nullcontext("") if address.home is None else _mark(address.home) as mark:
        try:
            said = cluster.try_out(look, __version__, str(mark), spec_json, address.store)
        except ModuleNotFoundError as error:
            raise SpecError(
                f"--runner: {where}: its workers have no module {error.name}: "
                "install Assay where they run, or put it on their PYTHONPATH"
            ) from error
    for worker, problem in said.items():
        if problem:
            raise SpecError(f"--runner: {where}: worker {worker} {problem}")


def look(version: str, mark: str, spec_json: str, store: str) -> str:
    """What is wrong with this process as a worker; empty if nothing is.

    mark: a file of the run's folder, if it shares one. store: the identity of the run's.
    """
    if version != __version__:
        return f"has Assay {__version__}, and this is {version}: install the same"
    home = Path(mark).parents[1] if mark else None
    if home and not Path(mark).exists():
        return f"does not see {home}: ASSAY_HOME must be on a disk that all share"
    try:
        RunAddress(EvaluationSpec.model_validate_json(spec_json), "", home, store).check_shared()
    except USER_ERRORS as error:
        return f"cannot share the run: {error} (it has its address and keys from the worker's environment)"
    return ""


@contextmanager
def _mark(home: Path) -> Iterator[Path]:
    """A file below the home, for a moment."""
    mark = home / "steps" / f"seen-{uuid.uuid4().hex}"
    try:
        write_text(mark, "")
        yield mark
    except ResultError as error:
        raise SpecError(f"ASSAY_HOME: {error}") from error
    finally:
        mark.unlink(missing_ok=True)
