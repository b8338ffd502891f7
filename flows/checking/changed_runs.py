"""Finished runs below a folder, and what of them the rules of now change."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flows.checking.changes import Change, changes
from flows.common.errors import ResultError, SpecError
from flows.results.evaluation_result import EvaluationResult
from flows.results.own_requests import caution
from flows.results.reading import reading
from flows.results.run_folder import RunFolder
from flows.storage.bucket import BucketPath
from flows.storage.files import Place, place_of

# In a bucket: what a folder of runs, of suites and of a suite's models has below it.
_DEEPEST = 4


@dataclass(frozen=True, slots=True)
class ChangedRun:
    """caution: what to know before the command is given, if anything."""

    folder: Place
    changes: Sequence[Change]
    caution: str = ""

    @property
    def command(self) -> str:
        """What mends it: it asks for what is missing now, if anything is."""
        folder = str(self.folder)
        if all(change.mend == "rescore" for change in self.changes):
            return f"python flows/rescore.py {shlex.quote(folder)}"
        return f"python flows/evaluate.py --config {shlex.quote(f'{folder}/spec.yaml')}"

    def text(self) -> str:
        lines = [f"  {change.task}: {change.why}" for change in self.changes]
        careful = [f"  {self.caution}"] if self.caution else []
        return "\n".join([str(self.folder), *lines, *careful, f"  $ {self.command}"])


@dataclass(frozen=True, slots=True)
class Checked:
    """runs: how many there were. unread: why some could not be read."""

    runs: int
    changed: Sequence[ChangedRun]
    unread: Sequence[str]

    def text(self) -> str:
        """For people: each run that is changed, what could not be read, and how many there were."""
        counted = f"{len(self.changed)} of {self.runs} finished runs have numbers that newer rules change"
        return "\n\n".join([*(one.text() for one in self.changed), *self.unread, counted])


def check(folder: str | Place, store: str | None = None) -> Checked:
    """Look through the finished runs below a folder, on disk or in a bucket.

    store: where the answers are of runs that this home did not write, or an earlier version. Raises SpecError
    where there is none.
    """
    changed: list[ChangedRun] = []
    unread: list[str] = []
    runs = list(_runs(place_of(folder)))
    if not runs:
        raise SpecError(
            f"--check {folder}: no finished run is there (a folder with spec.yaml and results.json)"
        )
    for run in runs:
        try:
            with reading(run):
                found = list(changes(EvaluationResult.open(run), store))
        except ResultError as error:
            unread.append(str(error) if str(run) in str(error) else f"{run}: {error}")
            continue
        if found:
            changed.append(ChangedRun(run, found, caution(run, RunFolder(run).spec_keys())))
    return Checked(len(runs), changed, unread)


def _runs(place: Place) -> Iterator[Place]:
    if isinstance(place, BucketPath):
        yield from _runs_in_bucket(place, _DEEPEST)
        return
    for results in sorted(place.expanduser().absolute().rglob("results.json")):
        if (results.parent / "spec.yaml").exists():
            yield results.parent


def _runs_in_bucket(place: BucketPath, deep: int) -> Iterator[BucketPath]:
    names = place.names()
    if {"results.json", "spec.yaml"} <= set(names):
        yield place
    elif deep:
        for name in sorted(name for name in names if "." not in name):
            yield from _runs_in_bucket(place / name, deep - 1)
