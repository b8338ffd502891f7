"""Prefect's server on PostgreSQL, which is for several machines: a deployment runs on it as on SQLite."""

import itertools
from pathlib import Path

import pytest

from tests.deployed.deployment import Deployment
from tests.deployed.servers import PrefectServer, Worker
from tests.support.lab import Lab
from tests.support.servers.postgresql import PostgreSQL

pytestmark = pytest.mark.slow
_numbers = itertools.count()


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.delenv("ASSAY_DATA_ROOT", raising=False)
    return Lab(tmp_path)


def test_a_deployment_runs_on_a_server_whose_database_is_postgresql(
    postgresql: PostgreSQL, lab: Lab, tmp_path: Path
) -> None:
    address = postgresql.create(f"prefect_{next(_numbers)}").removeprefix("postgresql+psycopg://assay")
    database = f"postgresql+asyncpg://assay:{postgresql.PASSWORD}{address}"
    settings = {"PREFECT_API_DATABASE_CONNECTION_URL": database}
    lab.add_choices("small", 3)
    with PrefectServer(tmp_path / "prefect", settings) as server, Worker(server, "drill", {}):
        deployment = Deployment(server, "drill")
        run = deployment.start(lab.spec("small"), lab.home)
        deployment.wait(run, "Completed")
        assert {step.state_name for step in deployment.steps(run)} == {"Completed"}
        assert not list((tmp_path / "prefect").glob("*.db"))
    assert lab.asked == 6
