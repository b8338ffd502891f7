"""What the engine costs: `python -m tests.benchmarks.engine [--store] [--requests N] [--at-once N] ...`.

Asks the stand-in server, a process of its own, as a run does, and prints the rate as a share of the ideal
(calls at once by latency) and of what a bare aiohttp loop gets, CPU for each request of this process and of
the server's, memory at a tenth of the requests and at the end, and how late the engine's event loop was.
`--store` puts each batch into a response store. Each repeat is a process of its own.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from backends.calls.loop import engine_loop
from backends.identity import fingerprint_key, request_key
from backends.model_string import ModelSpec
from backends.protocol import Backend, ask
from backends.registry import BackendContext, open_backend
from backends.requests import Request
from backends.store.responses import ResponseStore
from tests.support.endpoints.endpoint import Endpoint
from tests.support.paths import ROOT

_TICK = 0.005  # seconds between two looks at the clock of the loop


def main() -> None:
    options = _options()
    if options.repeats == 1:
        print(json.dumps(_measured(options)))
        return
    found = [_in_a_process() for _ in range(options.repeats)]
    for name in found[0]:
        values = sorted(one[name] for one in found)
        print(f"{name:32} {statistics.median(values):9.3f}   ({values[0]:.3f} to {values[-1]:.3f})")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--at-once", type=int, default=64)
    parser.add_argument("--latency", type=float, default=0.05)
    parser.add_argument("--store", action="store_true", help="make each batch durable")
    parser.add_argument("--stream", action="store_true", help="have answers streamed")
    parser.add_argument("--repeats", type=int, default=3)
    return parser.parse_args()


def _in_a_process() -> dict[str, float]:
    command = [sys.executable, "-m", "tests.benchmarks.engine", *sys.argv[1:], "--repeats=1"]
    said = subprocess.run(command, stdout=subprocess.PIPE, check=True, cwd=ROOT, text=True).stdout
    found: dict[str, float] = json.loads(said.splitlines()[-1])
    return found


def _measured(options: argparse.Namespace) -> dict[str, float]:
    requests = [
        Request("generate_until", f"Question {number}: how many are left?", generation={"until": ["\n\n"]})
        for number in range(options.requests)
    ]
    with ExitStack() as stack:
        endpoint = stack.enter_context(Endpoint(latency=options.latency))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        store = stack.enter_context(ResponseStore.open(folder / "store.db")) if options.store else None
        settings = {"base_url": endpoint.url, "max_concurrency": options.at_once, "stream": options.stream}
        spec = ModelSpec(backend="openai-chat", name="m", options=settings)
        backend = open_backend(spec, BackendContext(home=folder))
        _ask(backend, requests[:500], None, [])  # connections are made, and the limit has grown
        found = _run(backend, requests, store, psutil.Process(endpoint.pid), options)
        bare = asyncio.run(_bare(endpoint.url, options.requests // 4, options.at_once))
        return {**found, "share of a bare loop's rate": found["requests a second"] / bare}


def _run(
    backend: Backend,
    requests: list[Request],
    store: ResponseStore | None,
    server: psutil.Process,
    options: argparse.Namespace,
) -> dict[str, float]:
    lags: list[float] = []
    watching = engine_loop().start(_watch(lags))
    memory: list[float] = []
    server_before = sum(server.cpu_times()[:2])
    cpu, wall = time.process_time(), time.perf_counter()
    _ask(backend, requests, store, memory)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    served = sum(server.cpu_times()[:2]) - server_before
    watching.cancel()
    lags.sort()
    count = len(requests)
    ideal = options.at_once / options.latency
    return {
        "requests a second": count / wall,
        "share of the ideal rate": count / wall / ideal,
        "ms CPU a request": cpu / count * 1e3,
        "ms CPU a request, server": served / count * 1e3,
        "MiB at a tenth": memory[0],
        "MiB at the end": memory[-1],
        "ms lag of the loop, p50": lags[len(lags) // 2] * 1e3,
        "ms lag of the loop, p99": lags[len(lags) * 99 // 100] * 1e3,
        "ms lag of the loop, most": lags[-1] * 1e3,
    }


def _ask(backend: Backend, requests: list[Request], store: ResponseStore | None, memory: list[float]) -> None:
    """Ask as a run does: keys first, then batch by batch. memory: MiB from a tenth of the answers on."""
    model = fingerprint_key(backend.fingerprint)
    keys = [request_key(model, request.digest()) for request in requests]
    process, count = psutil.Process(), 0
    for batch in ask(backend, requests):
        if store is not None:
            store.put_many([(keys[position], response) for position, response in batch], model)
        count += len(batch)
        if count >= len(requests) // 10 and (not memory or count == len(requests)):
            memory.append(process.memory_info().rss / 2**20)


async def _bare(url: str, requests: int, at_once: int) -> float:
    """The rate of calls that nothing is done with, each worker's one after the other."""
    body = json.dumps(
        {"model": "m", "messages": [{"role": "user", "content": "Question: how many are left?"}]}
    )
    left = iter(range(requests))

    async def work(session: aiohttp.ClientSession) -> None:
        for _ in left:
            async with session.post(f"{url}/chat/completions", data=body) as response:
                await response.read()

    headers = {"content-type": "application/json"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), headers=headers) as session:
        began = time.perf_counter()
        await asyncio.gather(*(work(session) for _ in range(at_once)))
        return requests / (time.perf_counter() - began)


async def _watch(lags: list[float]) -> Any:
    while True:
        before = time.perf_counter()
        await asyncio.sleep(_TICK)
        lags.append(max(0.0, time.perf_counter() - before - _TICK))


if __name__ == "__main__":
    main()
