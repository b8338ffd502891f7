"""vLLM in this process: what it is asked, what its answers say, and what becomes of its processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

pytest.importorskip("vllm", reason="needs vLLM's own environment (`make venv-vllm`)")

from backends.errors import BackendError
from backends.hf.backend import HFBackend
from backends.model_string import ModelSpec
from backends.protocol import Backend, ask
from backends.registry import BackendContext, open_backend
from backends.requests import Request, Response
from tests.support.paths import ROOT, TINY
from tests.support.servers.vllm import ENVIRONMENT

OPTIONS = {"enforce_eager": True, "max_length": 256}
QUESTION = "Question: What is 3 + 4?\nAnswer:"

pytestmark = [pytest.mark.vllm, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


def opened(model: Path = TINY, **options: Any) -> Backend:
    spec = ModelSpec(backend="vllm", name=str(model), options={**OPTIONS, **options})
    return open_backend(spec, BackendContext(Path(os.environ["ASSAY_HOME"])))


@pytest.fixture(scope="module", autouse=True)
def _environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        patch.setenv("ASSAY_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="module")
def vllm() -> Backend:
    return opened()


@pytest.fixture(scope="module")
def hf() -> HFBackend:
    return HFBackend(str(TINY), device="cpu", max_length=256)


def answers(backend: Backend, requests: Sequence[Request]) -> list[Response]:
    """By position; each request must be answered once."""
    found = [pair for batch in ask(backend, requests) for pair in batch]
    assert sorted(position for position, _ in found) == list(range(len(requests)))
    return [response for _, response in sorted(found, key=lambda pair: pair[0])]


def text(prompt: str, repeat: int = 0, **generation: Any) -> Request:
    return Request("generate_until", prompt, generation={"max_gen_toks": 20, **generation}, repeat=repeat)


def test_greedy_texts_are_those_of_transformers(vllm: Backend, hf: HFBackend) -> None:
    ways: list[dict[str, Any]] = [
        {"until": ["."]},
        {"until": [" 7", "+"]},
        {"end_of_thinking": "is", "until": ["+"]},
        {"end_of_thinking": "=", "until": ["."]},
        {"max_gen_toks": 3},
    ]
    requests = [text(QUESTION * length, **way) for length in (1, 60) for way in ways]
    for ours, theirs in zip(answers(vllm, requests), answers(hf, requests), strict=True):
        assert (ours.text, ours.status, ours.thinking) == (theirs.text, theirs.status, theirs.thinking)
        assert ours.cut_while_thinking == theirs.cut_while_thinking
        assert ours.tokens_in == theirs.tokens_in


def test_a_text_that_reaches_its_limit_is_truncated(vllm: Backend) -> None:
    cut, whole = answers(vllm, [text(QUESTION, max_gen_toks=2), text(QUESTION, until=["."])])
    assert (cut.status, cut.tokens_out) == ("truncated", 2)
    assert (whole.status, whole.text) == ("answer", " 3 + 4 = 7")


def test_drawn_texts_differ_by_repeat_and_come_again(vllm: Backend) -> None:
    drawn = [text(QUESTION, repeat, temperature=2.0) for repeat in range(6)]
    first, second = answers(vllm, drawn), answers(vllm, drawn)
    assert [one.text for one in first] == [one.text for one in second]
    assert len({one.text for one in first}) == 6


def test_an_answer_says_when_what_came_and_what_was_cached(vllm: Backend) -> None:
    before = time.time()
    answers(vllm, [text(QUESTION * 20)])
    (response,) = answers(vllm, [text(QUESTION * 20)])
    call = response.call
    assert call is not None
    assert call.first_token is not None
    assert before <= call.enqueued <= time.time()
    assert 0 <= call.started < call.first_token < call.finished
    assert call.tokens_cached > 100
    assert response.seconds == call.finished - call.started


def test_an_unknown_generation_parameter_is_an_error(vllm: Backend) -> None:
    with pytest.raises(BackendError, match=r"vLLM refuses these generation parameters.*num_beams"):
        answers(vllm, [text(QUESTION, num_beams=2)])


def test_what_adds_no_token_has_no_score(vllm: Backend) -> None:
    empty, scored = answers(
        vllm, [Request("loglikelihood", "a b", continuation) for continuation in ("", " c")]
    )
    assert (empty.status, scored.status) == ("failed", "answer")


def test_leaving_early_leaves_the_engine_ready(vllm: Backend) -> None:
    requests = [text(QUESTION * length, max_gen_toks=40) for length in range(1, 40)]
    next(ask(vllm, requests))
    (response,) = answers(vllm, [text(QUESTION, until=["."])])
    assert response.text == " 3 + 4 = 7"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"max_length": 5000}, r"ValidationError: User-specified max_model_len \(5002\) is greater"),
        ({"dtype": "float99"}, "ValidationError: dtype"),
        ({"engine_args": '{"nonsense": 1}'}, "unexpected keyword argument 'nonsense'"),
    ],
)
def test_options_that_vllm_refuses_are_an_error_with_its_reason(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(BackendError, match=f"vLLM does not start: .*{reason}"):
        opened(**options).load({"generate_until"})


def test_weights_that_do_not_load_are_an_error_with_vllms_reason(tmp_path: Path) -> None:
    for file in TINY.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes()[:1_000_000])
    with pytest.raises(BackendError, match="vLLM does not start: SafetensorError: ") as error:
        opened(tmp_path).load({"generate_until"})
    assert len(str(error.value).splitlines()) <= 2


@pytest.mark.parametrize("end", [signal.SIGKILL, None])
def test_no_process_outlives_its_run(end: signal.Signals | None) -> None:
    """Left to itself, vLLM's engine stays for ever where its parent is killed."""
    program = """
import sys
from tests.backends.vllm.test_backend import opened
if __name__ == "__main__":
    opened().load({"generate_until"})
    print("ready", flush=True)
    sys.stdin.read()
"""
    script = Path(os.environ["ASSAY_HOME"]) / "run.py"
    script.write_text(program)
    run = subprocess.Popen(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert run.stdin is not None
    assert run.stdout is not None
    assert any(line == b"ready\n" for line in run.stdout)
    children = psutil.Process(run.pid).children(recursive=True)
    assert any("EngineCore" in child.name() for child in children)
    if end is not None:
        run.send_signal(end)
    run.stdin.close()
    run.wait(60)
    run.stdout.close()
    _, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []
