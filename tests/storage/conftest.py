"""What tests of storage share: a part of a real bucket, a real database, and a second machine."""

import itertools
import os
from pathlib import Path

import pytest

from tests.faults.conftest import catalog_index, lab
from tests.faults.lab import Lab
from tests.servers.postgresql import PostgreSQL
from tests.servers.seaweedfs import BUCKET, SeaweedFS

__all__ = ["catalog_index", "lab"]

_numbers = itertools.count(1)


@pytest.fixture
def prefix(seaweedfs: SeaweedFS, monkeypatch: pytest.MonkeyPatch) -> str:
    """A part of the bucket for one test alone, which may be written to."""
    for name, value in seaweedfs.environment().items():
        monkeypatch.setenv(name, value)
    return f"s3://{BUCKET}/test-{os.getpid()}-{next(_numbers)}"


@pytest.fixture
def database(postgresql: PostgreSQL, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of an empty database, without the password, which is in the environment."""
    for name, value in postgresql.environment.items():
        monkeypatch.setenv(name, value)
    return postgresql.create(f"test_{next(_numbers)}")


@pytest.fixture
def other_lab(lab: Lab, tmp_path: Path) -> Lab:
    """A second machine: the same tasks and data, a home of its own."""
    return Lab(tmp_path / "other", beside=lab)
