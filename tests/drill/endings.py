"""Several runs at once, ends that nobody planned, and a server's bad day."""

import hashlib
import os
import shutil
import signal
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from tests.drill.attack import Attack, Try
from tests.support.commands import Process
from tests.support.endpoints.endpoint import Endpoint
from tests.support.lab import Finished, Lab, finish
from tests.support.waiting import until

SECTION = "two at once, and after the end"
AT_ONCE = 8
DOCS = 60
FAULTS = {"rate_limited": 0.05, "server_error": 0.05, "dropped": 0.02}


def chat(endpoint: Endpoint, **options: object) -> str:
    """A model string with quick retries."""
    own = {"max_concurrency": AT_ONCE, "timeout": 5, "backoff": 0.01, **options}
    return f"openai-chat:m?base_url={endpoint.url}&" + "&".join(f"{key}={own[key]}" for key in own)


def first_runs(lab: Lab) -> Iterator[Try]:
    """Five runs at once on a machine where none was before."""
    lab.add_texts("sums", 2)
    fresh = str(lab.home.parent / "prefect")
    env = {"PREFECT_API_URL": "", "PREFECT_HOME": fresh, "ASSAY_HOME": f"{fresh}-home"}
    runs = [lab.start(tasks="sums", **env) for _ in range(5)]
    for number, run in enumerate(runs, 1):
        ended = finish(run)
        yield Try(f"run {number}", _is_well(ended), ended.errors)


def equal_runs(lab: Lab) -> Iterator[Try]:
    """Three equal runs at once on one store: each answer is paid for once."""
    lab.add_texts("sums", DOCS)
    with Endpoint(latency=0.1) as endpoint:
        runs = [lab.start(tasks="sums", model=chat(endpoint)) for _ in range(3)]
        all_ended = [finish(run) for run in runs]
        twice = endpoint.counts()["arrived"] - DOCS
    for number, ended in enumerate(all_ended, 1):
        yield Try(f"run {number}", _is_well(ended) and twice == 0, ended.errors, _twice(twice))


def copied_store(lab: Lab) -> Iterator[Try]:
    """The file of a store, copied without those beside it."""
    lab.add_texts("sums", 10)
    lab.run(tasks="sums")
    copy = lab.home.parent / "copy.sqlite"
    shutil.copy(lab.home / "responses.sqlite", copy)
    before = lab.asked
    ended = lab.run(f"--store={copy}", tasks="sums", ASSAY_HOME=f"{lab.home}-other")
    lost = lab.asked - before
    yield Try("copy", _is_well(ended) and lost == 0, ended.errors, _twice(lost))


def other_stores(lab: Lab) -> Iterator[Try]:
    """Files that are no store, and a store with a damaged answer."""
    lab.add_texts("sums", 10)
    other = lab.home.parent / "other.sqlite"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE flow_run (id TEXT)")
    before = _digest(other)
    ended = lab.run(f"--store={other}", tasks="sums")
    yield Try("of another program", _is_refused(ended) and _digest(other) == before, ended.errors)
    lab.run(tasks="sums")
    asked = lab.asked
    with sqlite3.connect(lab.home / "responses.sqlite") as connection:
        (answers,) = connection.execute("SELECT count(*) FROM assay_responses").fetchone()
        connection.execute(
            "UPDATE assay_responses SET payload = x'00' "
            "WHERE rowid = (SELECT min(rowid) FROM assay_responses)"
        )
    ended = lab.run("--limit=10", tasks="sums", ASSAY_HOME=str(lab.home))
    lost = lab.asked - asked
    yield Try("damaged answer", _is_well(ended) and answers == 10 and lost <= 1, ended.errors, _twice(lost))


