"""Texts share work only where the model at hand was seen to give the same numbers as for each alone."""

import logging
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from backends.errors import BackendError  # noqa: E402
from backends.hf.backend import HFBackend  # noqa: E402
from backends.hf.proofs import Proof, ProofMemory  # noqa: E402
from backends.model_files.tokenization import Query  # noqa: E402
from backends.requests import Request  # noqa: E402
from tests.backends.hf.odd_models import CONFIGS, odd_model  # noqa: E402
from tests.backends.hf.plain_passes import answers, plain_logprob, plain_text  # noqa: E402
from tests.backends.hf.test_loglikelihood import TEXT, tiny_tokenizer  # noqa: E402

Folder = Callable[[str], Path]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """Tiny models by what is odd about them, made when first asked for."""
    return partial(odd_model, tmp_path_factory.mktemp("odd"))


def opened(path: Path, **options: Any) -> HFBackend:
    return HFBackend(str(path), device="cpu", **{"max_length": 250, **options})


def scoring(*texts: tuple[str, str]) -> list[Request]:
    return [Request("loglikelihood", *pair) for pair in texts]


def writing(*prompts: str) -> list[Request]:
    return [Request("generate_until", prompt, generation={"max_gen_toks": 6}) for prompt in prompts]


SHORT = scoring(*((f"The {word}", choice) for word in ("dog", "tree") for choice in (" said", " is green")))
MUCH = TEXT * 3  # some 110 tokens
LONG = scoring(
    *((MUCH + word, choice) for word in ("The dog", "It") for choice in (" said: the sky", " is")),
    ("The", " " + MUCH),
    ("The", " little " + MUCH),
    ("a", " tree"),
)


def off(backend: HFBackend, requests: list[Request]) -> float:
    """By how many nats answers differ from those of forward passes over each text."""
    queries = [one for one in backend._tokenization.queries(requests) if isinstance(one, Query)]
    got = [one.logprob or math.nan for one in answers(backend, requests)]
    return max(abs(a - plain_logprob(backend.model, query)) for a, query in zip(got, queries, strict=True))


@pytest.mark.parametrize("name", CONFIGS)
def test_scores_are_those_of_a_pass_over_each_text(folder: Folder, name: str) -> None:
    backend = opened(folder(name))
    assert off(backend, [*SHORT, *LONG]) < 1e-4


@pytest.mark.parametrize("name", ["local attention", "positions from tokens", "no attention mask"])
def test_what_is_written_is_that_of_passes_over_each_text(folder: Folder, name: str) -> None:
    backend = opened(folder(name))
    prompts = [MUCH, "The", TEXT[:40]]
    written = [one.text for one in answers(backend, writing(*prompts))]
    assert written == [plain_text(backend, prompt, 6) for prompt in prompts]


def test_texts_beyond_those_that_were_tried_are_tried(folder: Folder) -> None:
    backend = opened(folder("local attention"))
    assert off(backend, scoring(("a", " dog"), ("the", " tree"))) < 1e-4
    assert off(backend, LONG) < 1e-4


def test_usual_models_share_and_nothing_is_said(folder: Folder, caplog: pytest.LogCaptureFixture) -> None:
    backend = opened(folder("llama"))
    answers(backend, [*SHORT, *LONG, *writing(TEXT, "The")])
    assert backend._loglikelihoods.way_for(100) == "shared"
    assert backend._generations.way_for(100) == "padded"
    assert not caplog.records


def test_a_model_that_may_not_share_is_said_once(folder: Folder, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "assay")
    backend = opened(folder("sees what follows"))
    for _ in range(2):
        answers(backend, LONG)
    (said,) = caplog.messages
    assert str(folder("sees what follows")) in said
    assert "each is asked by itself" in said


def passes(backend: HFBackend) -> list[int]:
    """Grows with each forward pass: the rows in it."""
    rows: list[int] = []
    backend.model.register_forward_pre_hook(
        lambda _, arguments, inputs: rows.append(len(inputs["input_ids"])), with_kwargs=True
    )
    return rows


def test_what_was_found_out_is_remembered_as_far_as_it_goes(folder: Folder, tmp_path: Path) -> None:
    counts = []
    for requests in (SHORT, SHORT, LONG, SHORT):
        backend = opened(folder("llama"), home=tmp_path)
        made = passes(backend)
        answers(backend, requests)
        counts.append(sum(made))
    first, again, longer, shorter = counts
    assert again == shorter < first
    assert longer > again + 9  # a trial, and more requests


def test_a_trial_belongs_to_a_model_and_to_how_it_computes(tmp_path: Path) -> None:
    memory = ProofMemory(tmp_path, "model", "cpu")
    memory.put("scoring", Proof("padded", 64))
    assert ProofMemory(tmp_path, "model", "cpu").get("scoring") == Proof("padded", 64)
    assert ProofMemory(tmp_path, "model", "cuda").get("scoring") is None
    assert ProofMemory(tmp_path, "other", "cpu").get("scoring") is None
    assert memory.get("writing") is None


def test_what_was_stored_before_stands_where_texts_may_share(folder: Folder) -> None:
    trials = {name: opened(folder(name)).capabilities.stands for name in ("llama", "local attention")}
    assert {name: trial and trial() for name, trial in trials.items()} == {
        "llama": True,
        "local attention": False,
    }


@pytest.fixture(scope="module")
def broken(folder: Folder, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], HFBackend]:
    """A llama with one infinite weight: in a layer, or in what is known of the token of `tree`."""

    def made(where: str) -> HFBackend:
        path = tmp_path_factory.mktemp("broken")
        model = transformers.AutoModelForCausalLM.from_pretrained(folder("llama"))
        tokenizer = tiny_tokenizer()
        if where == "layer":
            model.model.layers[0].mlp.down_proj.weight.data[0, 0] = math.inf
        else:
            model.model.embed_tokens.weight.data[tokenizer(" tree")["input_ids"][-1]] = math.nan
        model.save_pretrained(path)
        tokenizer.save_pretrained(path)
        return opened(path)

    return made


@pytest.mark.parametrize("requests", [SHORT, writing("The", "A dog")], ids=["scoring", "writing"])
def test_a_broken_model_is_an_error_that_names_what_is_broken(
    broken: Callable[[str], HFBackend], requests: list[Request]
) -> None:
    backend = broken("layer")
    with pytest.raises(BackendError, match=r"not numbers .*layers\.0\.mlp\.down_proj\.weight") as error:
        answers(backend, requests)
    assert backend.name in str(error.value)


def test_only_what_a_broken_weight_touches_fails(broken: Callable[[str], HFBackend]) -> None:
    backend = broken("token")
    texts = scoring(("The dog", " said"), ("The tree", " said"), ("The tree", " is"))
    asked = [*texts, *writing("The dog", "The tree is"), Request("loglikelihood_rolling", TEXT)]
    asked.append(Request("loglikelihood_rolling", "The dog said."))
    got = answers(backend, asked)
    assert [one.is_scorable for one in got] == [True, False, False, True, False, False, True]
    assert all("embed_tokens" in str(one.error) for one in got if one.status == "failed")


def test_a_broken_model_is_noticed_by_whoever_samples(broken: Callable[[str], HFBackend]) -> None:
    drawn = {"max_gen_toks": 4, "do_sample": True, "temperature": 1.0}
    asked = [Request("generate_until", text, generation=drawn) for text in ("The tree", "The dog")]
    assert [one.is_scorable for one in answers(broken("token"), asked)] == [False, True]
