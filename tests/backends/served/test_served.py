"""Servers that are started for a model: their life from the first question on, whatever ends it."""

import gc
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from backends.errors import BackendError, BackendStopped
from backends.model_files.loading import load_tokenizer
from backends.model_files.source import locate
from backends.model_string import ModelSpec
from backends.protocol import Backend, ask
from backends.registry import BackendContext, open_backend
from backends.requests import Request, Response
from backends.served.options import ServerOptions, flags
from tests.support.packages import needed
from tests.support.paths import ROOT, TINY
from tests.support.servers.process import runs
from tests.support.stand_in_engine import logprob
from tests.support.waiting import until

needed("transformers")

BACKENDS = ("vllm-server", "sglang-server")
PATIENCE = 20.0  # seconds; only a test that fails waits so long
CONTEXT, CONTINUATION = "The sky is", " blue"


@dataclass
class Stage:
    """Where stand-in servers run. python: the interpreter that runs them whatever module it is told to."""

    python: Path
    home: Path
    notes: Path

    def opened(self, backend: str, **options: str | int | float | bool) -> Backend:
        given: dict[str, str | int | float | bool] = {"python": str(self.python), **options}
        return open_backend(
            ModelSpec(backend=backend, name=str(TINY), options=given), BackendContext(self.home)
        )

    def servers(self) -> list[dict[str, Any]]:
        """What the servers that were started say of themselves."""
        return (
            [json.loads(line) for line in self.notes.read_text().splitlines()] if self.notes.exists() else []
        )

    def processes(self) -> list[int]:
        return [pid for server in self.servers() for pid in server["processes"]]


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    python = tmp_path / "python"
    script = ROOT / "tests" / "support" / "stand_in_engine.py"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} {script} "$@"\n')
    python.chmod(0o755)
    monkeypatch.setenv("STAND_IN_NOTES", str(tmp_path / "notes"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return Stage(python, tmp_path / "home", tmp_path / "notes")


def none_runs(processes: Sequence[int]) -> bool:
    return not any(runs(pid) for pid in processes)


def answer(backend: Backend, request: Request) -> Response:
    ((_, response),) = [pair for batch in ask(backend, [request]) for pair in batch]
    return response


@pytest.mark.parametrize("kind", BACKENDS)
def test_a_server_answers_in_the_models_own_tokens(kind: str, stage: Stage) -> None:
    backend = stage.opened(kind)
    backend.load({"loglikelihood"})
    tokenizer = load_tokenizer(locate(str(TINY), None), trust_remote_code=False, add_bos_token=None)
    expected = sum(logprob(token) for token in tokenizer(CONTINUATION)["input_ids"])
    scored = answer(backend, Request("loglikelihood", CONTEXT, CONTINUATION))
    written = answer(backend, Request("generate_until", CONTEXT, generation={"until": ["."]}))
    assert scored.logprob == pytest.approx(expected)
    assert written.text == " seven"
    assert scored.call is not None
    assert scored.call.asked == f"{kind}:{TINY}"


@pytest.mark.parametrize("kind", BACKENDS)
def test_nothing_is_started_for_what_is_known_without_a_server(kind: str, stage: Stage) -> None:
    backend = stage.opened(kind)
    assert backend.fingerprint["backend"] == kind
    assert backend.describe()["max_length"] == 2046
    assert "loglikelihood_rolling" in backend.capabilities.kinds
    assert "<|im_start|>user\nHi" in str(
        backend.apply_chat_template([{"role": "user", "content": "Hi"}], continue_final=False)
    )
    assert stage.servers() == []


def test_one_server_answers_all_that_is_asked(stage: Stage) -> None:
    backend = stage.opened("vllm-server")
    backend.load({"generate_until"})
    answer(backend, Request("generate_until", CONTEXT))
    answer(backend, Request("loglikelihood", CONTEXT, CONTINUATION))
    assert len(stage.servers()) == 1


def test_the_server_and_its_children_end_with_the_backend(stage: Stage) -> None:
    backend = stage.opened("vllm-server")
    backend.load({"generate_until"})
    processes = stage.processes()
    assert all(runs(pid) for pid in processes)
    del backend
    gc.collect()
    assert until(lambda: none_runs(processes))


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, None])
def test_no_process_outlives_its_run(end: signal.Signals | None, stage: Stage) -> None:
    program = f"""
import sys, time
from pathlib import Path
from backends.model_string import ModelSpec
from backends.registry import BackendContext, open_backend
options = {{"python": {str(stage.python)!r}}}
spec = ModelSpec(backend="vllm-server", name={str(TINY)!r}, options=options)
backend = open_backend(spec, BackendContext(Path({str(stage.home)!r})))
backend.load({{"generate_until"}})
print("ready", flush=True)
sys.stdin.read()
"""
    run = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert run.stdin is not None
    assert run.stdout is not None
    assert run.stdout.readline() == b"ready\n"
    processes = stage.processes()
    assert all(runs(pid) for pid in processes)
    if end is not None:
        run.send_signal(end)
    run.stdin.close()
    run.wait(PATIENCE)
    run.stdout.close()
    assert until(lambda: none_runs(processes))


