"""A sandbox that has proven itself, for tests of what it holds."""

import pytest

from metrics.errors import MetricError
from metrics.sandbox.pick import sandbox_of
from metrics.sandbox.program import Sandbox


@pytest.fixture(scope="session")
def bwrap() -> Sandbox:
    try:
        return sandbox_of("bwrap", allows_none=False)
    except MetricError as error:
        pytest.skip(f"there is no bubblewrap that works here: {error}")
