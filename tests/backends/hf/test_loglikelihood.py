"""Log-likelihoods of the hf backend: lm-eval's numbers, with what requests share read once."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.paths import STORIES

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from backends.errors import BackendError  # noqa: E402
from backends.hf.backend import HFBackend  # noqa: E402
from backends.hf.batching import Batches  # noqa: E402
from backends.hf.loglikelihood import sharing_window  # noqa: E402
from backends.hf.prefix_tree import rows_of  # noqa: E402
from backends.model_files.tokenization import Query  # noqa: E402
from backends.protocol import ask  # noqa: E402
from backends.requests import Request, Response  # noqa: E402

TEXT = "Once upon a time there was a little dog. It said: the sky is blue, and the tree is green. "
ARCHITECTURES = ("llama", "gpt2", "mamba", "mistral")


@pytest.fixture(scope="module", autouse=True)
def _offline() -> Iterator[None]:
    before = os.environ.get("HF_HUB_OFFLINE")
    os.environ["HF_HUB_OFFLINE"] = "1"
    yield
    os.environ.pop("HF_HUB_OFFLINE")
    if before is not None:
        os.environ["HF_HUB_OFFLINE"] = before


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Tiny seeded models by architecture, made when first asked for. All read 64 tokens."""
    root = tmp_path_factory.mktemp("models")

    def folder(name: str) -> Path:
        made = root / name
        if not made.exists():
            tiny_model(name).save_pretrained(made)
            tiny_tokenizer().save_pretrained(made)
        return made

    return folder


def tiny_model(name: str) -> Any:
    sizes = {"vocab_size": 300, "bos_token_id": 0, "eos_token_id": 1}
    attention = sizes | {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 64,
        "initializer_range": 0.2,
    }
    configs = {
        "llama": lambda: transformers.LlamaConfig(**attention),
        "gpt2": lambda: transformers.GPT2Config(
            **sizes, n_embd=32, n_layer=2, n_head=4, n_positions=64, initializer_range=0.2
        ),
        "mamba": lambda: transformers.MambaConfig(
            **sizes, hidden_size=32, num_hidden_layers=2, state_size=8, max_position_embeddings=64
        ),
        "mistral": lambda: transformers.MistralConfig(**attention, sliding_window=24),
    }
    torch.manual_seed(7)
    return transformers.AutoModelForCausalLM.from_config(configs[name](), dtype=torch.float32)


def tiny_tokenizer() -> Any:
    from tokenizers import ByteLevelBPETokenizer

    bpe = ByteLevelBPETokenizer()
    bpe.train_from_iterator([TEXT], vocab_size=300, special_tokens=["<s>", "</s>"], min_frequency=1)
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=bpe._tokenizer, bos_token="<s>", eos_token="</s>"
    )


def answers(batches: Iterator[list[tuple[int, Response]]]) -> list[Response]:
    pairs = [pair for batch in batches for pair in batch]
    assert len(dict(pairs)) == len(pairs), "a request was answered twice"
    return [dict(pairs)[number] for number in range(len(pairs))]


def harness(folder: Path) -> Any:
    models = pytest.importorskip("lm_eval.models.huggingface")
    return models.HFLM(str(folder), device="cpu", dtype="float32", batch_size=3)


