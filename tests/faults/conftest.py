"""Every test of this folder gets a lab of its own, the session's Prefect server and index of the catalog."""

from pathlib import Path

import pytest

from tests.faults.lab import Lab


@pytest.fixture(scope="session")
def catalog_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the index of installed task files is kept; making it takes seconds."""
    return tmp_path_factory.mktemp("catalog")


@pytest.fixture
def lab(tmp_path: Path, prefect_server: str, catalog_index: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    lab = Lab(tmp_path)
    (lab.home / "catalog").symlink_to(catalog_index)
    monkeypatch.delenv("ASSAY_DATA_ROOT", raising=False)
    return lab
