from hypothesis import given
from hypothesis import strategies as st

from tests.support.endpoints.answers import (
    chat_prompt,
    count_tokens,
    greedy_token,
    id_of,
    logprob_of,
    positions,
    text_for,
    text_of_ids,
    tokens_of,
)

TEXTS = st.text(st.characters(exclude_categories=()), max_size=40) | st.sampled_from(
    ["", " ", "a b", "a b\n", "#### 12", "so ####"]
)


@given(TEXTS)
def test_tokens_joined_are_the_text_and_as_many_as_are_counted(text: str) -> None:
    tokens = tokens_of(text)
    assert "".join(tokens) == text
    assert len(tokens) == count_tokens(text)


@given(TEXTS)
def test_the_text_is_the_greedy_continuation(prompt: str) -> None:
    said = ""
    for token in tokens_of(text_for(prompt)):
        assert token == greedy_token(prompt + said)
        said += token
    assert said == text_for(prompt)


@given(TEXTS, st.sampled_from([" so", " the", " 42", "x"]), st.integers(2, 40))
def test_no_token_is_more_probable_than_the_greedy_one(prompt: str, other: str, count: int) -> None:
    greedy = greedy_token(prompt)
    assert logprob_of(prompt, greedy) <= 0
    assert other == greedy or logprob_of(prompt, other) < logprob_of(prompt, greedy)
    (place,) = positions(prompt, [])
    top = place.top(count)
    assert next(iter(top)) == greedy
    assert list(top.values()) == sorted(top.values(), reverse=True)


@given(TEXTS, TEXTS)
def test_positions_read_one_after_another_are_those_of_the_whole_text(prefix: str, text: str) -> None:
    tokens = tokens_of(text)
    for index, (token, place) in enumerate(zip(tokens, positions(prefix, tokens), strict=False)):
        before = prefix + "".join(tokens[:index])
        assert place.logprob(token) == logprob_of(before, token)
        assert place.greedy == greedy_token(before)


def test_texts_end_with_a_number_and_differ_in_length() -> None:
    texts = [text_for(f"question {number}") for number in range(200)]
    assert all(text.split()[-2] == "####" and text.split()[-1].isdecimal() for text in texts)
    assert len({count_tokens(text) for text in texts}) > 10
    assert len(set(texts)) > 190


@given(st.lists(st.integers(0, 200_000), min_size=1, max_size=5))
def test_ids_are_those_of_the_tokens_of_their_text(ids: list[int]) -> None:
    assert [id_of(token) for token in tokens_of(text_of_ids(ids))] == ids


def test_another_image_is_another_prompt() -> None:
    def prompt(url: str) -> str:
        image = {"type": "image_url", "image_url": {"url": url}}
        return chat_prompt([{"role": "user", "content": [{"type": "text", "text": "What?"}, image]}])

    assert prompt("data:a") != prompt("data:b")
