import math
from collections import Counter

import pytest

from backends.protocol import Backend, ask
from backends.requests import Request, Response
from backends.simple.baseline import MajorityBaseline, RandomBaseline


def answers(backend: Backend, requests: list[Request]) -> list[Response]:
    found = {position: response for batch in ask(backend, requests) for position, response in batch}
    return [found[position] for position in range(len(requests))]


def choices(question: str, *labels: str) -> list[Request]:
    return [Request("loglikelihood", question, continuation=label) for label in labels]


def best(backend: Backend, question: str, *labels: str) -> str:
    scores = [response.logprob for response in answers(backend, choices(question, *labels))]
    return max(zip(scores, labels, strict=True), key=lambda pair: pair[0] or 0.0)[1]


@pytest.mark.parametrize("kind", ["loglikelihood", "generate_until"])
def test_a_random_answer_does_not_depend_on_what_else_is_asked(kind: str) -> None:
    requests = [Request(kind, f"question {number}") for number in range(200)]  # type: ignore[arg-type]
    whole = answers(RandomBaseline(seed=1), requests)
    alone = [answers(RandomBaseline(seed=1), [request])[0] for request in reversed(requests)]
    assert [(r.logprob, r.text) for r in whole] == [(r.logprob, r.text) for r in reversed(alone)]


def test_the_seed_changes_the_guesses_and_the_fingerprint() -> None:
    requests = choices("question", *"ABCDEFGH")
    one, other = RandomBaseline(seed=1), RandomBaseline(seed=2)
    assert [r.logprob for r in answers(one, requests)] != [r.logprob for r in answers(other, requests)]
    assert one.fingerprint != other.fingerprint


def test_each_choice_wins_a_random_guess_equally_often() -> None:
    won = Counter(
        best(RandomBaseline(), f"question {number}", " A", " B", " C", " D") for number in range(2000)
    )
    assert all(400 < won[label] < 600 for label in (" A", " B", " C", " D"))


def test_repeated_askings_are_guessed_anew() -> None:
    requests = [Request("generate_until", "question", repeat=number) for number in range(50)]
    assert len({response.text for response in answers(RandomBaseline(), requests)}) > 5


def test_a_text_has_the_probability_of_uniform_bytes() -> None:
    for backend in (RandomBaseline(), MajorityBaseline()):
        (response,) = answers(backend, [Request("loglikelihood_rolling", "né\ud83d")])
        assert response.logprob == -6 * math.log(256)


def test_the_majority_is_the_named_answer() -> None:
    assert best(MajorityBaseline(answer="yes"), "question", " no", " yes") == " yes"
    assert best(MajorityBaseline(answer="no"), "question", " no", " yes") == " no"


@pytest.mark.parametrize(
    "labels", [(" A", " B"), (" no", " yes"), ("True", "False"), (" entailment", " neutral")]
)
def test_without_it_the_same_label_wins_in_every_document_and_order(labels: tuple[str, ...]) -> None:
    backend = MajorityBaseline()
    winners = {
        best(backend, f"question {number}", *order)
        for number in range(20)
        for order in (labels, labels[::-1])
    }
    assert len(winners) == 1


def test_a_majority_generation_is_the_answer_up_to_the_stop() -> None:
    requests = [Request("generate_until", "q"), Request("generate_until", "q", generation={"until": ["\n"]})]
    texts = [response.text for response in answers(MajorityBaseline(answer="42\nor so"), requests)]
    assert texts == ["42\nor so", "42"]
