"""Thinking and answers of the hf backend: with a mark that the model really writes, beside lm-eval."""

import os
from functools import partial
from typing import Any

import pytest

from backends.errors import BackendError
from backends.hf.backend import HFBackend
from backends.protocol import ask
from backends.requests import Request, Response
from backends.text.stop_sequences import cut_at_stops
from backends.text.thinking import parts_of
from tests.support.packages import needed
from tests.support.paths import STORIES

needed("torch", "transformers")

pytestmark = pytest.mark.skipif(
    not STORIES.is_dir(), reason="needs the stories260k model beside the repository"
)
PROMPTS = (
    "Once upon a time",
    "Lily and Tom went to the park and",
    "The dog",
    "One day, a girl had a bird. <think>",
)
LIMIT = 60


def opened() -> HFBackend:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    return HFBackend(str(STORIES), device="cpu")


@pytest.fixture(scope="module")
def backend() -> HFBackend:
    return opened()


def generate(backend: HFBackend, **generation: Any) -> list[Response]:
    requests = [
        Request("generate_until", prompt, generation={"max_gen_toks": LIMIT, **generation})
        for prompt in PROMPTS
    ]
    found = dict(pair for batch in ask(backend, requests) for pair in batch)
    return [found[number] for number in range(len(requests))]


@pytest.mark.parametrize(
    ("mark", "until"),
    [
        (" She", ["."]),
        ('"', [".", "!"]),
        ("Lily", [" with", " to"]),
        (".", ["\n"]),
        (".", [" "]),
        (".", ["He liked", "They w"]),
        (" with", []),
        ("e", ["a"]),
    ],
)
def test_stops_end_the_answer_and_never_the_thinking(backend: HFBackend, mark: str, until: list[str]) -> None:
    """A text that ends at its stop is read as one that was written to its limit."""
    cut = partial(cut_at_stops, stops=until)
    whole = generate(backend)
    found = generate(backend, end_of_thinking=mark, until=until)
    for one, all_of_it in zip(found, whole, strict=True):
        assert all_of_it.text is not None
        expected = parts_of(all_of_it.text, mark, cut, complete=all_of_it.status == "answer")
        assert (one.thinking, one.text) == (expected.thinking, expected.answer)
        assert one.status == ("answer" if expected.stopped else all_of_it.status)
        if not expected.stopped:
            assert one.tokens_out == all_of_it.tokens_out
    assert any(one.thinking and one.text for one in found)


@pytest.mark.parametrize(("mark", "until"), [(" She", ["."]), (".", ["."]), ("Lily", [" to"])])
def test_a_stop_saves_the_tokens_after_it(backend: HFBackend, mark: str, until: list[str]) -> None:
    for one in generate(backend, end_of_thinking=mark, until=until):
        assert (one.tokens_out < LIMIT) == (one.status == "answer")


def test_what_was_cut_off_before_the_mark_is_thinking_and_no_answer(backend: HFBackend) -> None:
    for one, plain in zip(
        generate(backend, end_of_thinking="</think>", until=["."]), generate(backend), strict=True
    ):
        assert (one.status, one.text, one.thinking) == ("truncated", "", plain.text)
        assert one.cut_while_thinking


def test_a_text_that_ends_without_a_mark_is_an_answer(backend: HFBackend) -> None:
    """The stop of `eos_token_id` is the model's own end."""
    end = backend.tokenizer.convert_tokens_to_ids("▁She")
    first = generate(backend, end_of_thinking="</think>", until=["Lily"], eos_token_id=end)[0]
    assert (first.status, first.thinking) == ("answer", None)
    assert first.text == ", there was a little girl named "


def test_a_row_does_not_depend_on_the_others_of_its_batch(backend: HFBackend) -> None:
    generation = {"max_gen_toks": LIMIT, "end_of_thinking": ".", "until": ["."]}
    requests = [Request("generate_until", prompt, generation=generation) for prompt in PROMPTS]
    together = {prompt: answer for batch in ask(backend, requests) for prompt, answer in batch}
    for number, request in enumerate(requests):
        ((_, alone),) = next(iter(ask(backend, [request])))
        assert (alone.thinking, alone.text) == (together[number].thinking, together[number].text)


@pytest.mark.parametrize(
    ("mark", "answer"),
    [("▁She", "loved to play outside in the park"), ("▁Sheloved", "to play outside in the park")],
)
def test_a_special_token_can_be_the_mark_or_a_part_of_it(mark: str, answer: str) -> None:
    backend = opened()
    backend.tokenizer.add_special_tokens({"additional_special_tokens": ["▁She"]})
    assert "She" not in (generate(backend)[0].text or "")
    first = generate(backend, end_of_thinking=mark, until=["."])[0]
    assert first.thinking == ", there was a little girl named Lily."
    assert first.text == answer
    assert first.tokens_out < LIMIT


def test_beams_and_thinking_are_refused_together(backend: HFBackend) -> None:
    with pytest.raises(BackendError, match="num_beams"):
        generate(backend, end_of_thinking=".", num_beams=2)


@pytest.mark.parity
@pytest.mark.parametrize(
    ("mark", "until"),
    [(" She", []), (" girl", []), ('"', []), (".", []), (" named", ["played"]), ("One day,", [" wanted"])],
)
def test_answers_are_those_of_lm_eval(backend: HFBackend, mark: str, until: list[str]) -> None:
    """Where no stop sequence comes before the mark, at which lm-eval would end the text."""
    models = pytest.importorskip("lm_eval.models.huggingface")
    from lm_eval.api.instance import Instance

    lm = models.HFLM(str(STORIES), device="cpu", dtype="float32", batch_size=4, think_end_token=mark)
    generation = {"until": until, "max_gen_toks": LIMIT}
    instances = [
        Instance("generate_until", {}, (prompt, dict(generation)), i) for i, prompt in enumerate(PROMPTS)
    ]
    theirs = lm.generate_until(instances, disable_tqdm=True)
    ours = generate(backend, end_of_thinking=mark, until=until)
    same = [
        number
        for number, one in enumerate(ours)
        if not (one.cut_while_thinking or any(stop in (one.thinking or "") for stop in until))
    ]
    assert same
    assert [ours[number].text for number in same] == [theirs[number] for number in same]
