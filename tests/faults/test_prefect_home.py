"""Prefect's own folder, which temporary servers keep their database in."""

from pathlib import Path

import httpx
import pytest

from flows.common.errors import SpecError
from flows.prefect_api.temporary_server import TemporaryServer
from tests.support.lab import Lab

OWN_SERVER = {"PREFECT_API_URL": ""}


@pytest.mark.slow
def test_first_servers_that_start_together_all_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    servers = [TemporaryServer() for _ in range(3)]
    try:
        for server in servers:
            server.wait()
        assert [httpx.get(f"{server.url}/health").status_code for server in servers] == [200] * 3
    finally:
        for server in servers:
            server.kill()


def test_a_server_that_cannot_start_says_in_a_line_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    (tmp_path / "prefect.db").write_bytes(b"no database" * 1000)
    server = TemporaryServer()
    with pytest.raises(SpecError) as raised:
        server.wait()
    assert f"did not start in {tmp_path} (PREFECT_HOME)" in str(raised.value)
    assert "file is not a database" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_asked(
    lab: Lab, tmp_path: Path
) -> None:
    lab.add_texts("sums", 2)
    (tmp_path / "file").write_text("")
    ended = lab.run(tasks="sums", PREFECT_HOME=str(tmp_path / "file" / "prefect"), **OWN_SERVER)
    assert (ended.status, lab.asked) == (2, 0)
    (line,) = ended.errors.strip().splitlines()
    assert line.startswith(
        f"error: PREFECT_HOME: Prefect cannot write to {tmp_path}/file/prefect (Not a directory)"
    )
