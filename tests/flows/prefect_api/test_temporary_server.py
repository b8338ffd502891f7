"""The temporary server of a run answers the run's own processes, and nobody else on the machine."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from flows.prefect_api.temporary_server import PrefectApi, TemporaryServer
from tests.support.lab import Lab


@pytest.fixture(scope="module")
def server(prefect_server: str) -> Iterator[TemporaryServer]:
    """One beside the session's, in the same home."""
    server = TemporaryServer()
    server.wait()
    yield server
    server.stop()


def test_nobody_without_the_password_reads_or_changes_runs(server: TemporaryServer) -> None:
    name, _, password = server.login.partition(":")

    def status(path: str, auth: tuple[str, str] | None) -> int:
        return httpx.post(f"{server.url}/{path}", json={}, timeout=30.0, auth=auth).status_code

    for path in ("flow_runs/filter", "block_documents/filter", "variables/filter"):
        assert status(path, None) == 401
        assert status(path, (name, "guess")) == 401
        assert status(path, (name, password)) == 200


def test_each_server_has_a_password_of_its_own_that_no_process_argument_shows(
    server: TemporaryServer,
) -> None:
    password = server.login.partition(":")[2]
    assert len(password) >= 32
    shown = subprocess.run(["ps", "-ewwo", "args"], capture_output=True, text=True, check=True).stdout
    assert "flows.prefect_api.temporary_server" in shown
    assert password not in shown


@pytest.mark.slow
def test_a_run_with_its_own_server_asks_with_the_password_and_says_it_nowhere(
    lab: Lab, tmp_path: Path
) -> None:
    lab.add_texts("sums", 3)
    ended = lab.run(
        "--runner=dask:local?workers=1",
        tasks="sums",
        PREFECT_API_URL="",
        PREFECT_HOME=str(tmp_path / "prefect"),
        PREFECT_LOGGING_LEVEL="DEBUG",
    )
    assert ended.status == 0, ended.errors
    assert "401 Unauthorized" not in ended.errors
    assert "assay:" not in ended.out + ended.errors


def test_within_its_block_prefect_has_the_password(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, prefect_server: str
) -> None:
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL, temporary_settings

    monkeypatch.delenv("PREFECT_API_URL")
    with (
        temporary_settings(restore_defaults={PREFECT_API_URL}),
        PrefectApi() as api,
        api.connected(),
        get_client(sync_client=True) as client,
    ):
        assert client.read_flow_runs(limit=1) is not None
        assert str(client.api_url) != prefect_server
