"""Objects of a real S3 server: whole or not there, one winner of several, and errors in a line."""

import os
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from backends.model_string import ModelSpec
from backends.retrying import Patience, Retrier
from flows.common.errors import ResultError, SpecError
from flows.results.run_folder import RunFolder
from flows.storage import bucket
from flows.storage.bucket import PART_BYTES, BucketPath
from flows.storage.files import atomic_path, place_of, write_text
from tests.support.servers.seaweedfs import READER, SeaweedFS


@contextmanager
def away(seaweedfs: SeaweedFS) -> Iterator[None]:
    """The server is killed; it is back when the block has ended."""
    seaweedfs.kill()
    try:
        yield
    finally:
        seaweedfs.start()


def check(output: str) -> None:
    RunFolder.check_writable(place_of(output), ModelSpec.parse("baseline:uniform"))


def test_what_is_written_is_read_back_and_replaced_whole(prefix: str) -> None:
    place = place_of(prefix) / "a" / "b.txt"
    assert not place.exists()
    write_text(place, "old \u00fc")
    write_text(place, "new")
    assert place.exists()
    assert place.read_text() == "new"
    with place.open("rb") as file:
        assert file.read() == b"new"
    with pytest.raises(FileNotFoundError):
        (place_of(prefix) / "none").read_bytes()


def test_a_failed_block_writes_nothing(prefix: str) -> None:
    place = place_of(prefix) / "file"
    with suppress(KeyboardInterrupt), atomic_path(place) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert not place.exists()


def test_of_eight_that_create_one_object_one_does(prefix: str) -> None:
    def create(number: int) -> str:
        try:
            write_text(place, str(number), new=True)
        except ResultError as error:
            return str(error)
        return ""

    for race in range(3):
        place = place_of(prefix) / f"race-{race}"
        with ThreadPoolExecutor(8) as threads:
            errors = list(threads.map(create, range(8)))
        assert [str(number) for number, error in enumerate(errors) if not error] == [place.read_text()]
        assert sum(error.endswith("it is there already") for error in errors) == 7


def test_a_large_file_goes_up_in_parts_and_replaces_none_where_it_is_to_be_new(
    prefix: str, tmp_path: Path, seaweedfs: SeaweedFS
) -> None:
    file, place = tmp_path / "large", BucketPath.parse(f"{prefix}/large")
    file.write_bytes(os.urandom(1 << 20) * (2 * PART_BYTES // (1 << 20) + 1))
    place.create(file)
    etag = seaweedfs.files().info(f"{place.bucket}/{place.key}")["ETag"].strip('"')
    assert etag.endswith("-3"), "the mark of three parts"
    with pytest.raises(FileExistsError):
        place.create(file)
    place.download(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == file.read_bytes()


class LosesTheFirstAnswer:
    """A client whose first upload works, but its answer does not arrive."""

    def __init__(self, files: Any) -> None:
        self._files, self.uploads = files, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._files, name)

    def put_file(self, *arguments: Any, **options: Any) -> None:
        self.uploads += 1
        self._files.put_file(*arguments, **options)
        if self.uploads == 1:
            raise ConnectionResetError("the answer is lost")


def test_who_was_first_but_never_heard_of_it_is_not_told_that_another_was(
    prefix: str, monkeypatch: pytest.MonkeyPatch, seaweedfs: SeaweedFS
) -> None:
    files = LosesTheFirstAnswer(seaweedfs.files())
    trying = Retrier(Patience(seconds=10, first=0.01), lambda error: isinstance(error, ConnectionError))
    monkeypatch.setattr(bucket, "_connected", lambda *_: (files, trying))
    place = place_of(prefix) / "file"
    write_text(place, "mine", new=True)
    assert files.uploads == 2
    assert place.read_text() == "mine"
    files.uploads = 0
    with pytest.raises(ResultError, match="it is there already"):
        write_text(place, "another's", new=True)


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        (("nobody", "x"), "access key ID you provided does not exist"),
        (("evalkey", "wrong-secret"), "signature"),
        (READER, "Access Denied"),
    ],
)
def test_keys_that_may_not_write_are_said_in_a_line(
    prefix: str, seaweedfs: SeaweedFS, monkeypatch: pytest.MonkeyPatch, keys: tuple[str, str], reason: str
) -> None:
    for name, value in seaweedfs.environment(keys).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SpecError, match=f"--output {prefix}: cannot .*{reason}") as caught:
        check(prefix)
    assert "\n" not in str(caught.value)
    assert keys[1] not in str(caught.value).split()


def test_a_bucket_that_is_not_there_is_named_and_not_made(prefix: str, seaweedfs: SeaweedFS) -> None:
    with pytest.raises(
        SpecError, match=r"--output s3://nowhere/runs: cannot .*: The specified bucket does not"
    ):
        check("s3://nowhere/runs")
    assert not seaweedfs.files().exists("nowhere")


def test_without_the_package_the_extra_is_named(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "a-client-of-its-own")
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(SpecError, match=r"pip install 'assay-eval\[s3\]'"):
        check(prefix)


def test_without_credentials_the_variables_are_named(
    prefix: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(SpecError, match="no credentials, set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
        check(prefix)


def test_a_server_that_is_away_before_the_run_is_said_at_once(
    prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    begun = time.monotonic()
    with pytest.raises(SpecError, match=r"--output .*Could not connect .*http://127.0.0.1:1"):
        check(prefix)
    assert time.monotonic() - begun < 60


def test_a_check_of_a_place_that_may_be_written_leaves_only_its_probe(
    prefix: str, seaweedfs: SeaweedFS
) -> None:
    check(prefix)
    check(prefix)
    name = prefix.removeprefix("s3://")
    assert seaweedfs.files().find(name) == [f"{name}/baseline_uniform/.writable"]


def test_a_server_killed_while_it_is_written_to_is_waited_for(
    prefix: str, tmp_path: Path, seaweedfs: SeaweedFS
) -> None:
    file, place = tmp_path / "large", BucketPath.parse(f"{prefix}/large")
    file.write_bytes(os.urandom(1 << 20) * (4 * PART_BYTES // (1 << 20)))
    ended: list[BaseException | None] = []

    def write() -> None:
        try:
            place.create(file)
        except BaseException as error:  # noqa: BLE001 - handed to the test's own thread
            ended.append(error)
        else:
            ended.append(None)

    writing = threading.Thread(target=write)
    writing.start()
    time.sleep(0.1)
    with away(seaweedfs):
        assert not ended
        time.sleep(0.5)
    seen = seaweedfs.files().find(f"{place.bucket}/{place.key}", detail=True)
    assert all(one["size"] == file.stat().st_size for one in seen.values()), "whole or not there"
    writing.join(90)
    assert ended == [None]
    place.download(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == file.read_bytes()


def test_a_server_that_stays_away_is_an_error_of_the_run_that_names_the_object(
    prefix: str, seaweedfs: SeaweedFS, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = place_of(prefix) / "file"
    write_text(place, "before")
    with monkeypatch.context() as patch, away(seaweedfs):
        patch.setattr(bucket, "PATIENT", Patience(seconds=0.5))
        with pytest.raises(ResultError, match=f"cannot write {place}: Could not connect"):
            write_text(place, "after")
    assert place.read_text() == "before"