@pytest.mark.parametrize("kind", BACKENDS)
def test_the_key_is_drawn_for_each_server_and_on_no_command_line(kind: str, stage: Stage) -> None:
    first, second = stage.opened(kind), stage.opened(kind)
    first.load({"generate_until"})
    second.load({"generate_until"})
    keys = [server["key"] for server in stage.servers()]
    assert len(keys[0]) == 48
    assert keys[0] != keys[1]
    lines = [" ".join(process.cmdline()) for process in psutil.Process().children(recursive=True)]
    assert any("stand_in_engine" in line for line in lines)
    assert not any(key in line for key in keys for line in lines)


def test_a_server_that_does_not_start_is_an_error_with_its_reason(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN_MANNER", "fails")
    with pytest.raises(BackendError, match=r"did not start: ValueError: weights are broken$"):
        stage.opened("vllm-server").load({"generate_until"})


def test_a_server_that_takes_too_long_is_ended(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAND_IN_MANNER", "hangs")
    with pytest.raises(BackendError, match=r"not ready after 5 s \(start_timeout\); it said last: loading"):
        stage.opened("vllm-server", start_timeout="5").load({"generate_until"})
    assert until(lambda: none_runs(stage.processes()))


def test_a_server_that_breaks_down_stops_the_run_with_its_reason(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN_MANNER", "breaks")
    backend = stage.opened("vllm-server")
    backend.load({"generate_until"})
    with pytest.raises(BackendStopped, match="the server has ended: RuntimeError: out of memory"):
        answer(backend, Request("generate_until", CONTEXT))
    assert until(lambda: none_runs(stage.processes()))


def test_after_a_breakdown_a_new_server_is_started(stage: Stage) -> None:
    backend = stage.opened("vllm-server")
    backend.load({"generate_until"})
    os.kill(stage.processes()[0], signal.SIGKILL)
    assert until(lambda: none_runs(stage.processes()))
    backend.load({"generate_until"})
    assert answer(backend, Request("generate_until", CONTEXT)).text == " seven."
    assert len(stage.servers()) == 2


def test_a_server_that_is_about_to_be_gone_is_replaced(stage: Stage) -> None:
    backend = stage.opened("vllm-server")
    backend.load({"generate_until"})
    server = stage.processes()[0]
    supervisor = psutil.Process(server).ppid()
    os.kill(supervisor, signal.SIGSTOP)  # which notices what has become of the server only when it goes on
    os.kill(server, signal.SIGKILL)
    assert until(lambda: not runs(server))
    going_on = threading.Timer(0.3, os.kill, (supervisor, signal.SIGCONT))
    going_on.start()
    backend.load({"generate_until"})
    going_on.join()
    assert len(stage.servers()) == 2


@pytest.mark.parametrize("kind", BACKENDS)
def test_answers_are_known_by_the_model_and_not_by_its_server(kind: str, stage: Stage) -> None:
    same = stage.opened(kind).fingerprint
    assert stage.opened(kind, max_concurrency="7", tensor_parallel_size="2").fingerprint == same
    for option, value in {
        "dtype": "bfloat16",
        "max_length": "100",
        "quantization": "fp8",
        "server_args": '{"rope-scaling": 2}',
        "extra_body": '{"top_k": 3}',
    }.items():
        assert stage.opened(kind, **{option: value}).fingerprint != same


@pytest.mark.parametrize("option", ["base_url", "api_key_env", "tokenizer"])
def test_what_belongs_to_other_peoples_servers_is_refused(option: str, stage: Stage) -> None:
    with pytest.raises(BackendError, match=f"has no option {option}"):
        stage.opened("vllm-server", **{option: "http://127.0.0.1:1"})


def test_the_model_is_passed_on_as_the_server_calls_things(stage: Stage) -> None:
    options = {"max_length": "100", "tensor_parallel_size": "2", "server_args": '{"max-num-seqs": 4}'}
    for kind in BACKENDS:
        stage.opened(kind, **options).load({"generate_until"})
    vllm, sglang = (server["arguments"] for server in stage.servers())
    assert {"--max-model-len=102", "--tensor-parallel-size=2", "--max-num-seqs=4", "--dtype=float32"} <= {
        *vllm
    }
    assert {"--context-length=102", "--tp-size=2", "--max-num-seqs=4", "--dtype=float32"} <= {*sglang}


def test_server_args_are_a_command_line() -> None:
    given: dict[str, Any] = {
        "a_b": 1,
        "c": True,
        "d": False,
        "e": None,
        "f": {"g": [1]},
        "h": ["x", 2],
        "i": "text",
    }
    assert flags(given) == ["--a-b=1", "--c", '--f={"g": [1]}', "--h", "x", "2", "--i=text"]
    assert ServerOptions.model_validate({"server_args": '["--x", "1"]'}).more_arguments == ["--x", "1"]
