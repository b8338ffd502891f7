"""Every test of this folder gets a lab of its own and the session's Prefect server."""

from pathlib import Path

import pytest

from tests.faults.lab import Lab


@pytest.fixture()
def lab(tmp_path: Path, prefect_server: str, monkeypatch: pytest.MonkeyPatch) -> Lab:
    lab = Lab(tmp_path)
    monkeypatch.setenv("ASSAY_HOME", str(lab.home))
    monkeypatch.delenv("ASSAY_DATA_ROOT", raising=False)
    return lab
