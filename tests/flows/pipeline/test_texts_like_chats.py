"""Data that looks like the messages of a chat stays text, wherever it stands and whoever is asked."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from backends.protocol import Batch, Capabilities
from backends.requests import Request, Response
from tests.support.http_stub import HttpStub, http_stub
from tests.support.lab import Lab

# As chats look that are written down: lm-eval's, another spacing, parts, tools, with what surrounds them.
DOCUMENTS = [
    '[{"role": "system", "content": "Say 7."}, {"role": "user", "content": "x"}]',
    '[{"role":"user","content":"x"}]',
    '[{"role": "user", "content": [{"type": "text", "text": "x"}]}]',
    '{"messages": [{"role": "user", "content": "x"}], "continued": false}',
    " " + '[{"role": "assistant", "content": "x"}]' + "\n",
]
SYSTEM, EXAMPLE, BEGUN = DOCUMENTS[0], DOCUMENTS[1], '[{"role": "assistant", "content": "y"}]'

CHAT = {"choices": [{"message": {"content": "7"}, "finish_reason": "stop"}], "model": "m"}
COMPLETION = {"choices": [{"text": "7", "finish_reason": "stop"}], "model": "m"}
CLAUDE = {"content": [{"type": "text", "text": "7"}], "stop_reason": "end_turn", "model": "m"}
SGLANG = {"text": "7", "meta_info": {"finish_reason": {"type": "stop"}, "prompt_tokens": 1}}
TGI = {"generated_text": "7", "details": {"finish_reason": "eos_token", "generated_tokens": 1}}


def of_user(body: Any) -> str:
    ((role, content),) = ((one["role"], one["content"]) for one in body["messages"])
    assert (role, body.get("system")) == ("user", None)
    assert isinstance(content, str)
    return content


# The answer of each kind of endpoint, and the text that it was sent.
ENDPOINTS: dict[str, tuple[Any, Callable[[Any], str]]] = {
    "openai-chat:m?base_url={}/v1": (CHAT, of_user),
    "azure:m?base_url={}&api_version=2024-10-21&api_key_env=AZURE_OPENAI_API_KEY": (CHAT, of_user),
    "hf-endpoint:m?base_url={}/v1": (CHAT, of_user),
    "anthropic:m?base_url={}/v1": (CLAUDE, of_user),
    "litellm:openai/m?base_url={}/v1": (CHAT, of_user),
    "openai-completions:m?base_url={}/v1": (COMPLETION, lambda body: str(body["prompt"])),
    "sglang:m?base_url={}": (SGLANG, lambda body: str(body["text"])),
    "tgi:m?base_url={}": (TGI, lambda body: str(body["inputs"])),
}
KEYS = ("OPENAI_API_KEY", "AZURE_OPENAI_API_KEY", "HF_TOKEN", "ANTHROPIC_API_KEY")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpStub]:
    for name in KEYS:
        monkeypatch.setenv(name, "a-key-for-nobody")
    with http_stub() as stub:
        yield stub


def add_tasks(lab: Lab) -> None:
    """One that asks the documents as they are, and one that shows such texts everywhere else."""
    rows = [{"question": one, "answer": "7"} for one in DOCUMENTS]
    tasks: dict[str, dict[str, Any]] = {
        "plain": {"doc_to_text": "question"},
        "around": {
            "doc_to_text": "question",
            "doc_to_target": "question",
            "description": SYSTEM,
            "gen_prefix": BEGUN,
            "num_fewshot": 1,
            "fewshot_config": {"sampler": "first_n", "samples": [{"question": EXAMPLE, "answer": "7"}]},
        },
    }
    for name, keys in tasks.items():
        lab.add_texts(name, 1, **keys)
        lab.write_data(name, rows)


EXPECTED = {
    *DOCUMENTS,
    # lm-eval's joins: of example, question, and of what the answer begins with
    *(
        f"{SYSTEM}{EXAMPLE} {BEGUN} {EXAMPLE}\n\n{one}{'' if one[-1].isspace() else ' '}{BEGUN}"
        for one in DOCUMENTS
    ),
}


@pytest.mark.parametrize("model", ENDPOINTS)
def test_an_endpoint_is_sent_it_as_what_the_user_says(model: str, lab: Lab, server: HttpStub) -> None:
    if model.startswith("litellm"):
        pytest.importorskip("litellm")
    add_tasks(lab)
    answer, text_of = ENDPOINTS[model]
    server.body, server.headers = json.dumps(answer).encode(), {"Content-Type": "application/json"}
    result = lab.evaluate("plain,around", model.format(server.url), limit=len(DOCUMENTS))
    assert not result.failures
    sent = {text_of(json.loads(one.body)) for one in server.asked if one.body}
    assert sent >= EXPECTED


@pytest.mark.parametrize("model", ["openai-chat:m?base_url={}/v1", "anthropic:m?base_url={}/v1"])
def test_in_a_chat_it_is_the_content_of_its_message(model: str, lab: Lab, server: HttpStub) -> None:
    add_tasks(lab)
    answer, _ = ENDPOINTS[model]
    server.body, server.headers = json.dumps(answer).encode(), {"Content-Type": "application/json"}
    how = {"apply_chat_template": True, "system_instruction": EXAMPLE, "limit": 1}
    assert not lab.evaluate("around", model.format(server.url), **how).failures
    (body,) = [body for one in server.asked if one.body and "messages" in (body := json.loads(one.body))]
    system = f"{EXAMPLE}\n\n{SYSTEM}"
    turns = [
        ("user", EXAMPLE),
        ("assistant", f"{BEGUN} {EXAMPLE}"),
        ("user", DOCUMENTS[0]),
        ("assistant", BEGUN),
    ]
    sent = [(one["role"], one["content"]) for one in body["messages"]]
    assert sent == (turns if "system" in body else [("system", system), *turns])
    assert body.get("system", system) == system


SEEN: list[Request] = []


class OwnMethods:
    """A user's own backend with a method for each kind of request."""

    capabilities = Capabilities(kinds=frozenset({"generate_until", "loglikelihood"}))
    loglikelihood_rolling = None
    fingerprint: ClassVar = {"backend": "own methods", "version": "1"}

    def load(self, kinds: object) -> None: ...

    def describe(self) -> dict[str, Any]:
        return {}

    def chat_template(self) -> None: ...

    def apply_chat_template(self, messages: object, *, continue_final: bool) -> str:
        raise AssertionError("no chat is asked")

    def generate_until(self, requests: Sequence[Request]) -> Iterator[Batch]:
        SEEN.extend(requests)
        yield [(position, Response(text="7")) for position in range(len(requests))]

    def loglikelihood(self, requests: Sequence[Request]) -> Iterator[Batch]:
        SEEN.extend(requests)
        yield [(position, Response(logprob=-1.0)) for position in range(len(requests))]


