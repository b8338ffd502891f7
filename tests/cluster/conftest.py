"""Labs as in the tests of faults, and one Dask cluster for all tests that do it no harm."""

from collections.abc import Iterator

import pytest

from tests.cluster.dask_processes import DaskProcesses, ended_after


@pytest.fixture(autouse=True)
def _in_time() -> Iterator[None]:
    """Without it a worker that hangs holds up all tests, and says nothing."""
    with ended_after(240.0):
        yield


@pytest.fixture(scope="session")
def dask() -> Iterator[DaskProcesses]:
    """Two workers of two threads."""
    pytest.importorskip("distributed", reason="needs the extra dask")
    pytest.importorskip("prefect_dask", reason="needs the extra dask")
    with DaskProcesses(workers=2, threads=2) as processes:
        yield processes
