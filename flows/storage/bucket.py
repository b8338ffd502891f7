"""Objects of S3 buckets, used as files are: `s3://bucket/key`.

Who asks and where is told by the environment that all AWS clients read: AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL and the others. Every object is whole or not there.
"""

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from backends.retrying import ONCE, PATIENT, Patience, Retrier
from flows.common.errors import ResultError, SpecError
from flows.common.json_object import JsonObject

if TYPE_CHECKING:
    from s3fs import S3FileSystem

T = TypeVar("T")

# Larger files go up in parts, of which only those that fail go up again.
PART_BYTES = 16 << 20
# A request that no server answers for so long is made again.
_TIMEOUTS = {"connect_timeout": 10, "read_timeout": 60}
_CREDENTIALS = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
# What may pass besides a failing server (5xx): too many requests, two of them for one object at a time, and
# an upload in parts that a restarted server no longer knows.
_TRANSIENT = frozenset({"409", "429", "RequestTimeout", "NoSuchUpload"})


@dataclass(frozen=True, slots=True)
class BucketPath:
    """An object of a bucket, or what the keys of several objects begin with.

    What has no object raises FileNotFoundError when it is read. Another failure is a ResultError that
    names the object; one that may pass is first waited for (`backends.retrying`).
    """

    bucket: str
    key: str = ""

    @classmethod
    def parse(cls, address: str) -> "BucketPath":
        """From `s3://bucket/key`, also after pathlib has made `s3:/bucket/key` of it. Raises SpecError."""
        bucket, _, key = address.removeprefix("s3:").strip("/").partition("/")
        if not bucket:
            raise SpecError(f"{address!r} names no bucket: s3://bucket/prefix")
        if "@" in bucket or ":" in bucket:
            raise SpecError("an address of a bucket holds no login or password: s3://bucket/prefix")
        return cls(bucket, key)

    def __str__(self) -> str:
        return f"s3://{self._place}"

    def __truediv__(self, name: str) -> "BucketPath":
        return BucketPath(self.bucket, f"{self.key}/{name}".lstrip("/"))

    @property
    def _place(self) -> str:
        return f"{self.bucket}/{self.key}".rstrip("/")

    @property
    def name(self) -> str:
        return self.key.rpartition("/")[2] or self.bucket

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.name).suffix

    @property
    def parent(self) -> "BucketPath":
        return BucketPath(self.bucket, self.key.rpartition("/")[0])

    def expanduser(self) -> "BucketPath":
        """As it is: a bucket is in no folder."""
        return self

    def absolute(self) -> "BucketPath":
        return self

    # Reading

    def exists(self) -> bool:
        return self._call("read", lambda files: bool(files.exists(self._place)))

    def read_bytes(self) -> bytes:
        return self._call("read", lambda files: bytes(files.cat_file(self._place)))

    def read_text(self, encoding: str = "utf-8") -> str:
        return self.read_bytes().decode(encoding)

    def open(self, mode: str = "rb") -> BinaryIO:
        """The content, to read from. mode: `rb`, as of a file."""
        if mode != "rb":
            raise ValueError(f"an object is opened with 'rb', not {mode!r}")
        return BytesIO(self.read_bytes())

    def names(self) -> list[str]:
        """What is below, as a folder's listing has it: the next part of each key."""
        found = self._call("list", lambda files: list(files.ls(self._place, refresh=True)))
        return [address.rstrip("/").rpartition("/")[2] for address in found]

    def download(self, to: Path) -> None:
        """Copy the object into a file."""
        self._call("read", lambda files: files.get_file(self._place, str(to)))

    # Writing

    def write(self, file: Path) -> None:
        """Make a file's content the object, whatever was there."""
        self._call("write", lambda files: files.put_file(str(file), self._place, chunksize=PART_BYTES))

    def write_bytes(self, content: bytes) -> None:
        self._call("write", lambda files: files.pipe_file(self._place, content))

    def create(self, file: Path) -> None:
        """Make a file's content a new object; of several writers one does. Raises FileExistsError."""
        tries = 0

        def put(files: "S3FileSystem") -> None:
            nonlocal tries
            tries += 1
            files.put_file(str(file), self._place, chunksize=PART_BYTES, mode="create")

        try:
            self._call("write", put)
        except FileExistsError:
            # An earlier try may have been the one that won, its answer lost.
            if tries == 1 or self.read_bytes() != file.read_bytes():
                raise

    def check_writable(self) -> None:
        """Raise ResultError, at once, where objects below cannot be listed, written or read.

        Who may not list is told of an object that is not there that it is forbidden. Leaves an empty object
        `.writable`: to delete takes a permission that nothing else needs.
        """
        probe, first = self / ".writable", {"Bucket": self.bucket, "Prefix": self.key, "MaxKeys": 1}
        self._call("list", lambda files: files.call_s3("list_objects_v2", **first), ONCE)
        probe._call("write", lambda files: files.pipe_file(probe._place, b""), ONCE)
        probe._call("read", lambda files: files.cat_file(probe._place), ONCE)

    def _call(self, verb: str, call: Callable[["S3FileSystem"], T], patience: Patience | None = None) -> T:
        files, retrier = _connected(patience or PATIENT, frozenset(_environment()))
        from botocore.exceptions import BotoCoreError
        from s3fs.core import S3_RETRYABLE_ERRORS

        try:
            return retrier(lambda: call(files))
        except (OSError, BotoCoreError, *S3_RETRYABLE_ERRORS) as error:
            if _code(error) == "PreconditionFailed" or isinstance(error, FileExistsError):
                raise FileExistsError(errno.EEXIST, "it is there already", str(self)) from error
            if isinstance(error, FileNotFoundError) and verb == "read":
                raise FileNotFoundError(errno.ENOENT, "it is not there", str(self)) from error
            raise ResultError(f"cannot {verb} {self}: {_reason(error)}") from error


