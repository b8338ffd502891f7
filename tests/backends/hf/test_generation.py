"""Generation and chat templates of the hf backend: lm-eval's texts and rules."""

import dataclasses
import os
from typing import Any

import pytest

from backends.errors import BackendError
from backends.hf.backend import HFBackend
from backends.protocol import ask
from backends.requests import Request, Response
from backends.text.generation_settings import Settings, settings_of
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
    "Once upon a time there was a cat. " * 80,
    "",
)


@pytest.fixture(scope="module")
def backend() -> HFBackend:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    return HFBackend(str(STORIES), device="cpu")


def generate(backend: HFBackend, requests: list[Request]) -> list[Response]:
    pairs = [pair for batch in ask(backend, requests) for pair in batch]
    assert sorted(number for number, _ in pairs) == list(range(len(requests)))
    return [response for _, response in sorted(pairs, key=lambda pair: pair[0])]


def asking(generation: dict[str, Any], prompts: tuple[str, ...] = PROMPTS) -> list[Request]:
    return [Request("generate_until", prompt, generation=generation) for prompt in prompts]


@pytest.mark.parity
@pytest.mark.parametrize(
    "generation",
    [
        {"until": ["\n", "."], "max_gen_toks": 40},
        {"until": " girl", "max_new_tokens": 30, "do_sample": False, "temperature": 0.0},
        {"until": [], "max_tokens": 5},
        {"until": ["named Lily", "park"], "max_gen_toks": 64, "repetition_penalty": 1.3},
        {"until": ["."], "max_gen_toks": 20, "num_beams": 2},
    ],
)
def test_texts_are_those_of_lm_eval(backend: HFBackend, generation: dict[str, Any]) -> None:
    models = pytest.importorskip("lm_eval.models.huggingface")
    from lm_eval.api.instance import Instance

    model = models.HFLM(str(STORIES), device="cpu", dtype="float32", batch_size=4)
    prompts = PROMPTS[:-1]
    instances = [Instance("generate_until", {}, (prompt, generation), i) for i, prompt in enumerate(prompts)]
    expected = model.generate_until(instances, disable_tqdm=True)
    assert [r.text for r in generate(backend, asking(generation, prompts))] == expected


def test_a_text_that_ends_at_its_limit_is_truncated(backend: HFBackend) -> None:
    short, stopped = generate(
        backend,
        [
            *asking({"until": ["never"], "max_gen_toks": 6}, PROMPTS[:1]),
            *asking({"until": ["there"], "max_gen_toks": 60}, PROMPTS[:1]),
        ],
    )
    assert (short.status, short.tokens_out) == ("truncated", 6)
    assert stopped.status == "answer"
    assert stopped.tokens_out < 60
    assert min(short.tokens_in, stopped.tokens_in) > 0
    assert min(short.seconds, stopped.seconds) > 0


def test_an_empty_prompt_is_answered(backend: HFBackend) -> None:
    assert generate(backend, asking({"max_gen_toks": 4}, ("",)))[0].text


def test_a_row_that_stops_early_does_not_change_the_others(backend: HFBackend) -> None:
    generation = {"until": ["."], "max_gen_toks": 60}
    together = generate(backend, asking(generation))
    alone = [generate(backend, asking(generation, (prompt,)))[0] for prompt in PROMPTS]
    assert [r.text for r in together] == [r.text for r in alone]


def test_sampling_follows_the_seed_and_the_repeat(backend: HFBackend) -> None:
    generation = {"do_sample": True, "temperature": 1.0, "max_gen_toks": 12, "seed": 5}
    request = asking(generation, PROMPTS[:1])[0]

    def text(asked: Request) -> str | None:
        return generate(backend, [asked])[0].text

    first = text(request)
    assert text(request) == first
    assert text(dataclasses.replace(request, repeat=1)) != first
    assert text(asking(generation | {"seed": 6}, PROMPTS[:1])[0]) != first


@pytest.mark.parametrize("extra", [{}, {"top_k": 0, "top_p": 0.9}, {"num_beams": 2}])
def test_a_drawn_text_does_not_depend_on_what_is_asked_beside_it(extra: dict[str, Any]) -> None:
    generation = {
        "do_sample": True,
        "temperature": 1.3,
        "max_gen_toks": 12,
        "seed": 5,
        "until": ["\n"],
        **extra,
    }
    requests = asking(generation, PROMPTS[:3])

    def texts(batch_size: int, asked: list[Request]) -> list[str | None]:
        backend = HFBackend(str(STORIES), device="cpu", batch_size=batch_size)
        return [response.text for response in generate(backend, asked)]

    together = texts(3, requests)
    assert texts(2, requests) == together
    assert texts(3, requests[1:]) == together[1:]
    assert texts(1, requests[::-1]) == together[::-1]


