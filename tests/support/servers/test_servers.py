"""Real servers answer what the tiny model knows, each in its own dialect."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("openai")

import openai
import torch

from tests.support.models.transcripts import CITIES, GET_WEATHER, SUMS, as_question
from tests.support.paths import ROOT
from tests.support.servers.process import Command, free_port, serving

SUM, RESULT = "What is 3 + 4?", SUMS["What is 3 + 4?"]
PROSE = "The ferry left the harbour at noon, with 12 people and a dog on board."
TEXTS = (f"{as_question(SUM)} {RESULT}", f"{as_question(SUM)} 3 + 4 = 8.", PROSE, PROSE * 12)
LOGPROB_TOLERANCE = 1e-4
# llama.cpp keeps keys and values in 16 bits
HALF_PRECISION = 0.02

# A text's tokens, and the log-probabilities that transformers gives each token after each of them.
Read = Callable[[str], tuple[torch.Tensor, torch.Tensor]]


def client(url: str, key: str = "none") -> Any:
    return openai.OpenAI(base_url=url, api_key=key, max_retries=0)


def said(url: str, question: str, model: str = "tiny", **more: Any) -> Any:
    """The first choice of a chat completion."""
    messages = [{"role": "user", "content": question}]
    how = {"max_tokens": 48, "temperature": 0, **more}
    return client(url).chat.completions.create(model=model, messages=messages, **how).choices[0]


def continued(url: str, prompt: str, model: str = "tiny", **more: Any) -> Any:
    """The first choice of a text completion."""
    return client(url).completions.create(model=model, prompt=prompt, temperature=0, **more).choices[0]


@pytest.fixture(scope="module")
def read(tiny_model: Path) -> Read:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    model = AutoModelForCausalLM.from_pretrained(tiny_model).eval()

    @torch.no_grad()
    def of_text(text: str) -> tuple[torch.Tensor, torch.Tensor]:
        tokens = tokenizer(text, return_tensors="pt").input_ids
        return tokens[0], model(tokens).logits[0].log_softmax(-1)

    return of_text


# llama.cpp


def test_llama_cpp_knows_sums_in_a_chat_and_in_plain_text(llama_cpp_url: str) -> None:
    assert said(llama_cpp_url, SUM).message.content == RESULT
    assert continued(llama_cpp_url, as_question(SUM), max_tokens=24).text == f" {RESULT}"


def test_llama_cpp_computes_what_transformers_does(llama_cpp_url: str, read: Read) -> None:
    """Or the GGUF file is of another model: rows in another order still write text."""
    for text in TEXTS:
        (token,) = continued(llama_cpp_url, text, max_tokens=1, logprobs=1).logprobs.content
        _, scores = read(text)
        assert token["logprob"] == pytest.approx(scores[-1, token["id"]].item(), abs=HALF_PRECISION)


def test_llama_cpp_ignores_echo_and_says_nothing_of_it(llama_cpp_url: str) -> None:
    choice = continued(llama_cpp_url, as_question(SUM), max_tokens=24, echo=True, logprobs=1)
    assert choice.text == f" {RESULT}"
    assert choice.logprobs.token_logprobs is None
    assert "".join(token["token"] for token in choice.logprobs.content).startswith(choice.text)


def test_llama_cpp_writes_a_token_where_none_is_wanted(llama_cpp_url: str) -> None:
    assert continued(llama_cpp_url, as_question(SUM), max_tokens=0).text == " "


def test_llama_cpp_accepts_the_name_of_any_model(llama_cpp_url: str) -> None:
    assert said(llama_cpp_url, SUM, model="another").message.content == RESULT


def test_llama_cpp_reads_tool_calls(llama_cpp_url: str) -> None:
    (call,) = said(llama_cpp_url, "What is the weather in Oslo?", tools=[GET_WEATHER]).message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("get_weather", {"city": "Oslo"})


def test_llama_cpp_wants_its_key(tiny_model: Path) -> None:
    from tests.support.servers.llama_cpp import llama_cpp

    with llama_cpp(tiny_model, api_key="right") as url:
        assert client(url, "right").models.list().data[0].id == "tiny"
        with pytest.raises(openai.AuthenticationError):
            client(url, "wrong").completions.create(model="tiny", prompt=SUM)


# vLLM


@pytest.mark.vllm
@pytest.mark.slow
def test_vllm_knows_sums_in_a_chat_and_in_plain_text(vllm_url: str) -> None:
    assert said(vllm_url, SUM).message.content == RESULT
    assert continued(vllm_url, as_question(SUM), max_tokens=24).text == f" {RESULT}"


@pytest.mark.vllm
@pytest.mark.slow
@pytest.mark.parametrize("text", TEXTS)
def test_vllm_echoes_the_log_probabilities_of_transformers(vllm_url: str, read: Read, text: str) -> None:
    choice = continued(vllm_url, text, max_tokens=0, echo=True, logprobs=1)
    first, *others = choice.logprobs.token_logprobs
    assert (choice.text, first) == (text, None)
    tokens, scores = read(text)
    assert others == pytest.approx(scores[:-1].gather(1, tokens[1:, None])[:, 0], abs=LOGPROB_TOLERANCE)


@pytest.mark.vllm
@pytest.mark.slow
def test_vllm_reads_tool_calls_and_keeps_to_a_schema(vllm_url: str) -> None:
    (call,) = said(vllm_url, "What is the weather in Oslo?", tools=[GET_WEATHER]).message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("get_weather", {"city": "Oslo"})
    question = "Describe Oslo as JSON."
    names = {"type": "string", "enum": ["Norway"]}
    schema = {"type": "object", "properties": {"country": names}, "required": ["country"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "place", "schema": schema}}
    assert said(vllm_url, question).message.content == CITIES[question]
    assert json.loads(said(vllm_url, question, response_format=wanted).message.content)["country"] == "Norway"


# transformers serve


@pytest.mark.slow
def test_transformers_serve_knows_sums_and_gives_no_log_probabilities(
    transformers_url: str, tiny_model: Path
) -> None:
    model = str(tiny_model)
    in_chat = said(transformers_url, SUM, model, logprobs=True, top_logprobs=2)
    assert (in_chat.message.content, in_chat.logprobs) == (RESULT, None)
    in_text = continued(transformers_url, as_question(SUM), model, max_tokens=24, echo=True, logprobs=1)
    assert (in_text.text, in_text.logprobs) == (f" {RESULT}", None)


# What they share

KILLED = """
import sys, time
from tests.support.servers.process import Command, serving

port = int(sys.argv[1])
server = [sys.executable, "-c", sys.argv[2], str(port)]
with serving(Command(server, port)) as url:
    print(url, flush=True)
    time.sleep(600)
"""
ALWAYS_HEALTHY = """
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

class Healthy(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

HTTPServer(("127.0.0.1", int(sys.argv[1])), Healthy).serve_forever()
"""


def test_a_server_ends_when_the_tests_are_killed() -> None:
    port = free_port()
    command = [sys.executable, "-c", KILLED, str(port), ALWAYS_HEALTHY]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as tests:
        assert tests.stdout is not None
        url = tests.stdout.readline().strip()
        assert url == f"http://127.0.0.1:{port}/v1"
        tests.send_signal(signal.SIGKILL)
    assert is_free_within(port, seconds=20)


def test_a_server_that_does_not_start_is_quoted() -> None:
    broken = Command([sys.executable, "-c", "raise SystemExit('no weights here')"], free_port())
    with pytest.raises(RuntimeError, match="no weights here"), serving(broken):
        pass


def is_free_within(port: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return True
        time.sleep(0.05)
    return False
