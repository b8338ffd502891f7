"""The stand-in server as fixtures; a conftest that wants them imports both."""

from collections.abc import Iterator

import pytest

from tests.support.endpoints.endpoint import Endpoint


@pytest.fixture(scope="session")
def endpoint_process() -> Iterator[Endpoint]:
    """One server process for all tests; they use `endpoint`."""
    with Endpoint() as endpoint:
        yield endpoint


@pytest.fixture
def endpoint(endpoint_process: Endpoint) -> Endpoint:
    """A healthy server to which nothing has come yet. `endpoint.change(...)` makes it behave differently."""
    endpoint_process.reset()
    return endpoint_process