def by_harness(model: Any, kind: str, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
    from lm_eval.api.instance import Instance

    instances = [Instance(kind, {}, values, i) for i, values in enumerate(arguments)]
    return list(getattr(model, kind)(instances, disable_tqdm=True))


def pairs(texts: Sequence[tuple[str, str]]) -> list[Request]:
    return [Request("loglikelihood", prompt, continuation) for prompt, continuation in texts]


HEADER = TEXT[:60] + "\n\n"
CHOICES = (" the sky", " the sky is", " the sky is blue", " a dog", " green")
WORKLOADS = {
    "choices of some tokens": [
        (f"The {w} said:", c) for w in ("dog", "tree", "little dog and the") for c in CHOICES
    ],
    "choices of one token": [(f"Q: {w}\nA:", f" {c}") for w in ("one", "another") for c in "ABCD"],
    "a common header": [(HEADER + f"Q: {i}", c) for i in range(9) for c in (" t", " th", " blue")],
    "an empty context": [("", " the dog"), ("", "green"), ("", "<s> blue")],
    "whitespace after the context": [("the dog \n\n", " sky"), ("the tree ", "blue")],
    "a context that is too long": [(TEXT * 3, c) for c in CHOICES],
    "BOS written out": [("<s>the dog", " sky"), ("<s>the dog", " is blue")],
    "texts asked twice": [("the", " sky"), ("the", " sky"), ("a", " sky")],
}


@pytest.mark.parity
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_scores_are_those_of_lm_eval(folders: Callable[[str], Path], architecture: str) -> None:
    texts = [text for workload in WORKLOADS.values() for text in workload]
    expected = by_harness(harness(folders(architecture)), "loglikelihood", texts)
    got = answers(ask(HFBackend(str(folders(architecture)), device="cpu"), pairs(texts)))
    assert [a.logprob for a in got] == pytest.approx([logprob for logprob, _ in expected], abs=1e-4)
    assert [a.is_greedy for a in got] == [greedy for _, greedy in expected]


@pytest.mark.parity
@pytest.mark.skipif(not STORIES.is_dir(), reason="needs the stories260k model beside the repository")
@pytest.mark.parametrize("workload", WORKLOADS)
def test_scores_of_a_trained_model_are_those_of_lm_eval(workload: str, stories: Any) -> None:
    model, backend = stories
    expected = by_harness(model, "loglikelihood", WORKLOADS[workload])
    got = answers(ask(backend, pairs(WORKLOADS[workload])))
    assert [a.logprob for a in got] == pytest.approx([logprob for logprob, _ in expected], abs=1e-4)
    assert [a.is_greedy for a in got] == [greedy for _, greedy in expected]


@pytest.fixture(scope="module")
def stories() -> Any:
    return harness(STORIES), HFBackend(str(STORIES), device="cpu")


@pytest.mark.skipif(not STORIES.is_dir(), reason="needs the stories260k model beside the repository")
def test_what_the_model_writes_is_greedy_and_nothing_else_is(stories: Any) -> None:
    _, backend = stories
    (written,) = answers(
        ask(backend, [Request("generate_until", "Once upon", generation={"max_gen_toks": 8})])
    )
    asked = answers(ask(backend, pairs([("Once upon", f" {written.text}"), ("Once upon", " blue")])))
    assert [a.is_greedy for a in asked] == [True, False]


@pytest.mark.parity
def test_one_text_split_at_two_points_scores_as_each_alone(folders: Callable[[str], Path]) -> None:
    texts = [("the dog", " said: the sky"), ("the dog said: the", " sky"), ("the dog said:", " the sky")]
    model = harness(folders("llama"))
    alone = [by_harness(model, "loglikelihood", [text])[0][0] for text in texts]
    got = answers(ask(HFBackend(str(folders("llama")), device="cpu"), pairs(texts)))
    assert [a.logprob for a in got] == pytest.approx(alone, abs=1e-4)


@pytest.mark.parity
@pytest.mark.parametrize("architecture", ["llama", "gpt2", "mamba"])
def test_rolling_scores_are_those_of_lm_eval(folders: Callable[[str], Path], architecture: str) -> None:
    # No text repeats itself: lm-eval takes windows that read the same tokens for one, with one split.
    long = " ".join(f"{number} {word}" for number, word in enumerate(TEXT.split() * 3))
    texts = [long, "the sky", "", TEXT[:9], "<s>" + TEXT * 2]
    expected = by_harness(
        harness(folders(architecture)), "loglikelihood_rolling", [(text,) for text in texts]
    )
    backend = HFBackend(str(folders(architecture)), device="cpu")
    got = answers(ask(backend, [Request("loglikelihood_rolling", text) for text in texts]))
    assert [a.logprob for a in got] == pytest.approx(expected, abs=1e-3, rel=1e-6)
    assert got[2].logprob == 0.0


def test_a_context_of_whitespace_only_is_part_of_the_continuation(folders: Callable[[str], Path]) -> None:
    backend = HFBackend(str(folders("llama")), device="cpu")
    blank, empty = answers(ask(backend, pairs([("\n", "blue"), ("", "\nblue")])))
    assert blank.logprob == pytest.approx(empty.logprob, abs=1e-6)


def test_what_cannot_be_asked_fails_alone(folders: Callable[[str], Path]) -> None:
    texts = [("the dog", " sky"), ("the dog", TEXT * 4), ("the dog", ""), ("the dog", " is blue")]
    got = answers(ask(HFBackend(str(folders("llama")), device="cpu"), pairs(texts)))
    assert [a.status for a in got] == ["answer", "failed", "failed", "answer"]
    assert "max_length of 64" in str(got[1].error)
    assert "no token" in str(got[2].error)


@pytest.mark.parametrize("batch_size", [1, 2, 100, "auto"])
def test_the_batch_size_does_not_change_scores(folders: Callable[[str], Path], batch_size: Any) -> None:
    texts = [text for workload in WORKLOADS.values() for text in workload]
    usual = answers(ask(HFBackend(str(folders("llama")), device="cpu"), pairs(texts)))
    backend = HFBackend(str(folders("llama")), device="cpu", batch_size=batch_size)
    got = answers(ask(backend, pairs(texts)))
    assert [a.logprob for a in got] == pytest.approx([a.logprob for a in usual], abs=1e-4)


@pytest.mark.parametrize("fits", [1, 3])
def test_a_batch_that_runs_out_of_memory_is_halved(folders: Callable[[str], Path], fits: int) -> None:
    texts = [(f"The {word} said:", " the sky") for word in TEXT.split()]
    usual = answers(ask(HFBackend(str(folders("llama")), device="cpu"), pairs(texts)))
    backend = HFBackend(str(folders("llama")), device="cpu")
    sizes = with_memory_for(backend.model, fits)
    got = answers(ask(backend, pairs(texts)))
    assert [a.logprob for a in got] == pytest.approx([a.logprob for a in usual], abs=1e-4)
    assert sum(size > fits for size in sizes) <= 4, "a batch is halved, and those after it begin as small"


def test_a_request_that_never_fits_is_an_error_with_a_way_out(folders: Callable[[str], Path]) -> None:
    backend = HFBackend(str(folders("llama")), device="cpu")
    with_memory_for(backend.model, 0)
    with pytest.raises(BackendError, match="shorter max_length"):
        answers(ask(backend, pairs([("the", " dog"), ("a", " dog")])))


def test_another_error_is_not_taken_for_want_of_memory() -> None:
    def ask(items: Sequence[int]) -> list[int]:
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        list(Batches[int](lambda items: True).answers([1, 2], ask))


def with_memory_for(model: Any, rows: int) -> list[int]:
    """Let the model run out of memory above that many rows; returns the sizes it was asked for."""
    sizes: list[int] = []

    def forward(module: Any, arguments: Any, inputs: dict[str, Any]) -> None:
        sizes.append(len(inputs["input_ids"]))
        if sizes[-1] > rows:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    model.register_forward_pre_hook(forward, with_kwargs=True)
    return sizes


def test_choices_and_headers_are_read_once(folders: Callable[[str], Path]) -> None:
    texts = WORKLOADS["a common header"]
    backend = HFBackend(str(folders("llama")), device="cpu")
    backend._loglikelihoods.way_for(64)  # tries how it can be asked
    read: list[int] = []
    backend.model.register_forward_pre_hook(
        lambda module, arguments, inputs: read.append(inputs["input_ids"].numel()), with_kwargs=True
    )
    asked = answers(ask(backend, pairs(texts)))
    assert sum(read) < sum(a.tokens_in for a in asked) / 5


@pytest.mark.parity
def test_an_adapter_changes_scores_as_in_lm_eval(folders: Callable[[str], Path], tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    models = pytest.importorskip("lm_eval.models.huggingface")
    torch.manual_seed(3)
    lora = peft.LoraConfig(r=4, target_modules=["q_proj"], init_lora_weights=False, task_type="CAUSAL_LM")
    base = transformers.AutoModelForCausalLM.from_pretrained(folders("llama"))
    peft.get_peft_model(base, lora).save_pretrained(tmp_path)
    texts = WORKLOADS["a common header"]
    model = models.HFLM(str(folders("llama")), peft=str(tmp_path), device="cpu", dtype="float32")
    expected = by_harness(model, "loglikelihood", texts)
    got = answers(ask(HFBackend(str(folders("llama")), device="cpu", peft=str(tmp_path)), pairs(texts)))
    plain = answers(ask(HFBackend(str(folders("llama")), device="cpu"), pairs(texts)))
    assert [a.logprob for a in got] == pytest.approx([logprob for logprob, _ in expected], abs=1e-4)
    assert [a.logprob for a in got] != pytest.approx([a.logprob for a in plain], abs=1e-2)


def test_models_share_where_they_say_they_can(folders: Callable[[str], Path]) -> None:
    windows = {
        name: sharing_window(HFBackend(str(folders(name)), device="cpu").model) for name in ARCHITECTURES
    }
    assert windows["mamba"] == 0
    assert windows["mistral"] == 24
    assert min(windows["llama"], windows["gpt2"]) > 10**6


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_the_attention_kernel_does_not_change_scores(folders: Callable[[str], Path], attention: str) -> None:
    texts = WORKLOADS["a common header"]
    usual = answers(ask(HFBackend(str(folders("llama")), device="cpu"), pairs(texts)))
    backend = HFBackend(str(folders("llama")), device="cpu", attn_implementation=attention)
    got = answers(ask(backend, pairs(texts)))
    assert [a.logprob for a in got] == pytest.approx([a.logprob for a in usual], abs=1e-4)


def test_continuations_that_begin_alike_share_nodes() -> None:
    queries = [Query((1, 2, 3), c) for c in ((4, 5, 6), (4, 5, 7), (4, 8, 9), (4,))]
    (row,) = rows_of(enumerate(queries), share=True)
    assert row.tokens == [4, 5, 8]
    assert row.parents == [0, 1, 1]
    assert row.ancestors().tolist() == [[True, False, False], [True, True, False], [True, False, True]]


def test_a_short_context_does_not_gather_all_continuations() -> None:
    queries = [Query((1,), (i, i, i)) for i in range(100)]
    assert max(row.width for row in rows_of(enumerate(queries), share=True)) <= 5
