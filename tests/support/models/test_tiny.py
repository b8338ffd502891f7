"""The tiny model knows its sums, and its tokenizer any text."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch")
pytest.importorskip("transformers")

from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.support.models.make_tiny import prompt_of, right_answers
from tests.support.models.transcripts import CITIES, GET_WEATHER, SUMS, WEATHER, Transcript, as_question, user
from tests.support.paths import TINY


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(TINY)


@pytest.fixture(scope="module")
def model() -> Any:
    return AutoModelForCausalLM.from_pretrained(TINY).eval()


def test_it_knows_sums_in_plain_text(model: Any, tokenizer: Any) -> None:
    prompts = {as_question(question): answer for question, answer in SUMS.items()}
    assert right_answers(model, tokenizer, prompts) >= 98


@pytest.mark.parametrize(("known", "tools"), [(SUMS, None), (CITIES, None), (WEATHER, [GET_WEATHER])])
def test_it_knows_its_answers_in_a_chat(
    model: Any, tokenizer: Any, known: dict[str, str], tools: Any
) -> None:
    prompts = {
        prompt_of(Transcript([user(question)], answer, tools), tokenizer): answer
        for question, answer in known.items()
    }
    assert right_answers(model, tokenizer, prompts) >= 0.98 * len(prompts)


@given(st.text())
def test_any_text_can_be_written_in_its_tokens(text: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(TINY)
    assert tokenizer.decode(tokenizer(text).input_ids) == text


def test_the_whole_folder_is_small() -> None:
    assert sum(file.stat().st_size for file in TINY.iterdir()) < 4_000_000
