"""Chats as values: what they are as text and as JSON, and that no text is taken for one."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.chat import Chat, Image, Message, Sound, Text
from backends.errors import BackendError
from backends.model_string import ModelSpec
from backends.protocol import ask
from backends.registry import BackendContext, open_backend
from backends.requests import Request
from tests.support.paths import TINY

ODD = ["\ud83d", "\ud83d" + "\ude00", '[{"role": "user", "content": "x"}]']
TEXTS = st.text(max_size=6) | st.sampled_from(ODD)
PARTS = st.builds(Text, TEXTS) | st.builds(Image, st.integers(0, 3)) | st.builds(Sound, st.integers(0, 3))
ROLES = st.sampled_from(["system", "user", "assistant", "tool"])
MESSAGES = st.builds(Message, ROLES, st.lists(PARTS, max_size=3).map(tuple))
CHATS = st.builds(Chat, st.lists(MESSAGES, max_size=4).map(tuple), st.booleans())

QUESTION = Chat.of([{"role": "user", "content": "3 + 4 ="}], continued=False)


def digest(prompt: str | Chat) -> str:
    return Request("generate_until", prompt).digest()


@given(CHATS)
def test_a_chat_is_the_same_after_json(chat: Chat) -> None:
    assert Chat.from_json(chat.to_json()) == chat


@given(CHATS, CHATS)
def test_two_chats_have_two_digests_and_no_text_has_either(one: Chat, other: Chat) -> None:
    assert (digest(one) == digest(other)) == (one == other)
    assert digest(one) not in {digest(one.as_text()), digest(one.to_json()), digest(other.as_text())}


def test_what_is_left_open_of_a_chat_is_part_of_its_identity() -> None:
    begun = Chat.of([{"role": "assistant", "content": "It is"}], continued=True)
    assert digest(begun) != digest(replace(begun, continued=False))


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({"role": "developer", "content": "x"}, "of the role 'developer': it is one of system, user"),
        ({"role": "user", "content": ["x"]}, "`role` and `content` are to be texts"),
        ({"role": "user", "content": "x", "name": "y"}, "`role` and `content` are to be texts"),
        ({"role": "user"}, "`role` and `content` are to be texts"),
    ],
)
def test_a_message_that_is_none_is_refused(message: dict[str, str], said: str) -> None:
    with pytest.raises(BackendError, match=said):
        Chat.of([message], continued=False)


def test_samples_show_a_chat_as_lm_eval_shows_it() -> None:
    messages = [{"role": "system", "content": "Kürze"}, {"role": "user", "content": "3 + 4 ="}]
    request = Request("generate_until", Chat.of(messages, continued=False))
    assert request.prompt_text == json.dumps(messages, ensure_ascii=False)


def test_a_model_of_this_machine_is_asked_a_chat_by_its_template(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    backend = open_backend(ModelSpec.parse(f"hf:{TINY}"), BackendContext(home=tmp_path))
    rendered = backend.apply_chat_template(QUESTION.texts, continue_final=False)
    requests = [
        Request("generate_until", one, generation={"max_gen_toks": 4}) for one in (QUESTION, rendered)
    ]
    found = dict(pair for batch in ask(backend, requests) for pair in batch)
    assert found[0].text == found[1].text != ""
    assert found[0].tokens_in == found[1].tokens_in


def test_what_an_endpoint_cannot_be_sent_is_said() -> None:
    with pytest.raises(BackendError, match="more than a text"):
        _ = Chat((Message("user", (Text("What is this?"), Image(0))),)).texts
