"""A file is whole or not there, and nothing is left beside it."""

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from backends.files import remove_abandoned
from flows.common.errors import ResultError
from flows.storage.bucket import BucketPath
from flows.storage.files import Place, atomic_path, place_of, write_text
from tests.support.paths import ROOT


def half_written(file: Path, error: BaseException) -> None:
    """Fail while a file is written."""
    with atomic_path(file) as temporary:
        temporary.write_text("half")
        raise error


def test_a_file_appears_with_its_whole_content_and_its_folders(tmp_path: Path) -> None:
    file = tmp_path / "a/b/file"
    with atomic_path(file) as temporary:
        temporary.write_text("half")
        assert not file.exists()
        temporary.write_text("whole")
    assert file.read_text() == "whole"
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("before", [None, "old"])
@pytest.mark.parametrize("error", [RuntimeError("no"), KeyboardInterrupt(), OSError(28, "disk is full")])
def test_an_error_leaves_what_was_there_and_no_temporary_file(
    tmp_path: Path, before: str | None, error: BaseException
) -> None:
    file = tmp_path / "file"
    if before is not None:
        file.write_text(before)
    with pytest.raises((type(error), ResultError)):
        half_written(file, error)
    left = {path: path.read_text() for path in tmp_path.iterdir()}
    assert left == ({} if before is None else {file: before})


def test_a_failed_write_is_an_error_that_names_the_file_and_the_reason(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match=f"cannot write {tmp_path / 'file'}: disk is full"):
        half_written(tmp_path / "file", OSError(28, "disk is full"))


@pytest.mark.parametrize("inside", ["", "/deeper"])
def test_a_file_in_the_way_of_a_folder_is_an_error(tmp_path: Path, inside: str) -> None:
    (tmp_path / "way").write_text("here")
    with pytest.raises(ResultError, match="cannot write"):
        write_text(tmp_path / f"way{inside}/file", "text")
    assert (tmp_path / "way").read_text() == "here"


def test_a_folder_in_the_way_of_a_file_is_an_error_and_stays(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with pytest.raises(ResultError, match="cannot write"):
        write_text(tmp_path / "file", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_who_reads_a_file_while_it_is_replaced_reads_the_old_one(tmp_path: Path) -> None:
    write_text(tmp_path / "file", "old content")
    with (tmp_path / "file").open() as reader:
        write_text(tmp_path / "file", "new")
        assert reader.read() == "old content"


def test_two_writers_of_one_file_do_not_mix(tmp_path: Path) -> None:
    file = tmp_path / "file"
    with atomic_path(file) as one, atomic_path(file) as other:
        one.write_text("one")
        other.write_text("other")
    assert file.read_text() == "one"
    assert list(tmp_path.iterdir()) == [file]


KILLED = """
import os, signal, sys
from pathlib import Path
from backends.files import atomic_file
with atomic_file(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_writer_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "steps"
    subprocess.run(
        [sys.executable, "-c", KILLED, folder / "killed"], env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert len(list(folder.iterdir())) == 1
    day_before = time.time() - 25 * 3600
    for name in (".file.0123abcd", "tmp0123.tmp", "file", ".hidden"):  # the first two of earlier versions
        (folder / name).write_text("old")
        os.utime(folder / name, (day_before, day_before))
    (folder / ".new.0123abcd").write_text("maybe of an earlier version that still runs")
    with atomic_path(folder / "alive") as temporary:
        temporary.write_text("half")
        remove_abandoned(folder)
        left = sorted(path.name for path in folder.iterdir())
        assert left == sorted([".hidden", ".new.0123abcd", "file", temporary.name])
    assert (folder / "alive").read_text() == "half"


def test_text_is_written_as_utf_8_line_ends_as_they_are(tmp_path: Path) -> None:
    write_text(tmp_path / "file", "\u00fc\n\u2028x\n")
    assert (tmp_path / "file").read_bytes() == "\u00fc\n\u2028x\n".encode()


def test_a_new_file_replaces_none_that_is_there(tmp_path: Path) -> None:
    file = tmp_path / "file"
    write_text(file, "first", new=True)
    with pytest.raises(ResultError, match=f"cannot write {file}: File exists"):
        write_text(file, "second", new=True)
    assert file.read_text() == "first"
    assert list(tmp_path.iterdir()) == [file]


def test_a_new_file_replaces_none_where_there_are_no_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "not here")

    monkeypatch.setattr("os.link", refuse)
    test_a_new_file_replaces_none_that_is_there(tmp_path)


@pytest.mark.parametrize("address", ["s3://b/p/q", "s3://b/p/q/", Path("s3://b/p/q"), BucketPath("b", "p/q")])
def test_an_address_in_a_bucket_is_understood_also_after_pathlib_had_it(address: str | Place) -> None:
    assert str(place_of(address)) == "s3://b/p/q"


@pytest.mark.parametrize("address", ["s3://", "s3:///", "gs://bucket/p", "https://host/x"])
def test_an_address_of_another_kind_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="s3://bucket/prefix"):
        place_of(address)
