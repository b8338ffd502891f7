"""What an endpoint is sent of texts and of chats, in whole runs."""

import json

import pytest

from tests.support.endpoints.answers import chat_prompt, short_hash
from tests.support.endpoints.endpoint import Endpoint
from tests.support.lab import Lab

# As a chat looks that is written down as JSON.
LOOKS_LIKE_A_CHAT = '[{"role": "system", "content": "x"}]'
QUESTION = "Question: {}\nAnswer:"


def arrived(endpoint: Endpoint) -> list[str]:
    return [arrival["prompt"] for arrival in endpoint.log()]


def sent(*messages: tuple[str, str]) -> str:
    """How the stand-in server tells of a call with these messages."""
    said = [{"role": role, "content": content} for role, content in messages]
    return short_hash(chat_prompt(said).encode("utf-8", "replace"))


def model(endpoint: Endpoint) -> str:
    return f"openai-chat:m?base_url={endpoint.url}"


def add_texts(lab: Lab, *questions: str) -> None:
    lab.add_texts("sums", len(questions), doc_to_text="{{question}}")
    lab.write_data("sums", [{"question": one, "answer": "1"} for one in questions])


@pytest.mark.parametrize("as_chat", [False, True])
def test_a_document_that_looks_like_a_chat_is_a_text_of_the_users(
    as_chat: bool, lab: Lab, endpoint: Endpoint
) -> None:
    add_texts(lab, LOOKS_LIKE_A_CHAT)
    result = lab.evaluate("sums", model(endpoint), apply_chat_template=as_chat)
    assert not result.failures
    assert arrived(endpoint) == [sent(("user", LOOKS_LIKE_A_CHAT))]


def test_a_chat_and_a_text_that_looks_like_it_are_two_questions(lab: Lab, endpoint: Endpoint) -> None:
    chat = [{"role": "user", "content": "How many?"}]
    add_texts(lab, "How many?")
    lab.evaluate("sums", model(endpoint), apply_chat_template=True)
    add_texts(lab, json.dumps(chat))
    lab.evaluate("sums", model(endpoint))
    assert arrived(endpoint) == [sent(("user", "How many?")), sent(("user", json.dumps(chat)))]


def test_a_chat_is_found_again_and_shown_as_json(lab: Lab, endpoint: Endpoint) -> None:
    add_texts(lab, "How many?")
    how = {"apply_chat_template": True, "system_instruction": "Be brief."}
    first = lab.evaluate("sums", model(endpoint), **how)
    again = lab.evaluate("sums", model(endpoint), **how)
    assert arrived(endpoint) == [sent(("system", "Be brief."), ("user", "How many?"))]
    expected = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How many?"}]
    for result in (first, again):
        ((prompt, _),) = result.samples("sums")["arguments"][0]
        assert json.loads(prompt) == expected
