"""The folder of one run, on disk or in a bucket: `<output>/<model>/<run id>/`.

In it are `spec.yaml`, `results.json`, `samples/<task>.parquet` and `calls/<task>.parquet`.
"""

import hashlib
import json
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import yaml

from backends.files import is_folder
from backends.model_string import ModelSpec
from backends.money.prices import Price
from flows.common.errors import ResultError, SpecError
from flows.common.json_object import JsonObject
from flows.results import strict_json
from flows.results.reading import opened, reading, sha256_of
from flows.storage.bucket import BucketPath
from flows.storage.files import Place, atomic_path, place_of, write_text

if TYPE_CHECKING:
    import pyarrow as pa

_UNSAFE = re.compile(r"[^\w.@=+-]+")
# Bytes: file systems take 255, of which the longest ending and a mark of files being written take some.
_LONGEST_NAME = 255 - len(".calls.parquet") - len("..01234567")
_SHORTENED = 200


@dataclass(frozen=True, slots=True)
class RunFolder:
    """One run as it is kept. Each file is whole or not there; `results.json` comes last and ends the run."""

    path: Place

    @classmethod
    def at(cls, address: str | Place) -> "RunFolder":
        """The folder at a path or `s3://bucket/prefix`."""
        return cls(place_of(address))

    @classmethod
    def create(cls, output: Place, model: ModelSpec, spec: Mapping[str, object]) -> "RunFolder":
        """Make the folder with its `spec.yaml`, which holds these keys.

        Raises SpecError where that cannot be written.
        """
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
        folder = cls(_model_folder(output, model) / f"{stamp}-{secrets.token_hex(3)}")
        text = yaml.safe_dump(dict(spec), sort_keys=False, allow_unicode=True)
        with _blaming_output(output):
            write_text(folder.path / "spec.yaml", text, new=True)
        return folder

    @classmethod
    def check_writable(cls, output: Place, model: ModelSpec) -> None:
        """Raise SpecError where the run's folder will not be writable; leaves none behind."""
        folder = _model_folder(output, model)
        with _blaming_output(output):
            if isinstance(folder, BucketPath):
                folder.check_writable()
                return
            made = [path for path in (folder, *folder.parents) if not path.exists()]
            probe = folder / f".{secrets.token_hex(3)}"
            write_text(probe, "")
            probe.unlink()
            with suppress(OSError):  # another run has put something there since
                for path in made:
                    path.rmdir()

    def spec_keys(self) -> JsonObject:
        """The keys and values of `spec.yaml`, whatever version wrote them. Raises ResultError."""
        try:
            content = yaml.safe_load((self.path / "spec.yaml").read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError, ValueError, RecursionError) as error:
            said = " ".join(str(error).split())
            raise ResultError(f"{self.path} is not the folder of a run: {said}") from error
        if not isinstance(content, dict):
            raise ResultError(f"{self.path / 'spec.yaml'} does not hold keys and values")
        return content

    @property
    def results(self) -> Place:
        return self.path / "results.json"

    def samples(self, task: str) -> Place:
        return self.path / "samples" / f"{safe_name(task)}.parquet"

    def add_samples(self, task: str, file: Path) -> None:
        """Copy a task's samples into the folder. Raises ResultError."""
        with atomic_path(self.samples(task)) as temporary:
            shutil.copyfile(file, temporary)

    def calls(self, task: str) -> Place:
        return self.path / "calls" / f"{safe_name(task)}.parquet"

    def add_calls(self, task: str, file: Path, prices: Mapping[str, Price | None]) -> None:
        """Put a task's calls into the folder, with what each cost. Raises ResultError."""
        from pyarrow import parquet

        from flows.results.calls_file import priced

        table = priced(parquet.read_table(file), prices)
        with atomic_path(self.calls(task)) as temporary:
            parquet.write_table(table, temporary, compression="zstd")

    def open_calls(self, task: str, digest: str | None = None) -> BinaryIO:
        """What `add_calls` put there; see `flows.results.reading.opened`."""
        return opened(self.calls(task), digest)

    def calls_sha256(self, task: str) -> str:
        with self.open_calls(task) as file:
            return sha256_of(file)

    def open_samples(self, task: str, digest: str | None = None) -> BinaryIO:
        """What `add_samples` put there; as `open_calls`."""
        return opened(self.samples(task), digest)

    def read_calls(self, task: str, columns: list[str] | None = None) -> "pa.Table":
        """What `add_calls` put there, or only these columns of it."""
        from pyarrow import parquet

        with self.open_calls(task) as file, reading(self.calls(task)):
            return parquet.read_table(file, columns=columns)

    def write_results(self, results: Mapping[str, object]) -> None:
        """Write `results.json`. Raises ResultError."""
        text = strict_json.dumps(strict_json.strict(results), indent=2, ensure_ascii=False, default=str)
        write_text(self.results, f"{text}\n", new=True)

    def read_results(self) -> JsonObject:
        """What `results.json` says. Raises ResultError where the run has not come to its end."""
        if isinstance(self.results, Path) and self.results.exists() and not self.results.is_file():
            raise ResultError(f"{self.results} is no file")
        try:
            text = self.results.read_bytes()
        except FileNotFoundError as error:
            raise ResultError(f"{self.path} has no results.json: the run did not come to its end") from error
        except OSError as error:
            raise ResultError(f"{self.results} cannot be read: {error.strerror or error}") from error
        with reading(self.results):
            content: JsonObject = json.loads(text)
            return strict_json.restored(content)

    def read_model(self) -> ModelSpec:
        """The model of `spec.yaml`. Raises ResultError where this version does not read it."""
        try:
            return ModelSpec.parse(self.spec_keys()["model"])
        except (KeyError, TypeError, ValueError) as error:
            raise ResultError(f"{self.path / 'spec.yaml'}: {' '.join(str(error).split())}") from error


def _model_folder(output: Place, model: ModelSpec) -> Place:
    return output.expanduser().absolute() / safe_name(_model_name(model))


@contextmanager
def _blaming_output(output: Place) -> Iterator[None]:
    try:
        yield
    except ResultError as error:
        raise SpecError(f"--output {output}: {error}") from error


def safe_name(name: str) -> str:
    """A task's or model's name as the name of one file: never a path, never too long for a file, and two
    names never the same file."""
    cleaned = _UNSAFE.sub("_", name).lstrip(".")
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    # No name that stays as it is has a `~`.
    found = cleaned if cleaned == name and name else f"{cleaned}~{digest}"
    if len(found.encode("utf-8", "surrogatepass")) <= _LONGEST_NAME:
        return found
    return f"{cleaned.encode()[:_SHORTENED].decode(errors='ignore')}~{digest}"


def _model_name(model: ModelSpec) -> str:
    """A model for people: of a folder its last name, of a hub id both parts."""
    name = model.name
    short = Path(name).resolve().name if is_folder(Path(name)) else name.strip("/").replace("/", "__")
    return f"{model.backend}_{short}"
