"""What steps write for the steps after them: files of this machine, and, where runs are kept in a bucket, of
all machines that keep theirs there.

A step reads and writes files on disk. What it wrote it adds, which gives a reference (name, digest) for
others; who has a reference gets the file, wherever it was written. Files of a bucket are fetched once.
"""

import errno
import hashlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath

from backends.files import sha256_of
from flows.common.errors import ResultError
from flows.storage.bucket import BucketPath
from flows.storage.files import Place, atomic_path
from flows.storage.home import Home

# A file by its name below the steps' folder ("path") and its content ("sha256"), as steps pass it on.
File = Mapping[str, str]


class StepFiles:
    """Files of this machine alone. root: their folder; nothing is created before it is written to."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def prepared(self) -> Path:
        return self.root / "prepared"

    @property
    def scored(self) -> Path:
        return self.root / "scored"

    @property
    def unanswered(self) -> Path:
        """What became of requests without an answer, by shard."""
        return self.root / "unanswered"

    @property
    def finished(self) -> Place:
        """Prefect's own records of finished steps: JSON references to what the steps wrote."""
        return self.root / "finished"

    @property
    def children(self) -> Place:
        """What came of shards that child runs asked."""
        return self.root / "children"

    @property
    def called_off(self) -> Place:
        """A mark for each run that was stopped while other processes asked for it."""
        return self.root / "called-off"

    def check(self) -> None:
        """Raise ResultError, at once, where what others wrote cannot be had; of one machine it can."""

    def add(self, path: Path) -> dict[str, str]:
        """A reference to a file that a step has written below the root. Raises ResultError."""
        return {"path": path.relative_to(self.root).as_posix(), "sha256": sha256_of(path)}

    def fetch(self, file: File) -> Path:
        """The file of a reference, on this machine. Raises FileNotFoundError or ResultError."""
        return self._path(file)

    def fetch_all(self, files: Mapping[str, File]) -> dict[str, Path]:
        """The files of several references, of which one may need another beside it."""
        return {what: self.fetch(file) for what, file in files.items()}

    def are_intact(self, files: Iterable[File]) -> bool:
        """Whether files are there with the content they were written with."""
        return all(map(self._is_intact, files))

    def _is_intact(self, file: File) -> bool:
        try:
            return sha256_of(self._path(file)) == file["sha256"]
        except OSError:
            return False

    def _path(self, file: File) -> Path:
        """Where a file is on this machine, which is below the root, whatever its reference says."""
        path = PurePosixPath(file["path"])
        if path.is_absolute() or ".." in path.parts:
            raise ResultError(f"a record below {self.root} names {str(path)!r}, which is outside: delete it")
        return self.root / path


class SharedStepFiles(StepFiles):
    """Files that several machines share through a bucket. root: a folder of this machine for copies of them.

    An object's name ends in its content's digest, so that machines which do the same step at the same time
    do not disturb one another.
    """

    def __init__(self, root: Path, bucket: BucketPath) -> None:
        super().__init__(root)
        self._bucket = bucket
        self._known: dict[str, str] = {}

    @property
    def finished(self) -> Place:
        return self._bucket / "finished"

    @property
    def children(self) -> Place:
        return self._bucket / "children"

    @property
    def called_off(self) -> Place:
        return self._bucket / "called-off"

    def check(self) -> None:
        self._bucket.check_writable()

    def add(self, path: Path) -> dict[str, str]:
        file = super().add(path)
        with suppress(FileExistsError):  # with this very content
            self._object(file).create(path)
        self._known[file["path"]] = file["sha256"]
        return file

    def fetch(self, file: File) -> Path:
        path = self._path(file)
        if self._known.get(file["path"]) != file["sha256"]:
            if not super()._is_intact(file):
                self._download(file, path)
            self._known[file["path"]] = file["sha256"]
        return path

    def _download(self, file: File, path: Path) -> None:
        kept = self._object(file)
        if not kept.exists():
            raise FileNotFoundError(errno.ENOENT, "it is not there", str(kept))
        with atomic_path(path) as temporary:
            kept.download(temporary)
            if sha256_of(temporary) != file["sha256"]:
                raise ResultError(f"{kept} is damaged: delete it and run again")

    def _is_intact(self, file: File) -> bool:
        """Also fetches it: what is intact is read next."""
        try:
            self.fetch(file)
        except FileNotFoundError:
            return False
        return True

    def _object(self, file: File) -> BucketPath:
        return self._bucket / f"{file['path']}.{file['sha256'][:16]}"


def step_files(home: Home, shared: Place) -> StepFiles:
    """Where steps keep their files. shared: the folder whose runs share them; those of one machine all do."""
    if isinstance(shared, BucketPath):
        folder = shared / ".steps"
        name = hashlib.sha256(str(folder).encode()).hexdigest()[:16]
        return SharedStepFiles(home.root / "shared" / name, folder)
    return StepFiles(home.root / "steps")
