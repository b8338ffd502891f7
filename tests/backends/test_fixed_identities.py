"""Keys that answers were stored under: as they were once written down, or a run on an old store asks anew."""

from pathlib import Path
from typing import Any

import pytest

from backends.identity import fingerprint_key, request_key
from backends.model_string import ModelSpec
from backends.protocol import Backend
from backends.registry import BackendContext, open_backend
from backends.requests import Attachment, Request
from tests.support.paths import TINY

RED = Attachment.of("image", "image/png", b"red")
BLUE = Attachment.of("image", "image/png", b"blue")
HUM = Attachment.of("audio", "audio/wav", b"hum")
NOBODY = "base_url=http://127.0.0.1:9/v1"
AZURE = "api_key_env=AZURE_OPENAI_API_KEY"

SYSTEM = {"role": "system", "content": "Be brief."}
USER = {"role": "user", "content": "What is 2 + 2?"}


def assistant(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def text(prompt: str, **others: Any) -> Request:
    return Request("generate_until", prompt, **others)


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "AZURE_OPENAI_API_KEY"):
        monkeypatch.setenv(name, "sk-of-nobody")
    for name in ("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def opened(model: str, home: Path) -> Backend:
    return open_backend(ModelSpec.parse(model), BackendContext(home=home))


@pytest.mark.parametrize(
    ("request_", "digest"),
    [
        (Request("loglikelihood", "", "a"), "227c602be45e78d3229846c0db466bd4"),
        (Request("loglikelihood", "Two and two ", "are four"), "62e6ac782b93640b9475cdda22274f80"),
        (Request("loglikelihood_rolling", "All of it.\n"), "d3569f6f5bd9e9686ab4304efac5f032"),
        (Request("loglikelihood_rolling", ""), "71eb3fe9cbb72fcd30c25820dd17a20a"),
        (text("Question?"), "43a7e24fd9a7c5cd5898ff3ae1f557a0"),
        (
            text("Question?", generation={"until": ["\n\n", "Q:"], "max_gen_toks": 64}),
            "04081532ff5bdeecb5b76b7ef6f75769",
        ),
        (
            text("Question?", generation={"until": "\n", "do_sample": True, "temperature": 0.7}, repeat=3),
            "306eba9f37621832553c24c6e7dd392a",
        ),
        (text("<image> and <image>", attachments=(RED, BLUE)), "1e2b6667e36250b09ed7b7087795c8a6"),
        (text("<image><audio>", repeat=1, attachments=(RED, HUM)), "c5e0e0bd829b6b13b42d5ed707801168"),
        (text("gr\u00fc\u00dfe \u6c34 \U0001f600 \x00"), "7e369b6855ef243ddb7d3e3994d5a3f1"),
        (text("half of \ud83d a pair"), "eb2a446765dc13884bdc8f9161b7cd0b"),
        (Request("loglikelihood", "\ude00", " \ud83d\ude00"), "d14e3cfb1c3f6888a4e68b13b947f652"),
        (text("[1, 2]"), "340632fafc9bc4cfeb82b7495265b12e"),
        (text('[{"role": "user"}]'), "e2134968c365aa56ab0c8fd29557d86b"),
        (text('[{"role": "user", "content": '), "6a245a92259adf32b5cc0e0a115a1e74"),
    ],
)
def test_a_text_request_has_the_digest_it_always_had(request_: Request, digest: str) -> None:
    assert request_.digest() == digest


def test_of_equal_drawn_requests_the_first_has_the_digest_it_always_had() -> None:
    drawn = {"until": "\n", "do_sample": True, "temperature": 0.7}
    digests = [text("Question?", generation=drawn, repeat=3, draw=draw).digest() for draw in range(3)]
    assert digests[0] == "306eba9f37621832553c24c6e7dd392a"
    assert len(set(digests)) == 3


@pytest.mark.parametrize(
    ("messages", "others", "digest"),
    [
        ([USER], {}, "04da4cdd1322e515dbfe249f82d7c6d6"),
        ([SYSTEM, USER], {"generation": {"until": ["\n"]}}, "77263771506e11dc5a0e58cc7e2ae46b"),
        ([SYSTEM, USER, assistant("The answer is")], {"repeat": 1}, "10f0180193e780615a07b2a7cdb9261f"),
        ([user('\ud83d gr\u00fcn "q" \\ \n [{"role": ')], {}, "7b141896b5bbf7b44c255f4a30e9b605"),
        (
            [SYSTEM, USER, assistant("4"), user("3+3?")],
            {"generation": {"max_gen_toks": 5}},
            "2bbd220adb26092f5f3f8d1fd5a1b884",
        ),
    ],
)
def test_a_chat_that_an_endpoint_is_sent_has_the_digest_it_always_had(
    messages: list[dict[str, str]], others: dict[str, Any], digest: str, tmp_path: Path
) -> None:
    is_begun = messages[-1]["role"] == "assistant"
    for model in (f"openai-chat:m?{NOBODY}", "anthropic:claude", f"openai-batch:m?{NOBODY}"):
        chat: Any = opened(model, tmp_path).apply_chat_template(messages, continue_final=is_begun)
        assert text(chat, **others).digest() == digest


@pytest.mark.parametrize(
    ("model", "key", "answer_key"),
    [
        ("scripted:hash", "9052d222681bbc99ccdb24a74b73eeeb", "a0541a988838ec085df562fcd5ab3a8f"),
        ("scripted:hash?version=2", "880d9014a3b3231c386157fe791dcd8d", "e36ba752e134cbc15c225f803395df1f"),
        ("baseline:random?seed=3", "0b9002db1819e59ccf9c890bc0b1b64d", "352fd9e8d0ebe263f84e058071517f8c"),
        (
            "baseline:majority?answer=yes",
            "c4a4f7fdfbb9cfab761554fcb73d6f74",
            "090bcd7265e7a9a79b1888a1cb8f0bde",
        ),
        ("openai-chat:gpt-4o", "abfa05582aa5658ae8478d0cc72f0c83", "9bfa69a62c57ef7a09117ed2e77d3ebc"),
        (f"openai-chat:m?{NOBODY}", "9fe618926071a18a1f8a112589c54e00", "75a15a8b24bab0ac61a2b662ead55dab"),
        (
            f"openai-completions:m?{NOBODY}",
            "780b5a8b0d33fe2dd1d8155d2d5df05c",
            "d6e477c434591fb7deb62f10612fa566",
        ),
        (
            f"openai-completions:m?{NOBODY}&tokenizer={TINY}",
            "07c5c56e946aa7b0c91014274e868035",
            "c70cbe0ffd75373b1385fcfbd60c06ce",
        ),
        ("anthropic:claude", "a7bb1ad9cd22025d5a8131be0a169cce", "ab3e7662ff73b559424eca46444ff5eb"),
        (f"openai-batch:m?{NOBODY}", "b301a3504de6b1802074d0f3f908eb92", "2bf69de40596097fc5eb046894a6341d"),
        (
            "azure:d?base_url=https://r.openai.azure.com&api_version=2024-10-21",
            "46dbfa8b0c4a1795b6e91b368220e3ad",
            "18ef70042bf5adc3ac9099d3e69af98c",
        ),
        (
            f'openai-chat:m?{NOBODY}&headers={{"api-key":"env:OPENAI_API_KEY"}}',
            "9fe618926071a18a1f8a112589c54e00",
            "75a15a8b24bab0ac61a2b662ead55dab",
        ),
        (f"hf:{TINY}", "fb4f5cd1728e38c93747e0150499a3df", "03f2c3f9c207d42d94a864d99dc397ca"),
    ],
)
def test_a_model_keeps_the_keys_its_answers_have(
    model: str, key: str, answer_key: str, tmp_path: Path
) -> None:
    found = fingerprint_key(opened(model, tmp_path).fingerprint)
    assert (found, request_key(found, text("Question?").digest())) == (key, answer_key)


@pytest.mark.parametrize(
    ("usual", "chosen"),
    [
        (f"openai-chat:m?{NOBODY}", f'openai-chat:m?{NOBODY}&headers={{"X-Route":"a"}}'),
        (f"anthropic:claude?{NOBODY}", f'anthropic:claude?{NOBODY}&headers={{"anthropic-beta":"b"}}'),
        (f"openai-chat:m?{NOBODY}", f'openai-chat:m?{NOBODY}&extra_body={{"provider":{{"only":["p"]}}}}'),
        (f"azure:d?{NOBODY}&{AZURE}", f"azure:d?{NOBODY}&{AZURE}&api_version=2025-01-01"),
    ],
)
def test_what_is_given_to_choose_who_answers_is_part_of_the_key(
    usual: str, chosen: str, tmp_path: Path
) -> None:
    keys = {fingerprint_key(opened(model, tmp_path).fingerprint) for model in (usual, chosen)}
    assert len(keys) == 2
