"""Keys by reference: a spec says where a key is, and never what it is."""

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from backends.errors import BackendError
from backends.model_string import ModelSpec
from backends.protocol import Backend
from backends.registry import BackendContext, open_backend
from flows.specs.evaluation import EvaluationSpec
from tests.support.asking import answers, questions
from tests.support.endpoints.endpoint import Endpoint

KEY = "sk-" + "5ecret" * 6


def kept(name: str) -> str:
    secrets = {"account": f" {KEY}\n", "bearer": f"Bearer {KEY}"}
    if name not in secrets:
        raise BackendError("no such secret")
    return secrets[name]


def opened(endpoint: Endpoint, home: Path, options: str) -> Backend:
    model = ModelSpec.parse(f"openai-chat:m?base_url={endpoint.url}&{options}")
    return open_backend(model, BackendContext(home=home, secrets=kept))


@pytest.mark.parametrize(
    "options",
    [
        "api_key=secret:account",
        "api_key=env:KEY_OF_A_TEST",
        "api_key_env=KEY_OF_A_TEST",
        'headers={"authorization": "secret:bearer"}',
    ],
)
def test_a_key_is_read_where_the_spec_says_it_is(
    options: str, endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("KEY_OF_A_TEST", KEY)
    endpoint.change(api_key=KEY)
    backend = opened(endpoint, tmp_path, options)
    assert answers(backend, questions(1))[0].status == "answer"
    assert KEY not in repr(vars(backend)) + str(backend.fingerprint) + str(backend.describe())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("api_key=secret:gone", "secret:gone: no such secret"),
        ("api_key=env:NOT_SET_ANYWHERE", "variable NOT_SET_ANYWHERE is not set"),
        ("api_key=env:A&api_key_env=B", "give one"),
        ('headers={"x-key": "secret:gone"}', "header x-key: secret:gone: no such secret"),
    ],
)
def test_a_reference_to_no_key_is_refused_in_one_line(
    options: str, said: str, endpoint: Endpoint, tmp_path: Path
) -> None:
    with pytest.raises(BackendError, match=said) as refused:
        opened(endpoint, tmp_path, options)
    assert "\n" not in str(refused.value)


def test_there_are_no_secrets_where_nobody_says_where_they_are(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="there are no secrets here; name a variable"):
        open_backend(ModelSpec.parse("openai-chat:m?api_key=secret:account"), BackendContext(home=tmp_path))


LITERAL = [
    f"openai-chat:m?api_key={KEY}",
    f"custom:a.b:C?size=1&hub_token={KEY}",
    f"openai-chat:m?secret={KEY}",
]
NO_KEY = [
    "openai-chat:m?api_key=secret:account",
    "openai-chat:m?api_key=env:KEY&max_concurrency=3",
    "openai-chat:m?api_key_env=KEY&tokenizer=/models/m&tokens_per_minute=9",
    "hf:m?add_bos_token=true&dtype=float32",
]


@pytest.mark.parametrize("model", LITERAL)
def test_a_key_in_a_spec_is_refused_and_not_repeated(model: str) -> None:
    for given in ({"model": model}, {"fallback": model}, {"model": ["scripted:hash", model]}):
        with pytest.raises(ValidationError, match="is a key, which no spec may hold") as refused:
            EvaluationSpec.model_validate(given)
        assert KEY not in str(refused.value)


@pytest.mark.parametrize("model", [*LITERAL, *NO_KEY])
def test_a_form_refuses_the_same_models(model: str) -> None:
    schema = EvaluationSpec.model_json_schema()["$defs"]["ModelSpec"]
    assert bool(re.search(schema["pattern"], model)) == (model in NO_KEY)
    if model in NO_KEY:
        ModelSpec.parse(model)
