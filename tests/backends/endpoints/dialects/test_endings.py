"""An answer counts the same by how it ended in the words of every dialect."""

from collections.abc import Callable
from typing import Any

import pytest

from backends.endpoints.dialects.anthropic import Anthropic
from backends.endpoints.dialects.sglang import SGLang
from backends.endpoints.dialects.tgi import Tgi
from backends.endpoints.openai_chat import OpenAIChat
from backends.endpoints.openai_completions import OpenAICompletions
from backends.endpoints.question import Content, GaveUp
from tests.support.asking import text_question

ANSWERS: dict[str, tuple[Any, Callable[[str, Any], Content]]] = {
    "openai-chat": (
        OpenAIChat("m"),
        lambda text, end: {"choices": [{"message": {"content": text}, "finish_reason": end}]},
    ),
    "openai-completions": (
        OpenAICompletions("m"),
        lambda text, end: {"choices": [{"text": text, "finish_reason": end}]},
    ),
    "anthropic": (
        Anthropic("m"),
        lambda text, end: {"content": [{"type": "text", "text": text}], "stop_reason": end},
    ),
    "sglang": (
        SGLang("m"),
        lambda text, end: {"text": text, "meta_info": {"finish_reason": end and {"type": end}}},
    ),
    "tgi": (Tgi("m"), lambda text, end: {"generated_text": text, "details": {"finish_reason": end}}),
}


@pytest.mark.parametrize("dialect", ANSWERS)
@pytest.mark.parametrize(
    ("reason", "status"),
    [
        ("stop", "answer"),
        ("eos_token", "answer"),
        ("end_turn", "answer"),
        ("STOP_SEQUENCE", "answer"),
        ("max_tokens", "truncated"),
        ("model_context_window_exceeded", "truncated"),
        ("Content_Filter", "refused"),
        ("refusal", "refused"),
    ],
)
def test_known_words_are_known_to_every_dialect(dialect: str, reason: str, status: str) -> None:
    asked, answer = ANSWERS[dialect]
    response = text_question(asked, "How many?").read(answer("four", reason))
    assert (response.status, response.text) == (status, "four")


@pytest.mark.parametrize("dialect", ANSWERS)
@pytest.mark.parametrize(
    "reason", ["abort", "error", "network_error", "cancelled", "unheard_of", 7, "stop!no"]
)
def test_no_other_word_makes_an_answer(dialect: str, reason: Any) -> None:
    asked, answer = ANSWERS[dialect]
    with pytest.raises(GaveUp):
        text_question(asked, "How many?").read(answer("fo", reason))


@pytest.mark.parametrize("dialect", ANSWERS)
def test_no_word_is_taken_for_a_whole_answer_and_said(dialect: str) -> None:
    asked, answer = ANSWERS[dialect]
    said: list[str] = []
    response = text_question(asked, "How many?").read(answer("four", None), say=said.append)
    assert (response.status, response.text) == ("answer", "four")
    assert "do not say why they ended" in said[0]


def test_what_follows_anthropics_thinking_begins_without_white_space() -> None:
    thought = {"type": "thinking", "thinking": "Hm.\n\nWell."}
    question = text_question(Anthropic("m"), "How many?", until=["\n\n"])
    blocks = [thought, {"type": "text", "text": "\n\nfour\n\nfive"}]
    response = question.read({"content": blocks, "stop_reason": "end_turn"})
    assert (response.status, response.text, response.thinking) == ("answer", "four", "Hm.\n\nWell.")
    said: list[str] = []
    cut = question.read({"content": [thought], "stop_reason": "stop_sequence"}, say=said.append)
    assert (cut.status, cut.text, cut.cut_while_thinking) == ("truncated", "", True)
    assert "--end-of-thinking" in said[0]
    hidden = [{"type": "redacted_thinking", "data": "x"}, {"type": "text", "text": " four"}]
    assert question.read({"content": hidden, "stop_reason": "end_turn"}).text == "four"
