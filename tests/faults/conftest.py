"""Every test of this folder gets a lab of its own, the session's Prefect server and index of the catalog."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.lab import Lab


@pytest.fixture(scope="session")
def catalog_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the index of installed task files is kept; making it takes seconds."""
    return tmp_path_factory.mktemp("catalog")


@pytest.fixture
def lab(
    tmp_path: Path, prefect_server: str, catalog_index: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Lab]:
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    lab = Lab(tmp_path)
    (lab.home / "catalog").symlink_to(catalog_index)
    monkeypatch.delenv("ASSAY_DATA_ROOT", raising=False)
    # As if lm-eval were not installed: its catalog plays no part here and takes half a second to read.
    monkeypatch.setattr("tasks_lib.catalog.catalog.installed_catalog", lambda: None)
    # The thread of Prefect's heartbeats holds up the end of each run for up to a second.
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        yield lab
