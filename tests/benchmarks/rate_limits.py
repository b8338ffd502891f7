"""Calls that fail by chance, and rates that are enforced: `python -m tests.benchmarks.rate_limits`.

The engine beside as many callers of the plain `openai` client with its own retries, on the same stand-in
server, a process of its own on this machine. First 1,319 questions of which a share meet faults: of 5 %,
5 % are refused with 429, 5 % get 500, 2 % are dropped, 1 % malformed and 1 % hang until the time-out; the
others in proportion. Printed are seconds, the ratio, and how many had no answer. Then servers that enforce
a rate: what was answered as a share of it, and the share of calls that were refused, both after the first
minute.
"""

import argparse
import asyncio
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import openai

from backends.model_string import ModelSpec
from backends.protocol import AskContext, Backend, ask
from backends.registry import BackendContext, open_backend
from backends.requests import Request
from tests.support.endpoints.endpoint import Endpoint

AT_ONCE = 64
LATENCY = 0.05
TIMEOUT = 5.0
QUESTIONS = 1319
# Of a call of the questions here, prompt and answer.
TOKENS = 30


def prompts(count: int) -> list[str]:
    return [f"Question {number}: how many are left, if half of them go home?" for number in range(count)]


def requests(count: int) -> list[Request]:
    return [Request("generate_until", prompt) for prompt in prompts(count)]


def opened(endpoint: Endpoint, folder: Path, **options: Any) -> Backend:
    settings = {"base_url": endpoint.url, "max_concurrency": AT_ONCE, **options}
    return open_backend(
        ModelSpec(backend="openai-chat", name="m", options=settings), BackendContext(home=folder)
    )


def by_engine(endpoint: Endpoint, folder: Path, max_tries: int) -> tuple[float, int]:
    """Seconds, and how many questions had no answer."""
    backend = opened(endpoint, folder, timeout=TIMEOUT, max_tries=max_tries)
    began = time.perf_counter()
    answers = [answer for batch in ask(backend, requests(QUESTIONS)) for _, answer in batch]
    return time.perf_counter() - began, sum(not answer.is_scorable for answer in answers)


async def by_client(url: str, max_tries: int) -> tuple[float, int]:
    """The same by callers of OpenAI's client, each question by one after the other."""
    client = openai.AsyncOpenAI(base_url=url, api_key="none", timeout=TIMEOUT, max_retries=max_tries - 1)
    left, failed = iter(prompts(QUESTIONS)), 0

    async def work() -> None:
        nonlocal failed
        for prompt in left:
            try:
                await _answer(client, prompt)
            except openai.OpenAIError:
                failed += 1

    async with client:
        began = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(AT_ONCE)))
        return time.perf_counter() - began, failed


async def _answer(client: openai.AsyncOpenAI, prompt: str) -> None:
    """One answer; one that cannot be read, which the client hands on, is asked for once more, as here."""
    for is_last in (False, True):
        try:
            await client.chat.completions.create(
                model="m", messages=[{"role": "user", "content": prompt}], temperature=0.0
            )
            return
        except ValueError as error:
            if is_last:
                raise openai.OpenAIError from error


def faults(share: float, seed: int) -> dict[str, float]:
    return {
        "rate_limited": share,
        "server_error": share,
        "dropped": 0.4 * share,
        "malformed": 0.2 * share,
        "hanging": 0.2 * share,
        "seed": seed,
    }


def chance(shares: Sequence[float], repeats: int, max_tries: int, folder: Path) -> None:
    print(f"{'faults':>8}{'engine s':>10}{'client s':>10}{'ratio':>8}   without an answer")
    for share in shares:
        for seed in range(repeats):
            with Endpoint(latency=LATENCY, **faults(share, seed)) as endpoint:
                ours, ours_failed = by_engine(endpoint, folder, max_tries)
            with Endpoint(latency=LATENCY, **faults(share, seed)) as endpoint:
                theirs, theirs_failed = asyncio.run(by_client(endpoint.url, max_tries))
            line = f"{share:8.0%}{ours:10.1f}{theirs:10.1f}{ours / theirs:8.2f}"
            print(f"{line}   {ours_failed} and {theirs_failed}", flush=True)


def enforced(per_minute: float, seconds: float, folder: Path) -> None:
    print(f"{'counted as':>14}{'of':>10}{'Retry-After':>13}{'of the rate':>13}{'refused':>9}")
    for counting in ("bucket", "sliding", "fixed"):
        for unit in ("requests", "tokens", "both"):
            for names_wait in (False, True):
                share, refused = _enforced(per_minute, seconds, counting, unit, names_wait, folder)
                named = "named" if names_wait else "none"
                print(f"{counting:>14}{unit:>10}{named:>13}{share:13.1%}{refused:9.1%}", flush=True)


def _enforced(
    per_minute: float, seconds: float, counting: str, unit: str, names_wait: bool, folder: Path
) -> tuple[float, float]:
    """What was answered of what is allowed, and the share that was refused, after the first minute."""
    rates = {
        "requests": {"requests_per_minute": per_minute},
        "tokens": {"tokens_per_minute": per_minute * TOKENS},
        "both": {"requests_per_minute": per_minute, "tokens_per_minute": 2 * per_minute * TOKENS},
    }
    with Endpoint(latency=LATENCY, counting=counting, names_wait=names_wait, **rates[unit]) as endpoint:
        stop = threading.Event()
        timer = threading.Timer(seconds, stop.set)
        timer.start()
        tokens = _ask_until(stop, opened(endpoint, folder))
        log = endpoint.log()
    began = log[0]["arrived"] + 60.0
    late = [call for call in log if began <= call["arrived"] < began + seconds - 60.0]
    answered = sum(call["outcome"] == "answered" for call in late)
    allowed = per_minute * (seconds - 60.0) / 60.0 * (TOKENS / tokens if unit == "tokens" else 1.0)
    return answered / allowed, sum(call["outcome"] == "rate_limited" for call in late) / max(1, len(late))


def _ask_until(stop: threading.Event, backend: Backend) -> float:
    """Ask until a time; the tokens of a call, in the mean."""
    found = [answer for batch in _answers(stop, backend) for _, answer in batch if answer.is_scorable]
    total: int = sum(one.tokens_in + one.tokens_out for one in found)
    return total / max(1, len(found))


def _answers(stop: threading.Event, backend: Backend) -> Iterator[Any]:
    for batch in ask(backend, requests(100_000), AskContext()):
        yield batch
        if stop.is_set():
            return


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--shares", type=float, nargs="*", default=[0.01, 0.05, 0.2])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--max-tries", type=int, default=16, help="of a question, on both sides")
    parser.add_argument("--per-minute", type=float, default=600, help="the rate that is enforced; 0 for none")
    parser.add_argument("--seconds", type=float, default=180, help="of each server that enforces a rate")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if given.shares:
            chance(given.shares, given.repeats, given.max_tries, Path(folder))
        if given.per_minute:
            enforced(given.per_minute, given.seconds, Path(folder))


if __name__ == "__main__":
    main()
