"""Contract: SGLang's `/generate`, against a stand-in that keeps to its published fields."""

from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from backends.endpoints.dialects.sglang import SGLang
from backends.endpoints.question import GaveUp, NotOffered
from backends.endpoints.scored_prompt import TextScoring, TokenScoring
from backends.errors import BackendError
from backends.model_files.tokenization import Query
from backends.protocol import Backend
from tests.backends.endpoints.dialects.asking import SECRET, generated, opened, scored, shown
from tests.support.asking import score_question
from tests.support.endpoints.answers import greedy_token, logprob_of, text_for, text_of_ids, tokens_of
from tests.support.endpoints.endpoint import Endpoint

PROMPT = "Once upon a time"


@pytest.fixture
def backend(endpoint: Endpoint, tmp_path: Path) -> Backend:
    endpoint.change(dialect="sglang")
    return opened(f"sglang:m?base_url={endpoint.root}&backoff=0.001", tmp_path)


def test_a_text_goes_on_and_is_counted(backend: Backend, endpoint: Endpoint) -> None:
    endpoint.change(cached=0.5)
    response = generated(backend, PROMPT, max_gen_toks=99)
    assert (response.status, response.text) == ("answer", text_for(PROMPT))
    assert (response.tokens_in, response.tokens_out) == (4, len(tokens_of(text_for(PROMPT))))
    assert response.call is not None
    assert (response.call.tokens_cached, response.call.counted) == (2, True)
    assert response.call.endpoint == endpoint.root


def test_a_text_ends_at_its_limit_and_before_a_stop(backend: Backend) -> None:
    cut = generated(backend, PROMPT, max_gen_toks=1)
    assert (cut.status, cut.text) == ("truncated", tokens_of(text_for(PROMPT))[0])
    stopped = generated(backend, PROMPT, max_gen_toks=99, until=["####"])
    assert (stopped.status, stopped.text) == ("answer", text_for(PROMPT).split("####")[0])


def test_a_continuation_of_a_text_has_its_log_probability(backend: Backend) -> None:
    greedy = greedy_token(PROMPT)
    likely, unlikely = scored(backend, PROMPT, greedy), scored(backend, PROMPT, " there was")
    assert (likely.logprob, likely.is_greedy) == (logprob_of(PROMPT, greedy), True)
    expected = logprob_of(PROMPT, " there") + logprob_of(PROMPT + " there", " was")
    assert unlikely.logprob == pytest.approx(expected)
    assert unlikely.is_greedy is False


def test_a_continuation_of_tokens_has_its_log_probability(
    endpoint: Endpoint, tmp_path: Path, stories260k: Path
) -> None:
    endpoint.change(dialect="sglang")
    backend = opened(f"sglang:m?base_url={endpoint.root}&tokenizer={stories260k}", tmp_path)
    ids = AutoTokenizer.from_pretrained(stories260k)
    context, whole = ids(PROMPT)["input_ids"], ids(f"{PROMPT} there was")["input_ids"]
    expected = sum(
        logprob_of(text_of_ids(whole[:place]), f" t{whole[place]}")
        for place in range(len(context), len(whole))
    )
    response = scored(backend, PROMPT, " there was", is_probed=False)
    assert response.logprob == pytest.approx(expected)
    assert response.tokens_in == len(whole)
    assert "loglikelihood_rolling" in backend.capabilities.kinds


def test_only_what_a_server_must_read_anew_is_scored() -> None:
    query = Query(context=(1, 2, 3), continuation=(4, 5))
    assert score_question(SGLang("m"), TokenScoring(query)).body["logprob_start_len"] == 2
    assert score_question(SGLang("m"), TextScoring("a b", " c")).body["logprob_start_len"] == 0


def test_what_precedes_a_text_such_as_bos_is_no_part_of_it() -> None:
    question = score_question(SGLang("m"), TextScoring("a", " b"))
    entries = [[None, 1, "<s>"], [-9.0, 2, "a"], [-0.5, 3, " b"]]
    tops: list[Any] = [None, [[-1.0, 7, "x"]], [[-0.5, 3, " b"]]]
    response = question.read(answer(entries, tops))
    assert (response.logprob, response.is_greedy) == (-0.5, True)


def test_token_texts_that_are_not_the_prompt_score_nothing() -> None:
    question = score_question(SGLang("m"), TextScoring("a", " é"))
    entries = [[None, 2, "a"], [-0.5, 3, " \ufffd"], [-0.5, 4, "\ufffd"]]
    with pytest.raises(NotOffered, match="do not join to the prompt"):
        question.read(answer(entries, [None, [[-0.5, 3, " "]], [[-0.5, 4, "b"]]]))


def test_a_server_that_gave_up_is_asked_again() -> None:
    question = score_question(SGLang("m"), TextScoring("a", " b"))
    aborted = {
        "text": "",
        "meta_info": {"finish_reason": {"type": "abort", "message": "shutting down"}},
    }
    with pytest.raises(GaveUp, match="shutting down"):
        question.read(aborted)


def test_an_address_is_needed_and_streams_are_not_offered(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="base_url=http"):
        opened("sglang:m", tmp_path)
    with pytest.raises(BackendError, match="has no option stream"):
        opened("sglang:m?base_url=http://127.0.0.1:1&stream=true", tmp_path)


def test_a_key_is_sent_and_never_shown(
    endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SGLANG_API_KEY", SECRET)
    endpoint.change(dialect="sglang", api_key=SECRET)
    backend = opened(f"sglang:m?base_url={endpoint.root}", tmp_path)
    assert generated(backend, PROMPT).status == "answer"
    assert SECRET not in shown(backend)


def answer(entries: list[object], tops: list[object]) -> dict[str, object]:
    meta = {"finish_reason": {"type": "length", "length": 0}, "prompt_tokens": 3, "completion_tokens": 0}
    return {"text": "", "meta_info": {**meta, "input_token_logprobs": entries, "input_top_logprobs": tops}}