def interruptions(lab: Lab) -> Iterator[Try]:
    """Ctrl-C, SIGTERM and SIGHUP while calls are in flight, which are paid for."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # also where the drill is started with nohup
    with Endpoint() as endpoint:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            name = number.name.lower()
            lab.add_texts(name, DOCS)
            endpoint.reset()
            endpoint.change(latency=1.0)
            run = _under_way(lab, endpoint, name, arrived=AT_ONCE + 1)
            run.send_signal(number)
            ended = finish(run)
            endpoint.change(latency=0.0)
            last = lab.run(tasks=name, model=chat(endpoint))
            twice = endpoint.counts()["arrived"] - DOCS
            held = "Traceback" not in ended.errors and _is_well(last) and twice == 0
            yield Try(number.name, held, ended.errors, _twice(twice))
    signal.signal(signal.SIGHUP, before)


def kills(lab: Lab) -> Iterator[Try]:
    """`kill -9` at an endpoint with faults: at most the calls in flight are paid for again."""
    lab.add_texts("sums", DOCS)
    with Endpoint(latency=0.1, **FAULTS) as endpoint:
        for number in range(1, 4):
            before = _paid(endpoint)
            run = _under_way(lab, endpoint, "sums", arrived=endpoint.counts()["arrived"] + AT_ONCE)
            os.killpg(run.pid, signal.SIGKILL)
            run.communicate()
            yield Try(f"kill {number}", _paid(endpoint) > before)
        ended = lab.run(tasks="sums", model=chat(endpoint))
        twice = _paid(endpoint) - DOCS
    expected = lab.undisturbed(lab.home.parent / "undisturbed", "sums")
    held = _is_well(ended) and twice <= 3 * AT_ONCE
    yield Try("the end", held and set(lab.last["results"]) == set(expected), ended.errors, _twice(twice))


def prefect_away(lab: Lab) -> Iterator[Try]:
    """Prefect's server away: before the start, and for good in the middle."""
    lab.add_texts("sums", DOCS)
    began = time.monotonic()
    ended = lab.run(tasks="sums", PREFECT_API_URL="http://127.0.0.1:9/api")
    held = _is_refused(ended) and "PREFECT_API_URL" in ended.errors and time.monotonic() - began < 30
    yield Try("before", held, ended.errors)
    with Endpoint(latency=0.5) as endpoint:
        run = _under_way(lab, endpoint, "sums", arrived=AT_ONCE, PREFECT_API_URL="")
        for child in psutil.Process(run.pid).children(recursive=True):
            if "temporary_server" in " ".join(child.cmdline()):
                child.kill()
        ended = finish(run)
    held = ended.status == 0 and "sums" in ended.out and "Traceback" not in ended.errors
    yield Try("in the middle", held, ended.errors)


def long_waits(lab: Lab) -> Iterator[Try]:
    """An endpoint that wants to be waited for longer than the run may take."""
    for name, seconds in {"an hour": 3600.0, "a day": 86400.0}.items():
        lab.add_texts("sums", 2)
        with Endpoint(rate_limited=1.0, retry_after=seconds) as endpoint:
            began = time.monotonic()
            ended = lab.run(tasks="sums", model=chat(endpoint, total_timeout=5))
            took = time.monotonic() - began
        yield Try(name, ended.status == 1 and took < 60 and "Traceback" not in ended.errors, ended.errors)


def odd_input(lab: Lab) -> Iterator[Try]:
    """Names, bytes and folders that are none: one line, before anything is asked."""
    lab.add_texts("sums", 1)
    file = lab.home.parent / "file"
    file.touch()
    written = lab.home.parent / "spec.yaml"
    tries: dict[str, tuple[list[str], dict[str, str]]] = {
        "a long task": ([f"--tasks={'n' * 5000}"], {}),
        "a long output": ([f"--output={'n' * 5000}"], {}),
        "bytes": (["--model=scripted:\udcff"], {}),
        "a home that is a file": ([], {"ASSAY_HOME": str(file)}),
        "Prefect's home is a file": ([], {"PREFECT_HOME": str(file), "PREFECT_API_URL": ""}),
    }
    for number, text in enumerate(("answers_from: {}", "limit: .inf", "limit: [1]", "seed: 1\nseed: 2")):
        own = written.with_name(f"{number}.yaml")
        own.write_text(f"model: scripted:hash\ntasks: [sums]\n{text}\n")
        tries[text] = ([f"--config={own}"], {})
    for name, (flags, env) in tries.items():
        ended = lab.run(*flags, tasks="sums", **env)
        yield Try(name, _is_refused(ended), ended.errors)


def _under_way(lab: Lab, endpoint: Endpoint, task: str, arrived: int, **env: str) -> Process:
    """A run of which so many calls have come."""
    run = lab.start(tasks=task, model=chat(endpoint), **env)
    assert until(lambda: endpoint.counts()["arrived"] >= arrived, run)
    return run


def _paid(endpoint: Endpoint) -> int:
    """How many calls were answered."""
    return int(endpoint.counts()["outcomes"].get("answered", 0))


def _is_well(ended: Finished) -> bool:
    return ended.status == 0 and "Traceback" not in ended.errors


def _is_refused(ended: Finished) -> bool:
    return ended.status == 2 and len(ended.errors.strip().splitlines()) <= 2


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _twice(calls: int) -> str:
    return f"{calls} calls paid twice" if calls else ""


ATTACKS = (
    Attack(SECTION, "first runs of a machine, at once", first_runs),
    Attack(SECTION, "equal runs at once", equal_runs),
    Attack(SECTION, "a store's file copied alone", copied_store),
    Attack(SECTION, "files that are no store", other_stores),
    Attack(SECTION, "Ctrl-C, SIGTERM, SIGHUP", interruptions),
    Attack(SECTION, "kill -9", kills),
    Attack(SECTION, "Prefect's server away", prefect_away),
    Attack(SECTION, "waits without end", long_waits),
    Attack(SECTION, "names and folders that are none", odd_input),
)
