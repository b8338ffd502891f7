"""Start a suite: its flow on some Prefect API."""

from typing import TYPE_CHECKING

from flows.policy.check import check_suite
from flows.prefect_api.temporary_server import PrefectApi
from flows.specs.suite import SuiteSpec

if TYPE_CHECKING:
    from flows.suites.result import SuiteResult


def run_suite(spec: SuiteSpec, *, show_progress: bool) -> "SuiteResult":
    """See `flows.benchmark.benchmark`."""
    check_suite(spec)
    with PrefectApi() as api:  # its server gets ready while all else is; hence the late imports
        from flows.reporting.progress_bar import reporting
        from flows.suites.benchmark_flow import benchmark_flow
        from flows.suites.result import SuiteResult

        with reporting(show_progress), api.connected():
            state = benchmark_flow(suite=spec, return_state=True)
    folder = state.result(raise_on_failure=False)
    if isinstance(folder, BaseException):
        raise folder
    return SuiteResult.open(str(folder))
