"""What tests share: a Prefect server for the session, homes of their own, real data where there is some."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Some of these start one process, or one run, for all tests; a second import elsewhere would start a second.
from tests.support.endpoints.fixtures import endpoint, endpoint_process
from tests.support.finished_run import finished, other_run
from tests.support.hub.fixtures import hub
from tests.support.lab_fixtures import catalog_index, lab, no_installed_catalog, other_lab
from tests.support.paths import SHARED, STORIES
from tests.support.sandbox_fixture import bwrap
from tests.support.servers.fixtures import (
    database,
    llama_cpp_url,
    postgresql,
    prefix,
    seaweedfs,
    tiny_model,
    transformers_url,
    vllm_url,
)

__all__ = [
    "bwrap",
    "catalog_index",
    "database",
    "endpoint",
    "endpoint_process",
    "finished",
    "hub",
    "lab",
    "llama_cpp_url",
    "no_installed_catalog",
    "other_lab",
    "other_run",
    "postgresql",
    "prefix",
    "seaweedfs",
    "tiny_model",
    "transformers_url",
    "vllm_url",
]


# Examples that are the same each time, so that a test fails for a change and not by chance, and no deadline,
# which the first example of a process would miss by what it imports. HYPOTHESIS_PROFILE=search tries more.
settings.register_profile(
    "tests",
    derandomize=True,
    deadline=None,
    max_examples=100,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.register_profile("search", settings.get_profile("tests"), derandomize=False, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "tests"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):  # a worker of pytest-xdist
        from tests.support.workers import long_first

        long_first(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    from tests.support.workers import ByFile

    return ByFile(config, log)


def pytest_configure() -> None:
    """Ctrl-C reaches what tests start also where a shell runs them in the background, which ignores it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real benchmark data, laid out as a data root."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip(f"no benchmark data at {folder}")
    return folder


@pytest.fixture(scope="session")
def stories260k() -> Path:
    """A real model of 260 thousand parameters, as a Hugging Face folder."""
    folder = STORIES
    if not folder.is_dir():
        pytest.skip(f"no model at {folder}")
    return folder


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One Prefect server for all tests that run flows, here and in subprocesses; the URL of its API."""
    from flows.prefect_api.temporary_server import DEFAULTS, TemporaryServer

    os.environ["PREFECT_HOME"] = str(tmp_path_factory.mktemp("prefect"))
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    server = TemporaryServer(login="")
    server.wait()
    os.environ["PREFECT_API_URL"] = server.url
    from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    # Also where Prefect was imported before; the thread of its heartbeats holds up the end of each run for up
    # to a second.
    with temporary_settings({PREFECT_API_URL: server.url, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        yield server.url
    # What is not sent yet would be tried for a minute at the end, at a server that is gone.
    from prefect.logging.handlers import APILogWorker

    APILogWorker.drain_all(timeout=10)
    del os.environ["PREFECT_API_URL"]
    server.stop()


@pytest.fixture
def home(tmp_path: Path, catalog_index: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An ASSAY_HOME with nothing in it but the session's index of the catalog."""
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "catalog").symlink_to(catalog_index)
    monkeypatch.setenv("ASSAY_HOME", str(folder))
    monkeypatch.delenv("ASSAY_DATA_ROOT", raising=False)
    return folder
