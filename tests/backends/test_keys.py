"""Keys are known wherever they stand in what users write, and what is none is let be."""

import re

import pytest

from backends.errors import BackendError
from backends.keys import KEY_NAME_IN_ANY_CASE, check_no_key, is_key_name, shown
from backends.model_string import ModelSpec

KEY = "MARKERQ7Z9"
SK = "sk-proj-0123456789abcdefghij"


@pytest.mark.parametrize(
    "model",
    [
        f"openai-chat:m?api_key={KEY}",
        f"openai-chat:m?API_KEY={KEY}",
        f"openai-chat:m?apikey={KEY}",
        f"openai-chat:m?api-key={KEY}",
        f"openai-chat:m?key={KEY}",
        f"openai-chat:m?authorization={KEY}",
        f"openai-chat:m?base_url=http://u:{KEY}@host/v1",
        f"openai-chat:m?base_url=http://{KEY}@host/v1",
        f"openai-chat:m?base_url=https://host/v1%3Fkey%3D{KEY}",
        f'openai-chat:m?headers={{"Authorization": "Bearer {KEY}"}}',
        f'openai-chat:m?headers={{"X-Custom": "Bearer {KEY}"}}',
        f'openai-chat:m?headers={{"X-Custom": "{SK}"}}',
        f'openai-chat:m?extra_body={{"api_key": "{KEY}"}}',
        f'openai-chat:m?extra_body={{"tools": [{{"auth": {{"token": "{KEY}"}}}}]}}',
        f"hf-endpoint:https://u:{KEY}@host",
        f"hf:m?token={KEY}",
        f"openai-chat:m?extra={SK}",
        f"openai-chat:m?base_url=//u:{KEY}@host/v1",
        f"openai-chat:m?base_url=u:{KEY}@host/v1",
        f"openai-chat:m?base_url=http:\\\\u:{KEY}@host",
        f"openai-chat:m?base_url=http://host/v1#{KEY}",
        f"openai-chat:m?base_url=http://host/v1;key={KEY}",
        f"openai-chat:m?api_key=env:{KEY}%20x",
        "openai-chat:m?api_key=env:",
        "openai-chat:m?api_key=1234567890123",
        f"openai-chat:m?accessToken={KEY}",
        f"openai-chat:m?pwd={KEY}",
        f'openai-chat:m?headers={{"X-Auth-Key2": "{KEY}"}}',
        f'openai-chat:m?headers={{"X": "Token {KEY}"}}',
        f'openai-chat:m?headers= {{"Authorization": "{KEY}"}}',
        f'openai-chat:m?headers={{"Authorization": "{KEY}"',
        f'openai-chat:m?extra_body={{"metadata": "{{\\"api_key\\": \\"{KEY}\\"}}"}}',
        f'vllm-server:m?server_args=["--api-key","{KEY}"]',
        f'vllm-server:m?server_args=["--api-key={KEY}"]',
        f"openai-chat:m api_key={KEY}",
    ],
)
def test_a_model_holds_no_key_anywhere(model: str) -> None:
    with pytest.raises(BackendError) as caught:
        ModelSpec.parse(model)
    assert KEY not in str(caught.value)
    assert SK not in str(caught.value)


@pytest.mark.parametrize(
    "model",
    [
        "openai-chat:m?api_key=env:MY_KEY&api_key_env=OTHER",
        "openai-chat:m?api_key=secret:block&tokens_per_minute=5&tokenizer=gpt2",
        'openai-chat:m?headers={"Authorization": "env:MY", "X-Team": "evals"}',
        'openai-chat:m?extra_body={"prompt_cache_key": "evals", "max_tokens": 5, "eos_token": "</s>"}',
        "hf:org/sk-learner-of-long-names?add_bos_token=true",
        "hf:/models/task-sk-abc?revision=0123456789abcdef0123456789abcdef01234567",
        "openai-chat:m?base_url=http://host:8000/v1",
    ],
)
def test_references_and_what_is_no_key_are_taken(model: str) -> None:
    assert str(ModelSpec.parse(str(ModelSpec.parse(model)))) == str(ModelSpec.parse(model))


@pytest.mark.parametrize(
    "place",
    [
        f"s3://{KEY}:x@bucket/prefix",
        f"dask:tcp://u:{KEY}@host:8786",
        f"postgresql://u@host/db?PASSWORD={KEY}",
        f"postgresql://u:{KEY}@host/db",
        f"hub:o/n with {SK}",
        f"http://host/#token={KEY}",
    ],
)
def test_an_address_holds_no_key(place: str) -> None:
    with pytest.raises(BackendError) as caught:
        check_no_key(place)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "place", ["postgresql+psycopg://user@host/db", "s3://bucket/a@b", "results/a:b@c", "dask:tcp://host:8786"]
)
def test_an_address_without_a_key_is_taken(place: str) -> None:
    check_no_key(place)


@pytest.mark.parametrize(
    "name",
    ["api_key", "X-Api-Key", "AUTHORIZATION", "secret", "accessToken", "apiKey", "tokenizer", "max_tokens"],
)
def test_a_schema_knows_the_same_names(name: str) -> None:
    assert bool(re.fullmatch(KEY_NAME_IN_ANY_CASE, name)) == is_key_name(name)


def test_a_message_repeats_what_is_surely_no_key() -> None:
    assert shown("abc") == "'abc'"
    assert shown(-1) == "-1"
    for text in (SK, f"http://u:{KEY}@h", "4d5e6f70a1b2c3d4e5"):
        assert text not in shown(text)