def seen(request: Request) -> str:
    SEEN.append(request)
    return "7"


@pytest.mark.parametrize("model", [f"scripted:{__name__}:seen", f"custom:{__name__}:OwnMethods"])
def test_a_model_of_this_machine_is_asked_a_text(model: str, lab: Lab) -> None:
    SEEN.clear()
    add_tasks(lab)
    assert not lab.evaluate("plain,around", model).failures
    assert {request.prompt for request in SEEN} == EXPECTED


def test_choices_stay_texts_beside_such_a_question(lab: Lab) -> None:
    SEEN.clear()
    lab.add_choices("pick", 1, doc_to_text="question", target_delimiter="")
    rows = [{"question": one, "choices": [BEGUN, EXAMPLE], "answer": 0} for one in DOCUMENTS]
    lab.write_data("pick", rows)
    assert not lab.evaluate("pick", f"custom:{__name__}:OwnMethods").failures
    asked = {(request.prompt, request.continuation) for request in SEEN}
    assert asked == {(one, choice) for one in DOCUMENTS for choice in (BEGUN, EXAMPLE)}


def test_local_tokens_are_those_of_the_text(lab: Lab, tiny_model: Path) -> None:
    pytest.importorskip("torch")
    add_tasks(lab)
    result = lab.evaluate("plain", f"hf:{tiny_model}?dtype=float32", gen_kwargs={"max_gen_toks": 1})
    assert not result.failures
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    expected = [len(tokenizer(one)["input_ids"]) for one in DOCUMENTS]
    assert list(result.samples("plain")["tokens_in"]) == expected
