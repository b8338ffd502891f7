"""Labs: each test gets one of its own, with the session's Prefect server and index of the catalog."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.lab import Lab


@pytest.fixture(scope="session")
def catalog_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the index of installed task files is kept; making it takes seconds."""
    return tmp_path_factory.mktemp("catalog")


def hide_installed_catalog(patch: pytest.MonkeyPatch) -> None:
    """As if lm-eval were not installed: to index its catalog in a new home takes seconds."""
    patch.setattr("tasks_lib.catalog.catalog.installed_catalog", lambda: None)


@pytest.fixture
def no_installed_catalog(monkeypatch: pytest.MonkeyPatch) -> None:
    hide_installed_catalog(monkeypatch)


@pytest.fixture
def lab(tmp_path: Path, prefect_server: str, catalog_index: Path, monkeypatch: pytest.MonkeyPatch) -> "Lab":
    """A home, tasks, data and results of its own (`Lab`)."""
    from tests.support.lab import Lab

    lab = Lab(tmp_path)
    (lab.home / "catalog").symlink_to(catalog_index)
    monkeypatch.delenv("ASSAY_DATA_ROOT", raising=False)
    hide_installed_catalog(monkeypatch)
    return lab


@pytest.fixture
def other_lab(lab: "Lab", tmp_path: Path) -> "Lab":
    """A second machine: the same tasks and data, a home of its own."""
    from tests.support.lab import Lab

    return Lab(tmp_path / "other", beside=lab)
