"""Our backends on real servers: what can be asked is answered right, what cannot is refused before a run."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from backends.errors import BackendError
from backends.model_string import ModelSpec
from backends.protocol import Backend, ask
from backends.registry import BackendContext, open_backend
from backends.requests import Request, Response
from tests.support.models.transcripts import SUMS, as_question
from tests.support.packages import needed

needed("torch", "transformers")

PAIRS = [
    (as_question("What is 3 + 4?"), " 3 + 4 = 7."),
    (as_question("What is 3 + 4?"), " 3 + 4 = 8."),
    ("The ferry left the harbour at noon, ", "with 12 people and a dog on board."),
    ("", "The ferry left the harbour."),
]


def opened(model: str, home: Path) -> Backend:
    return open_backend(ModelSpec.parse(model), BackendContext(home=home))


def answers(backend: Backend, requests: Sequence[Request]) -> list[Response]:
    backend.load({requests[0].kind})
    found = dict(pair for batch in ask(backend, requests) for pair in batch)
    return [found[position] for position in range(len(requests))]


def sums(backend: Backend, *, as_chat: bool) -> list[str | None]:
    texts = list(SUMS) if as_chat else [as_question(question) for question in SUMS]
    generation = {"until": ["\n"], "max_gen_toks": 24}
    return [
        one.text for one in answers(backend, [Request("generate_until", t, "", generation) for t in texts])
    ]


def share_right(said: Sequence[str | None]) -> float:
    wanted = list(SUMS.values())
    return sum((text or "").strip() == right for text, right in zip(said, wanted, strict=True)) / len(wanted)


def test_llama_cpp_does_sums_in_a_chat_and_as_completions(llama_cpp_url: str, tmp_path: Path) -> None:
    assert (
        share_right(sums(opened(f"openai-chat:tiny?base_url={llama_cpp_url}", tmp_path), as_chat=True)) > 0.9
    )
    completions = opened(f"openai-completions:tiny?base_url={llama_cpp_url}", tmp_path)
    assert share_right(sums(completions, as_chat=False)) > 0.9


def test_llama_cpp_streams_with_the_time_of_the_first_token(llama_cpp_url: str, tmp_path: Path) -> None:
    backend = opened(f"openai-chat:tiny?base_url={llama_cpp_url}&stream=true", tmp_path)
    request = Request("generate_until", "What is 3 + 4?", "", {"max_gen_toks": 24})
    (said,) = answers(backend, [request])
    assert said.text == SUMS["What is 3 + 4?"]
    assert said.call is not None
    assert said.call.first_token is not None
    assert said.call.started < said.call.first_token < said.call.finished
    assert said.call.counted
    assert said.tokens_out > 5


def test_llama_cpp_is_refused_for_log_likelihoods_in_one_line(llama_cpp_url: str, tmp_path: Path) -> None:
    backend = opened(f"openai-completions:tiny?base_url={llama_cpp_url}", tmp_path)
    with pytest.raises(BackendError, match="echo is not supported") as refused:
        backend.load({"loglikelihood"})
    assert "\n" not in str(refused.value)


@pytest.mark.slow
def test_transformers_serve_is_refused_for_log_likelihoods(
    transformers_url: str, tiny_model: Path, tmp_path: Path
) -> None:
    backend = opened(f"openai-completions:{tiny_model}?base_url={transformers_url}", tmp_path)
    with pytest.raises(BackendError, match="cannot score texts"):
        backend.load({"loglikelihood"})


@pytest.mark.vllm
@pytest.mark.parametrize("tokens", [True, False])
def test_log_likelihoods_of_vllms_server_are_those_of_transformers(
    vllm_url: str, tiny_model: Path, tmp_path: Path, tokens: bool
) -> None:
    pairs = PAIRS if tokens else PAIRS[:3]
    tokenizer = f"&tokenizer={tiny_model}" if tokens else ""
    requests = [Request("loglikelihood", *pair) for pair in pairs]
    ours = answers(opened(f"hf:{tiny_model}?dtype=float32", tmp_path), requests)
    theirs = answers(opened(f"openai-completions:tiny?base_url={vllm_url}{tokenizer}", tmp_path), requests)
    for own, other in zip(ours, theirs, strict=True):
        assert other.status == "answer", other.error
        assert other.logprob == pytest.approx(own.logprob, abs=1e-4)
        assert other.is_greedy == own.is_greedy


@pytest.mark.vllm
def test_rolling_log_likelihoods_of_vllms_server_are_those_of_transformers(
    vllm_url: str, tiny_model: Path, tmp_path: Path
) -> None:
    requests = [Request("loglikelihood_rolling", " ".join(context for context, _ in PAIRS) * 40)]
    own = answers(opened(f"hf:{tiny_model}?dtype=float32&max_length=64", tmp_path), requests)
    model = f"openai-completions:tiny?base_url={vllm_url}&tokenizer={tiny_model}&max_length=64"
    other = answers(opened(model, tmp_path), requests)
    assert other[0].logprob == pytest.approx(own[0].logprob, rel=1e-6)


@pytest.mark.vllm
def test_vllms_server_does_sums(vllm_url: str, tmp_path: Path) -> None:
    assert share_right(sums(opened(f"openai-chat:tiny?base_url={vllm_url}", tmp_path), as_chat=True)) > 0.9