def _environment() -> list[tuple[str, str]]:
    return [(name, value) for name, value in os.environ.items() if name.startswith("AWS_")]


@lru_cache(maxsize=8)
def _connected(
    patience: Patience, _environment: frozenset[tuple[str, str]]
) -> tuple["S3FileSystem", Retrier]:
    """A client for the environment as it is now, and what calls are made through."""
    try:
        import s3fs
    except ModuleNotFoundError as error:
        raise SpecError("s3:// needs the package s3fs: pip install 'assay-eval[s3]'") from error
    # Of those who could try again s3fs does, for two seconds a part of a file; all else is the Retrier's.
    config = {"retries": {"total_max_attempts": 1}, **_TIMEOUTS}
    files = s3fs.S3FileSystem(use_listings_cache=False, skip_instance_cache=True, config_kwargs=config)
    return files, Retrier(patience, _may_pass)


def _may_pass(error: BaseException) -> bool:
    from botocore.exceptions import ConnectionError as NoConnection
    from s3fs.core import S3_RETRYABLE_ERRORS

    if status := _status(error):
        return status >= 500 or not _TRANSIENT.isdisjoint((str(status), _code(error)))
    return isinstance(error, (ConnectionError, NoConnection, *S3_RETRYABLE_ERRORS))


def _response(error: BaseException) -> JsonObject:
    """What the server said, under the OSError that s3fs makes of it."""
    return getattr(error.__cause__, "response", None) or {}


def _status(error: BaseException) -> int:
    """The HTTP status; 0 where no server answered."""
    return int(_response(error).get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _code(error: BaseException) -> str:
    return str(_response(error).get("Error", {}).get("Code", ""))


def _reason(error: BaseException) -> str:
    """What went wrong, in a line; neither key nor secret is in what servers and clients say."""
    from botocore.exceptions import NoCredentialsError

    if isinstance(error, NoCredentialsError):
        return f"there are no credentials, {_CREDENTIALS}"
    said = _response(error).get("Error", {}).get("Message") or str(error) or type(error).__name__
    return " ".join(said.split()).rstrip(".")
