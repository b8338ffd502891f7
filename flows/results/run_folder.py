"""The folder of one run: `<output>/<model>/<run id>/`.

In it are `spec.yaml`, `results.json`, `samples/<task>.parquet` and `calls/<task>.parquet`.
"""

import hashlib
import json
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from pyarrow import parquet
from pydantic import ValidationError

from backends.engine.prices import Price
from flows.errors import ResultError, SpecError
from flows.files import atomic_path, write_text
from flows.results.calls import priced
from flows.spec import EvaluationSpec

_UNSAFE = re.compile(r"[^\w.@=+-]+")


@dataclass(frozen=True, slots=True)
class RunFolder:
    """One run on disk. Each file is whole or not there; `results.json` comes last and ends the run."""

    path: Path

    @classmethod
    def create(cls, spec: EvaluationSpec) -> "RunFolder":
        """Make the folder with its `spec.yaml`. Raises SpecError where that cannot be written."""
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
        folder = cls(_model_folder(spec) / f"{stamp}-{secrets.token_hex(3)}")
        text = yaml.safe_dump(_written(spec), sort_keys=False, allow_unicode=True)
        with _blaming_output(spec):
            write_text(folder.path / "spec.yaml", text)
        return folder

    @classmethod
    def check_writable(cls, spec: EvaluationSpec) -> None:
        """Raise SpecError where the run's folder will not be writable."""
        probe = _model_folder(spec) / f".{secrets.token_hex(3)}"
        with _blaming_output(spec):
            write_text(probe, "")
        probe.unlink()

    @property
    def results(self) -> Path:
        return self.path / "results.json"

    def samples(self, task: str) -> Path:
        return self.path / "samples" / f"{safe_name(task)}.parquet"

    def add_samples(self, task: str, file: Path) -> None:
        """Copy a task's samples into the folder. Raises ResultError."""
        with atomic_path(self.samples(task)) as temporary:
            shutil.copyfile(file, temporary)

    def calls(self, task: str) -> Path:
        return self.path / "calls" / f"{safe_name(task)}.parquet"

    def add_calls(self, task: str, file: Path, prices: Mapping[str, Price | None]) -> None:
        """Put a task's calls into the folder, with what each cost. Raises ResultError."""
        table = priced(parquet.read_table(file), prices)
        with atomic_path(self.calls(task)) as temporary:
            parquet.write_table(table, temporary, compression="zstd")

    def write_results(self, results: Mapping[str, Any]) -> None:
        """Write `results.json`. Raises ResultError."""
        write_text(self.results, json.dumps(results, indent=2, ensure_ascii=False, default=str) + "\n")

    def read_results(self) -> dict[str, Any]:
        """What `results.json` says. Raises ResultError where the run has not come to its end."""
        try:
            content: dict[str, Any] = json.loads(self.results.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise ResultError(f"{self.path} has no results.json: the run did not come to its end") from error
        return content

    def read_spec(self) -> EvaluationSpec:
        """What `spec.yaml` says. Raises ResultError where there is none that can be read."""
        file = self.path / "spec.yaml"
        try:
            return EvaluationSpec.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
        except (OSError, yaml.YAMLError, ValidationError) as error:
            raise ResultError(f"{file}: {' '.join(str(error).split())}") from error


def _model_folder(spec: EvaluationSpec) -> Path:
    return spec.output.expanduser().absolute() / safe_name(_model_name(spec))


@contextmanager
def _blaming_output(spec: EvaluationSpec) -> Iterator[None]:
    try:
        yield
    except ResultError as error:
        raise SpecError(f"--output {spec.output}: {error}") from error


def safe_name(name: str) -> str:
    """A task's or model's name as the name of one file: never a path, and two names never the same file."""
    cleaned = _UNSAFE.sub("_", name).lstrip(".")
    if cleaned == name and name:
        return name
    # No name that stays as it is has a `~`.
    return f"{cleaned}~{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _model_name(spec: EvaluationSpec) -> str:
    """A model for people: of a folder its last name, of a hub id both parts."""
    name = spec.model.name
    short = Path(name).resolve().name if Path(name).is_dir() else name.strip("/").replace("/", "__")
    return f"{spec.model.backend}_{short}"


def _written(spec: EvaluationSpec) -> dict[str, Any]:
    """The spec as `--config` reads it, without what is left at its default, unless that may change."""
    dumped = spec.model_dump(mode="json", exclude_defaults=True)
    roots = [str(root) for root in spec.data_root]
    return {**dumped, "model": str(spec.model), "tasks": spec.tasks, "data_root": roots}