@pytest.fixture(params=["<unk>", "</s>"])
def padding_with(request: pytest.FixtureRequest) -> HFBackend:
    """A model whose batches are padded with a token that it may write, as Llama 2's are."""
    backend = HFBackend(str(STORIES), device="cpu", batch_size=4)
    backend.tokenizer.pad_token = request.param
    return backend


@pytest.mark.parametrize("extra", [{}, {"num_beams": 2}, {"do_sample": True, "temperature": 0.5}])
def test_padding_is_not_counted_as_written(padding_with: HFBackend, extra: dict[str, Any]) -> None:
    generation = {"until": [".", ",", "Lily"], "max_gen_toks": 40, **extra}
    requests = asking(generation, PROMPTS[:3])
    together = generate(padding_with, requests)
    alone = [generate(padding_with, [request])[0] for request in requests]
    assert [one.tokens_out for one in together] == [one.tokens_out for one in alone]
    assert [(one.text, one.status) for one in together] == [(one.text, one.status) for one in alone]
    assert len({one.tokens_out for one in together}) > 1


def test_the_time_of_a_batch_is_shared_out(backend: HFBackend) -> None:
    responses = generate(backend, asking({"max_gen_toks": 4}, PROMPTS[:2]))
    calls = [response.call for response in responses]
    assert calls[0] is not None
    assert calls == [calls[0]] * 2
    assert sum(response.seconds for response in responses) == pytest.approx(calls[0].finished)


def test_an_unknown_generation_parameter_is_named(backend: HFBackend) -> None:
    with pytest.raises(BackendError, match="tempperature"):
        generate(backend, asking({"tempperature": 1.0}))


def test_a_limit_that_leaves_no_room_is_an_error(backend: HFBackend) -> None:
    with pytest.raises(BackendError, match="max_gen_toks=512 leaves no room"):
        generate(backend, asking({"max_gen_toks": 512}))


@pytest.mark.parametrize(
    ("generation", "expected"),
    [
        ({}, Settings(("</s>",), 256, False, 0, {})),
        ({"until": "\n", "temperature": 0.5}, Settings(("\n", "</s>"), 256, True, 0, {"temperature": 0.5})),
        ({"do_sample": False, "temperature": 0.5}, Settings(("</s>",), 256, False, 0, {})),
        ({"max_new_tokens": 3, "max_gen_toks": 4}, Settings(("</s>",), 4, False, 0, {})),
        (
            {"until": ["a", "</s>", ""], "top_p": 0.9, "seed": 9},
            Settings(("a", "</s>"), 256, False, 9, {"top_p": 0.9}),
        ),
    ],
)
def test_generation_parameters_mean_what_they_do_in_lm_eval(
    generation: dict[str, Any], expected: Settings
) -> None:
    assert settings_of(generation, eos="</s>") == expected


TEMPLATE = (
    "{% for m in messages %}"
    "{% if m.role == 'system' and strict %}{{ raise_exception('no system') }}{% endif %}"
    "[{{ m.role }}] {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}[assistant] {% endif %}"
)
MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hi"},
]


def with_template(strict: bool) -> HFBackend:
    backend = HFBackend(str(STORIES), device="cpu")
    backend.tokenizer.chat_template = "{% set strict = " + str(strict).lower() + " %}" + TEMPLATE
    return backend


def test_chat_messages_become_a_prompt_without_weights() -> None:
    backend = with_template(strict=False)
    rendered = backend.apply_chat_template(MESSAGES, continue_final=False)
    assert rendered == "[system] Be brief.\n[user] Hi\n[assistant] "
    going_on = [*MESSAGES, {"role": "assistant", "content": "The answer is"}]
    assert backend.apply_chat_template(going_on, continue_final=True).endswith("[assistant] The answer is")
    assert backend.capabilities.chat_template
    assert "model" not in vars(backend)


def test_a_template_that_refuses_system_messages_gets_none() -> None:
    rendered = with_template(strict=True).apply_chat_template(MESSAGES, continue_final=False)
    assert rendered == "[user] Hi\n[assistant] "


def test_a_model_without_a_template_says_so(backend: HFBackend) -> None:
    assert backend.chat_template() is None
    with pytest.raises(BackendError, match="no chat template"):
        backend.apply_chat_template(MESSAGES, continue_final=False)
