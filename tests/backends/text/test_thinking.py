"""What was written falls into thinking and answer, and stop sequences act in the answer alone."""

from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.protocol import ask
from backends.requests import Request, Response
from backends.simple.base import SimpleBackend
from backends.simple.scripted import ScriptedBackend
from backends.store.payload import Codec
from backends.text.stop_sequences import cut_at_stops
from backends.text.thinking import Parts, parts_of, thinking_as_answer

MARK = "</think>"
cut = partial(cut_at_stops, stops=["\n\n", "Q:"])


class Writes(SimpleBackend):
    """Answers every request with the same response."""

    def __init__(self, response: Response) -> None:
        self.response = response

    @property
    def fingerprint(self) -> dict[str, str]:
        return {"backend": "writes"}

    def answer(self, request: Request) -> Response:
        return self.response


def said(response: Response, **generation: Any) -> Response:
    request = Request("generate_until", "q", generation=generation)
    ((_, answered),) = next(ask(Writes(response), [request]))
    return answered


@pytest.mark.parametrize(
    ("text", "thinking", "answer", "stopped"),
    [
        ("so 1 + 1 is</think>2", "so 1 + 1 is", "2", False),
        ("<think>\nso\n\nQ: why?\n</think>\n\n2\n\nQ: next", "<think>\nso\n\nQ: why?\n", "2", True),
        ("</think>2", "", "2", False),
        ("so</think>", "so", "", False),
        ("so</think> \n\n\n ", "so", "", False),
        ("I write </think> when done</think> 2", "I write </think> when done", "2", False),
        ("so</think>2\n\nAnd </think>3", "so", "2", True),
        ("so</think> a</think>2 Q: b</think>3", "so</think> a", "2 ", True),
    ],
)
def test_the_answer_follows_the_last_mark_up_to_its_first_stop(
    text: str, thinking: str, answer: str, stopped: bool
) -> None:
    expected = Parts(thinking, answer, stopped)
    assert parts_of(text, MARK, cut, complete=True) == expected
    assert parts_of(text, MARK, cut, complete=False) == expected


def test_a_text_without_a_mark_is_an_answer_if_it_ended_by_itself_and_else_thinking() -> None:
    assert parts_of("\n2\n\nQ:", MARK, cut, complete=True) == Parts(None, "2", stopped=True)
    assert parts_of("\nso 2\n\nand", MARK, cut, complete=False) == Parts(
        "\nso 2\n\nand", "", cut_while_thinking=True
    )


def test_without_a_mark_asked_for_nothing_is_thinking() -> None:
    text = " so</think> 2\n\n"
    assert parts_of(text, None, cut, complete=False) == Parts(None, " so</think> 2", stopped=True)


@given(st.text("ab<>\n", max_size=30), st.booleans())
def test_nothing_that_was_written_is_lost_but_white_space_and_what_a_stop_cuts(
    text: str, complete: bool
) -> None:
    parts = parts_of(text, "<>", lambda answer: answer, complete=complete)
    joined = parts.answer if parts.thinking is None else parts.thinking + "<>" + parts.answer
    assert "".join(joined.split()) in ("".join(text.split()), "".join(text.split()) + "<>")


def test_every_backend_that_answers_one_by_one_puts_thinking_apart() -> None:
    written = Response(text="1 + 1\n\nis</think>\n\n2\n\nQ: next")
    answered = said(written, until=["\n\n"], end_of_thinking=MARK)
    assert (answered.status, answered.thinking, answered.text) == ("answer", "1 + 1\n\nis", "2")
    plain = said(written, until=["\n\n"])
    assert (plain.thinking, plain.text) == (None, "1 + 1")


def test_an_answer_begins_the_same_where_a_backend_keeps_thinking_apart_itself() -> None:
    written = Response(text="\n 2</think>\n3", thinking="so")
    answered = said(written, until=["\n"], end_of_thinking=MARK)
    assert (answered.status, answered.thinking, answered.text) == ("answer", "so", "2</think>")
    nothing = said(Response(text=" \n", thinking="so"), until=["\n"])
    assert (nothing.status, nothing.text, nothing.cut_while_thinking) == ("truncated", "", True)


def test_an_answer_cut_off_while_thinking_is_empty_and_says_so() -> None:
    cut_off = said(Response("truncated", text="so 1 + 1"), end_of_thinking=MARK)
    assert (cut_off.status, cut_off.thinking, cut_off.text) == ("truncated", "so 1 + 1", "")
    assert cut_off.cut_while_thinking
    assert not said(Response("truncated", text="so</think>\n"), end_of_thinking=MARK).cut_while_thinking
    assert not said(Response("truncated", text="so</think>2"), end_of_thinking=MARK).cut_while_thinking
    assert not said(Response("truncated", text=""), until=["\n"]).cut_while_thinking


def test_lm_eval_takes_thinking_that_was_cut_off_for_the_answer() -> None:
    cut_off = said(Response("truncated", text="\nso 2\n\nand"), end_of_thinking=MARK)
    assert thinking_as_answer(cut_off, cut).text == "so 2"
    whole = Response(text="2", thinking="so")
    assert thinking_as_answer(whole, cut) == whole


def test_scripted_models_part_thinking_and_log_likelihoods_have_none() -> None:
    backend = ScriptedBackend("hash")
    assert backend.capabilities.thinking
    ((_, answered),) = next(ask(backend, [Request("loglikelihood", "q", "a")]))
    assert (answered.text, answered.thinking) == (None, None)


def test_the_store_keeps_thinking_and_reads_answers_from_before_there_was_any() -> None:
    codec = Codec()
    response = Response("truncated", text="", thinking="so \ud800 " * 50)
    assert codec.decode(codec.encode(response)) == response
    assert codec.decode(b'j{"text":"2","tokens_out":1}') == Response(text="2", tokens_out=1)
    assert b"thinking" not in codec.encode(Response(text="2"))


def test_the_mark_is_part_of_what_is_asked() -> None:
    plain, marked = (
        Request("generate_until", "q", generation=one) for one in ({}, {"end_of_thinking": MARK})
    )
    assert plain.digest() != marked.digest()
