"""vLLM's own server, started for a model: it answers, says why it does not start, and ends with the run."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from backends.errors import BackendError
from backends.model_string import ModelSpec
from backends.protocol import Backend, ask
from backends.registry import BackendContext, open_backend
from backends.requests import Request
from tests.support.packages import needed
from tests.support.paths import ROOT, TINY
from tests.support.servers.vllm import ENVIRONMENT, VARIABLE, vllm_python

needed("transformers")

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.slow,
    pytest.mark.skipif(
        vllm_python() is None,
        reason=f"no environment with vLLM: `make venv-vllm`, or name its interpreter in {VARIABLE}",
    ),
]


@pytest.fixture(scope="module", autouse=True)
def _environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        patch.setenv("ASSAY_HOME", str(tmp_path_factory.mktemp("home")))
        yield


def opened(model: Path = TINY) -> Backend:
    options: dict[str, str | int | float | bool] = {
        "python": str(vllm_python()),
        "enforce_eager": True,
        "max_length": 256,
    }
    spec = ModelSpec(backend="vllm-server", name=str(model), options=options)
    return open_backend(spec, BackendContext(Path(os.environ["ASSAY_HOME"])))


def test_a_model_that_does_not_load_is_an_error_with_vllms_reason(tmp_path: Path) -> None:
    for file in TINY.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes()[:1_000_000])
    with pytest.raises(BackendError, match="the server did not start: SafetensorError: ") as error:
        opened(tmp_path).load({"generate_until"})
    assert len(str(error.value).splitlines()) <= 2


def test_it_answers_and_no_process_outlives_a_run_that_is_killed() -> None:
    program = """
import sys
from tests.backends.served.test_vllm import answer, opened
backend = opened()
backend.load({"loglikelihood", "generate_until"})
print(answer(backend), flush=True)
sys.stdin.read()
"""
    run = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert run.stdin is not None
    assert run.stdout is not None
    assert run.stdout.readline().decode().strip() == "3 + 4 = 7"
    children = psutil.Process(run.pid).children(recursive=True)
    assert any("EngineCore" in child.name() for child in children)
    run.send_signal(signal.SIGKILL)
    run.stdin.close()
    run.wait(60)
    run.stdout.close()
    _, alive = psutil.wait_procs(children, timeout=30)
    assert alive == []


def answer(backend: Backend) -> str:
    """What the model says to a sum that it knows."""
    request = Request(
        "generate_until", "Question: What is 3 + 4?\nAnswer:", generation={"until": ["."], "max_gen_toks": 20}
    )
    ((_, response),) = next(ask(backend, [request]))
    return (response.text or "").strip()
