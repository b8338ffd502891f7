"""Both libraries' state, once for the session: a home with the catalog's index, and a data root."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def parity_home(tmp_path_factory: pytest.TempPathFactory, prefect_server: str) -> Iterator[Path]:
    """One ASSAY_HOME for all comparisons; each has its own model, so no answer serves twice."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASSAY_HOME", str(home))
        patch.delenv("ASSAY_DATA_ROOT", raising=False)
        yield home
