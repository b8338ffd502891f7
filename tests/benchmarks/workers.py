"""How much faster more worker processes answer: `python -m tests.benchmarks.workers [--latency S] ...`.

Runs of one task against the stand-in server, whose answers take a fixed time, on Dask clusters of one and of
four processes. Each process keeps as many calls in flight as `--each` says (the bound of the model string,
which the processes share, is raised with their number), so that it is the endpoint that is waited for, and
not a core. A first run of each cluster warms its workers: Python, Prefect, connections, and the limit of the
calls in flight, which grows from 8 at most, are not measured. Two rates are printed. That of asking is the
requests over the time from the first call's arrival at the endpoint to the last's, as the endpoint saw them;
that of the whole run has all else in it, which more workers do not make faster: preparing, scoring, Prefect.
"""

import argparse
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from flows.prefect_api.temporary_server import PrefectApi
from tests.cluster.dask_processes import DaskProcesses
from tests.support.endpoints.endpoint import Endpoint
from tests.support.lab import Lab


@dataclass(frozen=True, slots=True)
class Rates:
    """Requests a second: while the endpoint was asked, and over the whole run."""

    asking: float
    run: float


def main() -> None:
    given = _options()
    with tempfile.TemporaryDirectory() as scratch, PrefectApi() as api, api.connected():
        os.environ["PREFECT_HOME"] = scratch
        rates = {count: _measured(given, count, Path(scratch)) for count in (1, given.workers)}
    one, several = rates[1], rates[given.workers]
    ideal = given.each / given.latency
    print(f"{given.requests} requests of {given.latency:g} s, {given.each} in flight in each process")
    for count, found in rates.items():
        share = found.asking / (count * ideal)
        print(
            f"{count} worker(s): {found.asking:7.1f} requests/s asking ({share:.0%} of the ideal), "
            f"{found.run:7.1f} over the whole run"
        )
    print(
        f"{given.workers} workers to one: {several.asking / one.asking:.2f} times the throughput "
        f"(whole run: {several.run / one.run:.2f})"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--requests", type=int, default=2400)
    parser.add_argument("--latency", type=float, default=0.5, help="seconds of an answer")
    parser.add_argument("--each", type=int, default=8, help="calls in flight in each process")
    parser.add_argument("--workers", type=int, default=4)
    return parser.parse_args()


def _measured(given: argparse.Namespace, workers: int, scratch: Path) -> Rates:
    lab = Lab(scratch / f"with_{workers}")
    lab.add_texts("warm", 64 * workers)
    lab.add_texts("sums", given.requests)
    with Endpoint(latency=given.latency) as endpoint, DaskProcesses(workers, threads=2) as dask:
        model = f"openai-chat:m?base_url={endpoint.url}&max_concurrency={given.each * workers}"
        lab.evaluate("warm", model, runner=dask.runner)
        endpoint.reset()
        endpoint.change(latency=given.latency)
        started = time.monotonic()
        lab.evaluate("sums", model, runner=dask.runner)
        seconds = time.monotonic() - started
        arrived = [call["arrived"] for call in endpoint.log()]
    assert len(arrived) == given.requests
    asking = max(arrived) - min(arrived) + given.latency
    return Rates(given.requests / asking, given.requests / seconds)


if __name__ == "__main__":
    main()
