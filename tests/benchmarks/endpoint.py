"""Whole runs over an endpoint: rate, CPU and memory of many requests, and gsm8k beside lm-eval.

    python -m tests.benchmarks.endpoint --data-root DATA

The endpoint is the stand-in server of `tests/support/endpoints`, in a process of its own on this
machine, answering after 50 ms; 64 calls are in flight at once. The scores of both sides are checked to be
equal.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import yaml

from flows.prefect_api.temporary_server import TemporaryServer
from tests.benchmarks.whole_run import Spent, measure, report
from tests.support.endpoints.endpoint import Endpoint
from tests.support.paths import ROOT

AT_ONCE = 64
LATENCY = 0.05
LM_EVAL = "import sys; from tests.benchmarks.endpoint import run_lm_eval; run_lm_eval(*sys.argv[1:])"


def run_lm_eval(url: str, data_root: str, limit: str, output: str) -> None:
    """gsm8k by lm-eval, in a process of its own; writes its results."""
    from lm_eval import simple_evaluate

    from tests.parity.oracle import local_data

    arguments = {
        "base_url": f"{url}/chat/completions",
        "model": "m",
        "num_concurrent": AT_ONCE,
        "tokenizer_backend": None,
    }
    with local_data([Path(data_root)]):
        results = simple_evaluate(
            "local-chat-completions",
            model_args=arguments,
            tasks=["gsm8k"],
            limit=int(limit) or None,
            apply_chat_template=True,
        )
    assert results is not None
    Path(output).write_text(json.dumps(results["results"], default=str))


def assay(
    url: str, home: Path, flags: Sequence[str], settings: Mapping[str, str]
) -> tuple[Spent, dict[str, Any]]:
    """A run of ours as a process; what it took, and its results."""
    environment = {**_environment(home), **settings}
    model = f"openai-chat:m?base_url={url}&max_concurrency={AT_ONCE}"
    command = [sys.executable, "flows/evaluate.py", "--model", model, "--output", str(home / "runs"), *flags]
    spent = measure(command, environment)
    newest = max((home / "runs").glob("*/*/results.json"), key=lambda path: path.stat().st_mtime)
    return spent, json.loads(newest.read_text())


def _environment(home: Path) -> dict[str, str]:
    return {**os.environ, "ASSAY_HOME": str(home), "PREFECT_HOME": str(home.parent / "prefect")}


@contextmanager
def prefect_server(home: Path) -> Iterator[dict[str, str]]:
    """A Prefect server that was there before; the settings that lead a run to it."""
    os.environ["PREFECT_HOME"] = _environment(home)["PREFECT_HOME"]
    server = TemporaryServer(login="")
    server.wait()
    try:
        yield {"PREFECT_API_URL": server.url}
    finally:
        server.stop()


def with_index(home: Path, scratch: Path) -> Path:
    """A home as any but the very first start on a machine finds it: the installed catalog has been indexed
    and Prefect's database made."""
    index = scratch / "index"
    if not index.exists():
        measure([sys.executable, "flows/evaluate.py", "--list-tasks"], _environment(index))
        measure([sys.executable, "-m", "prefect", "server", "database", "upgrade", "-y"], _environment(index))
    shutil.copytree(index, home)
    return home


def many_requests(count: int, scratch: Path) -> None:
    """One task of so many documents: rate, CPU and memory, and the same with a tenth of the documents."""
    data, tasks = scratch / "data/sums/default", scratch / "tasks"
    data.mkdir(parents=True)
    tasks.mkdir()
    filler = "A rather ordinary sentence of a few words. " * 12
    rows = (json.dumps({"question": f"{filler}What is {i}?", "answer": str(i)}) for i in range(count))
    (data / "test.jsonl").write_text("\n".join(rows))
    task = {
        "task": "sums",
        "dataset_path": "sums",
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "question",
        "doc_to_target": "answer",
        "generation_kwargs": {"until": ["\n"], "max_gen_toks": 64},
        "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
    }
    (tasks / "sums.yaml").write_text(yaml.safe_dump(task))
    print(f"{'requests':>9}{'wall s':>9}{'rate/s':>9}{'of ideal':>10}{'CPU ms each':>13}{'peak MiB':>10}")
    for limit in (count // 10, count):
        flags = ["--tasks", "sums", "--include-path", str(tasks), "--data-root", str(scratch / "data")]
        with Endpoint(latency=LATENCY) as endpoint:
            home = with_index(scratch / f"home{limit}", scratch)
            spent, results = assay(endpoint.url, home, [*flags, "--limit", str(limit)], {})
        rate = results["assay"]["performance"]["run"]["requests_per_second"]
        ideal = AT_ONCE / LATENCY
        print(
            f"{limit:9}{spent.wall:9.1f}{rate:9.0f}{rate / ideal:10.1%}"
            f"{spent.cpu / limit * 1000:13.2f}{spent.memory:10.0f}",
            flush=True,
        )


def gsm8k(data_root: Path, limit: int, repeat: int, scratch: Path) -> None:
    """gsm8k from process start to written results, here and in lm-eval."""
    beside = "Assay, Prefect's server there"
    runs: dict[str, list[Spent]] = {"lm-eval": [], "Assay": [], "Assay again": [], beside: []}
    flags = ["--tasks", "gsm8k", "--data-root", str(data_root), "--apply-chat-template"]
    flags += ["--limit", str(limit)] if limit else []
    with Endpoint(latency=LATENCY) as endpoint:
        for number in range(repeat):
            home, output = with_index(scratch / f"gsm8k{number}", scratch), scratch / "lm-eval.json"
            arguments = [endpoint.url, str(data_root), str(limit), str(output)]
            environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENAI_API_KEY": "none"}
            runs["lm-eval"].append(measure([sys.executable, "-c", LM_EVAL, *arguments], environment))
            theirs = json.loads(output.read_text())["gsm8k"]
            homes = {
                "Assay": home,
                "Assay again": home,
                beside: with_index(scratch / f"beside{number}", scratch),
            }
            for name, own in homes.items():
                server: AbstractContextManager[dict[str, str]]
                server = prefect_server(own) if name == beside else nullcontext({})
                with server as settings:
                    spent, results = assay(endpoint.url, own, flags, settings)
                runs[name].append(spent)
                for key in ("exact_match,strict-match", "exact_match,flexible-extract"):
                    assert results["results"]["gsm8k"][key] == theirs[key], f"{key} differs"
    report(runs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--limit", type=int, default=0, help="documents of gsm8k; 0 for all")
    parser.add_argument("--repeat", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        if given.requests:
            many_requests(given.requests, Path(scratch))
        if given.repeat:
            gsm8k(given.data_root.resolve(), given.limit, given.repeat, Path(scratch))


if __name__ == "__main__":
    main()
