"""Log-likelihoods by an endpoint's echoed log-probabilities."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from backends.endpoints.openai_completions import OpenAICompletions
from backends.endpoints.probe import check_logprobs
from backends.endpoints.question import Malformed, NotOffered, Question
from backends.endpoints.scored_prompt import TextScoring, TokenScoring
from backends.errors import BackendError
from backends.model_files.tokenization import Query
from backends.money.budget import Budget, Limits
from backends.money.purse import Purse
from backends.protocol import AskContext
from backends.requests import Request, RequestKind, Response
from tests.support.asking import Open, answers, calls, score_question
from tests.support.endpoints.answers import greedy_token, logprob_of, text_of_ids, tokens_of
from tests.support.endpoints.endpoint import Endpoint

SCORES: list[RequestKind] = ["loglikelihood"]


def scored(prompt: str, continuation: str) -> Request:
    return Request("loglikelihood", prompt, continuation)


def true_score(prompt: str, continuation: str) -> float:
    total, before = 0.0, prompt
    for token in tokens_of(continuation):
        total += logprob_of(before, token)
        before += token
    return total


def test_scores_are_the_sums_over_the_continuation(opened: Open) -> None:
    pairs = [(f"The sky {number} is", f" blue and {'very ' * (number % 3)}wide") for number in range(50)]
    responses = answers(opened("openai-completions"), [scored(*pair) for pair in pairs])
    for response, pair in zip(responses, pairs, strict=True):
        assert response.logprob == pytest.approx(true_score(*pair), abs=1e-9)
        assert response.is_greedy is False
    assert all(call.counted for call in calls(responses))


def test_a_continuation_is_greedy_where_each_token_is_the_likeliest(opened: Open) -> None:
    prompt = "Once upon a time"
    said = greedy_token(prompt)
    both = said + greedy_token(prompt + said)
    requests = [scored(prompt, both), scored(prompt, said + " never"), scored(prompt, said)]
    responses = answers(opened("openai-completions"), requests)
    assert [one.is_greedy for one in responses] == [True, False, True]


def test_white_space_at_the_end_of_a_context_belongs_to_the_continuation(opened: Open) -> None:
    requests = [scored("The sky is ", "blue"), scored("The sky is", " blue")]
    first, second = answers(opened("openai-completions"), requests)
    assert first.logprob == second.logprob == pytest.approx(true_score("The sky is", " blue"))


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        (("The sk", "y is blue"), "no token begins where"),
        (("", "The sky"), "BOS"),
        (("The sky is", ""), "no token begins where"),
    ],
)
def test_what_cannot_be_scored_as_text_is_refused_with_advice(
    opened: Open, pair: tuple[str, str], said: str
) -> None:
    bad, good = answers(opened("openai-completions"), [scored(*pair), scored("The sky is", " blue")])
    assert (bad.status, good.status) == ("failed", "answer")
    assert said in (bad.error or "")
    assert "give the option tokenizer" in (bad.error or "")


@pytest.mark.parametrize("fault", ["rate_limited", "server_error", "dropped", "cut"])
def test_scores_survive_faults(opened: Open, endpoint: Endpoint, fault: str) -> None:
    endpoint.change(**{fault: 0.3})
    backend = opened("openai-completions", max_tries=30)
    backend.load(SCORES)
    pairs = [("The sky is", f" blue {number}") for number in range(30)]
    responses = answers(backend, [scored(*pair) for pair in pairs])
    for response, pair in zip(responses, pairs, strict=True):
        assert response.logprob == pytest.approx(true_score(*pair))


def test_options_of_streams_are_of_no_matter_for_scores(opened: Open) -> None:
    requests = [scored("The sky is", f" blue {number}") for number in range(5)]
    without, streamed = (
        answers(opened("openai-completions", stream=stream), requests) for stream in (False, True)
    )
    assert [one.logprob for one in without] == [one.logprob for one in streamed]


def test_a_good_endpoint_passes_the_probe(opened: Open) -> None:
    opened("openai-completions").load(SCORES)


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        ({"echo_logprobs": False}, "echo is not supported"),
        ({"logprobs_shift": True}, "are of other places"),
        ({"models": ["another"]}, "does not exist"),
    ],
)
def test_an_endpoint_that_cannot_score_is_refused_before_the_run(
    opened: Open, endpoint: Endpoint, behaviour: dict[str, object], said: str
) -> None:
    endpoint.change(**behaviour)
    with pytest.raises(BackendError, match="openai-completions:m cannot score texts: .*" + said) as refused:
        opened("openai-completions").load(SCORES)
    assert "\n" not in str(refused.value)
    opened("openai-completions").load(["generate_until"])


class Shifted:
    """An endpoint whose log-probability of each token is that of the token `by` places further on."""

    def __init__(self, by: int) -> None:
        self.by = by

    async def answers(self, requests: Sequence[Request]) -> list[Response]:
        return [self.answer(request) for request in requests]

    def answer(self, request: Request) -> Response:
        if request.kind == "generate_until":
            return Response(text=greedy_token(request.prompt_text))
        text = request.prompt_text + request.continuation
        tokens = [*tokens_of(text), greedy_token(text)]
        values = [logprob_of("".join(tokens[:place]), token) for place, token in enumerate(tokens)]
        start = len(tokens_of(request.prompt_text))
        logprob = sum(values[start + self.by : len(tokens) - 1 + self.by])
        return Response(logprob=logprob, is_greedy=logprob > -1)


@pytest.mark.parametrize(("by", "said"), [(-1, "before"), (1, "after")])
def test_log_probabilities_of_the_neighbour_are_noticed(by: int, said: str) -> None:
    with pytest.raises(BackendError, match=f"belong to the tokens {said} those"):
        asyncio.run(check_logprobs("m", Shifted(by).answers))


def test_log_probabilities_at_their_place_are_right() -> None:
    asyncio.run(check_logprobs("m", Shifted(0).answers))


class TestTokens:
    """Where the tokenizer is known, tokens are sent."""

    TEXT = "Once upon a time there was a little girl who liked to play in the park with her red ball. " * 3

    def test_texts_are_scored_whole_window_after_window(self, opened: Open, stories260k: Path) -> None:
        from transformers import AutoTokenizer

        from backends.model_files.tokenization import Tokenization

        backend = opened("openai-completions", tokenizer=str(stories260k), max_length=32)
        requests = [Request("loglikelihood_rolling", text) for text in (self.TEXT, "", "A cat.")]
        responses = answers(backend, requests)
        tokenization = Tokenization(AutoTokenizer.from_pretrained(stories260k), 32)
        assert len(tokenization.windows(self.TEXT)) > 2
        for response, request in zip(responses, requests, strict=True):
            truth = 0.0
            for window in tokenization.windows(request.prompt_text):
                before = text_of_ids(window.context)
                truth += true_score(before, text_of_ids(window.continuation))
            assert response.logprob == pytest.approx(truth)

    def test_each_window_is_paid_by_the_task_whose_text_it_is(self, opened: Open, stories260k: Path) -> None:
        backend = opened("openai-completions", tokenizer=str(stories260k), max_length=32)
        requests = [Request("loglikelihood_rolling", text) for text in ("A cat.", self.TEXT, "A dog.")]
        budget = Budget(Limits())
        first, long, last = answers(
            backend, requests, AskContext(Purse(budget, {}, ["short", "long", "short"]))
        )
        assert budget.spent("long").tokens == long.tokens_in + long.tokens_out
        assert budget.spent("short").tokens == sum(one.tokens_in + one.tokens_out for one in (first, last))

    def test_a_text_with_a_window_that_fails_has_no_score(
        self, opened: Open, endpoint: Endpoint, stories260k: Path
    ) -> None:
        endpoint.change(max_prompt_tokens=20)
        backend = opened("openai-completions", tokenizer=str(stories260k), max_length=32)
        requests = [Request("loglikelihood_rolling", text) for text in (self.TEXT, "A cat.")]
        long, short = answers(backend, requests)
        assert (long.status, short.status) == ("failed", "answer")

    def test_a_tokenizer_that_is_not_the_models_is_noticed(self, opened: Open, stories260k: Path) -> None:
        """The stand-in server has words for tokens."""
        with pytest.raises(BackendError, match="the tokens it writes are not the likeliest"):
            opened("openai-completions", tokenizer=str(stories260k)).load(SCORES)

    def test_a_boundary_inside_a_word_can_be_scored(self, opened: Open, stories260k: Path) -> None:
        backend = opened("openai-completions", tokenizer=str(stories260k))
        (response,) = answers(backend, [scored("The do", "g runs")])
        assert response.status == "answer"
        assert response.logprob is not None
        assert response.logprob < 0

    def test_requests_of_all_kinds_are_asked_together(self, opened: Open, stories260k: Path) -> None:
        backend = opened("openai-completions", tokenizer=str(stories260k), max_length=64)
        requests = [
            Request("loglikelihood_rolling", self.TEXT),
            Request("generate_until", "Once upon", generation={"max_gen_toks": 5}),
            scored("A dog", " runs"),
            Request("loglikelihood_rolling", ""),
            Request("generate_until", "A cat", generation={"max_gen_toks": 3}),
        ]
        together = answers(backend, requests)
        alone = [answer for request in requests for answer in answers(backend, [request])]
        said = [(one.text, one.logprob, one.is_greedy, one.tokens_in) for one in together]
        assert said == [(one.text, one.logprob, one.is_greedy, one.tokens_in) for one in alone]
        assert [one.text is None for one in together] == [True, False, True, True, False]


def echo(**changes: object) -> dict[str, object]:
    """The answer to `The sky is` with ` so blue`, of which some entries are others."""
    logprobs = {
        "tokens": ["The", " sky", " is", " so", " blue", "."],
        "token_logprobs": [None, -1.0, -2.0, -3.0, -4.0, -5.0],
        "top_logprobs": [None, *({"x": -1.0 - place} for place in range(5))],
        "text_offset": [0, 3, 7, 10, 13, 18],
        **changes,
    }
    return {"choices": [{"text": "The sky is so blue.", "finish_reason": "length", "logprobs": logprobs}]}


AS_TEXT = score_question(OpenAICompletions("m"), TextScoring("The sky is", " so blue"))
AS_TOKENS = score_question(OpenAICompletions("m"), TokenScoring(Query((7, 8, 9), (10, 11))))
HUGE = 10**400


def test_a_whole_echo_is_read() -> None:
    for question in (AS_TEXT, AS_TOKENS):
        assert question.read(echo()).logprob == -7.0
    blanks = echo(tokens=["The", "\u2581sky", "\u2581is", "\u2581so", "\u2581blue", "."])
    assert AS_TEXT.read(blanks).logprob == -7.0


@pytest.mark.parametrize("question", [AS_TEXT, AS_TOKENS], ids=["text", "tokens"])
@pytest.mark.parametrize(
    "changes",
    [
        {"token_logprobs": [None, -1.0, -2.0, -3.0, float("nan"), -5.0]},
        {"token_logprobs": [None, -1.0, -2.0, -3.0, float("-inf"), -5.0]},
        {"token_logprobs": [None, -1.0, -2.0, -3.0, 0.5, -5.0]},
        {"token_logprobs": [None, -1.0, -2.0, -3.0, -HUGE, -5.0]},
        {"token_logprobs": [None, -1.0, -2.0, -3.0, HUGE, -5.0]},
        {"token_logprobs": [None, -1.0, -2.0, -3.0, None, -5.0]},
        {"token_logprobs": [None, -1.0, -2.0, -3.0]},
        {"top_logprobs": [None, *({"x": value} for value in (-1.0, -1.0, float("nan"), -1.0, -1.0))]},
        {"top_logprobs": [None, *({"x": value} for value in (-1.0, -1.0, HUGE, -1.0, -1.0))]},
        {"text_offset": [0, 3, 7, 10]},
        {"text_offset": [0, 3, 7, 10, 13]},
        {"tokens": ["The", " sky", " is", " so"]},
    ],
)
def test_an_echo_that_cannot_be_that_of_what_was_sent_is_no_score(
    question: Question, changes: dict[str, object]
) -> None:
    with pytest.raises((Malformed, NotOffered)):
        question.read(echo(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"tokens": ["A", " dog", " is", " so", " blue", "."]},  # another prompt
        {"tokens": ["The", " sky", " is", " so", " red", "."]},
        {"tokens": ["The", " sk\ufffd", "\ufffds", " so", " blue", "."], "text_offset": [0, 3, 7, 9, 10, 13]},
        {"tokens": None},
        {"text_offset": None},
    ],
)
def test_where_tokens_of_a_text_are_not_known_no_span_is_guessed(changes: dict[str, object]) -> None:
    with pytest.raises(NotOffered, match="tokenizer"):
        AS_TEXT.read(echo(**changes))


def test_tokens_of_another_prompt_are_no_score() -> None:
    with pytest.raises(NotOffered, match="another prompt"):
        score_question(OpenAICompletions("m"), TokenScoring(Query((7, 8), (10, 11)))).read(
            echo(text_offset=None, tokens=None)
        )


def test_a_character_of_several_tokens_before_the_continuation_is_no_hindrance() -> None:
    question = score_question(OpenAICompletions("m"), TextScoring("caf\u00e9 is", " so blue"))
    tokens = ["caf", "\ufffd\ufffd", " is", " so", " blue", "."]
    right = echo(tokens=tokens, text_offset=[0, 3, 4, 7, 10, 15])
    assert question.read(right).logprob == -7.0
    with pytest.raises(NotOffered):
        question.read(echo(tokens=tokens, text_offset=[0, 3, 5, 8, 11, 16]))
