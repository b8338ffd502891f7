"""Which models can be asked: decoders, whatever their files are; encoder-decoders are refused unread."""

import json
from pathlib import Path
from typing import Any

import pytest

from backends.errors import BackendError
from backends.hf.backend import HFBackend
from backends.model_files.position_table import table_limit
from backends.model_string import ModelSpec
from backends.protocol import ask
from backends.registry import BackendContext, open_backend
from backends.requests import Request
from tests.support.packages import needed
from tests.support.paths import STORIES

needed("torch", "transformers")

SMALL = {"vocab_size": 512, "d_model": 16, "encoder_layers": 1, "decoder_layers": 1}
HEADS = {
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 16,
    "decoder_ffn_dim": 16,
}


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def write_config(folder: Path, **config: Any) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize(
    "config",
    [
        {"model_type": "bart", "is_encoder_decoder": True, "architectures": ["BartForConditionalGeneration"]},
        {"model_type": "bart", "is_encoder_decoder": True, "architectures": ["BartModel"]},
        {"model_type": "marian", "is_encoder_decoder": True, "architectures": ["MarianMTModel"]},
        {"model_type": "t5", "is_encoder_decoder": True},
        {
            "model_type": "encoder-decoder",
            "is_encoder_decoder": True,
            "architectures": ["EncoderDecoderModel"],
        },
        {"model_type": "vlm", "text_config": {"model_type": "t5", "is_encoder_decoder": True}},
    ],
)
@pytest.mark.parametrize("backend", ["hf", "vllm-server"])
def test_an_encoder_decoder_is_refused_before_anything_of_it_is_read(
    tmp_path: Path, config: dict[str, Any], backend: str
) -> None:
    folder = write_config(tmp_path / "model", **config)
    with pytest.raises(BackendError, match=r"an encoder-decoder .*, which cannot be asked yet") as raised:
        _ = open_backend(ModelSpec.parse(f"{backend}:{folder}"), BackendContext(home=tmp_path)).fingerprint
    assert str(folder) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_an_encoder_decoder_by_its_class_alone_is_refused_before_its_weights_are_read(tmp_path: Path) -> None:
    folder = write_config(tmp_path / "model", model_type="t5")
    with pytest.raises(BackendError, match=r"an encoder-decoder \(t5\)"):
        HFBackend(str(folder), device="cpu").model  # noqa: B018


@pytest.mark.parametrize("without", ["", "lm_head.weight", "embed_tokens.weight"])
def test_a_decoder_in_one_bin_file_is_loaded_also_without_a_name_of_what_is_tied(
    tmp_path: Path, without: str
) -> None:
    import torch
    from transformers import BartConfig, BartForCausalLM, OPTConfig, OPTForCausalLM

    bart = BartForCausalLM(BartConfig(**SMALL, **HEADS))
    opt = OPTForCausalLM(
        OPTConfig(
            vocab_size=512,
            hidden_size=16,
            word_embed_proj_dim=16,
            ffn_dim=16,
            num_hidden_layers=1,
            num_attention_heads=2,
        )
    )
    for made in (bart, opt):
        folder = tmp_path / type(made).__name__
        made.config.architectures = [type(made).__name__]
        made.config.save_pretrained(folder)
        kept = {
            name: value.clone()
            for name, value in made.state_dict().items()
            if not (without and name.endswith(without))
        }
        torch.save(kept, folder / "pytorch_model.bin")
        loaded = HFBackend(str(folder), dtype="float32", device="cpu").model
        expected = made.get_output_embeddings().weight
        assert torch.equal(loaded.get_output_embeddings().weight, expected)
        assert torch.equal(loaded.get_input_embeddings().weight, expected)


@pytest.mark.skipif(not STORIES.is_dir(), reason="needs the stories260k model beside the repository")
def test_a_model_without_a_language_models_head_is_called_what_it_is(tmp_path: Path) -> None:
    from transformers import AutoConfig, LlamaForSequenceClassification

    config = AutoConfig.from_pretrained(STORIES, tie_word_embeddings=False)
    LlamaForSequenceClassification(config).save_pretrained(tmp_path)
    with pytest.raises(BackendError, match=r"lack 1 tensors .* of a LlamaForSequenceClassification \(config"):
        HFBackend(str(tmp_path), device="cpu").model  # noqa: B018


@pytest.mark.skipif(not STORIES.is_dir(), reason="needs the stories260k model beside the repository")
def test_a_length_beyond_the_models_positions_is_refused_unread(tmp_path: Path) -> None:
    from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel

    config = GPT2Config(vocab_size=512, n_embd=16, n_layer=1, n_head=2, n_positions=64)
    GPT2LMHeadModel(config).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(STORIES).save_pretrained(tmp_path)
    with pytest.raises(BackendError, match=r"max_length=65, but the model has positions for 64 tokens"):
        HFBackend(str(tmp_path), max_length=65).load(())
    assert HFBackend(str(tmp_path), max_length=64).describe()["max_length"] == 64
    assert HFBackend(str(STORIES), max_length=4096).describe()["max_length"] == 4096  # computed for any


def test_where_padding_comes_first_in_a_table_of_positions_it_reaches_less_far() -> None:
    from transformers import OPTConfig, OPTForCausalLM, RobertaConfig, RobertaForCausalLM

    own: dict[str, Any] = {
        "vocab_size": 512,
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }
    roberta = RobertaForCausalLM(RobertaConfig(**own, max_position_embeddings=66))
    opt = OPTForCausalLM(OPTConfig(**own, word_embed_proj_dim=16, ffn_dim=16, max_position_embeddings=64))
    assert table_limit(roberta, 66) == table_limit(opt, 64) == 64


@pytest.mark.parametrize(
    "request_",
    [
        Request("generate_until", "Lily <tool> went to the"),
        Request("loglikelihood", "Lily", " <tool>"),
        Request("loglikelihood_rolling", "A <end>"),
    ],
)
@pytest.mark.skipif(not STORIES.is_dir(), reason="needs the stories260k model beside the repository")
def test_a_token_that_the_model_has_no_embedding_of_is_named_before_it_is_asked(request_: Request) -> None:
    backend = HFBackend(str(STORIES), device="cpu")
    backend.tokenizer.add_tokens(["<tool>", "<end>"])
    with pytest.raises(BackendError, match=r"has 514 tokens, the model 512 embeddings, and .* \(51[23]\)"):
        list(ask(backend, [request_]))


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """A whole adapter of the tiny model."""
    peft = pytest.importorskip("peft")
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(STORIES)
    made = peft.get_peft_model(base, peft.LoraConfig(r=2, target_modules=["q_proj"]))
    made.save_pretrained(tmp_path / "adapter")
    return tmp_path / "adapter"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            "less",
            r"the adapter lacks 1 tensors, .*q_proj.*: it is not whole, or was trained on another model",
        ),
        ("more", r"2 tensors of the adapter have no place in the model, .*layers\.9\."),
        (
            "other",
            r"size mismatch for .*embed_tokens.* shape in current .* more\); it was trained with",
        ),
    ],
)
@pytest.mark.skipif(not STORIES.is_dir(), reason="needs the stories260k model beside the repository")
def test_an_adapter_that_does_not_fit_is_refused_with_the_reason(
    adapter: Path, change: str, said: str
) -> None:
    from safetensors.torch import load_file, save_file

    file = adapter / "adapter_model.safetensors"
    HFBackend(str(STORIES), device="cpu", peft=str(adapter)).model  # noqa: B018 - which fits
    weights = load_file(file)
    first = min(weights)
    match change:
        case "less":
            del weights[first]
        case "more":
            other = {name: value for name, value in weights.items() if "layers.0." in name}
            weights |= {name.replace("layers.0", "layers.9"): value.clone() for name, value in other.items()}
        case "other":
            weights = trained_with_more_tokens(adapter)
    save_file(weights, file)
    with pytest.raises(BackendError, match=said) as raised:
        HFBackend(str(STORIES), device="cpu", peft=str(adapter)).model  # noqa: B018
    assert "\n" not in str(raised.value)


def trained_with_more_tokens(folder: Path) -> dict[str, Any]:
    """The weights of an adapter with embeddings of its own, whose configuration goes into the folder."""
    import peft
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(STORIES)
    base.resize_token_embeddings(514)
    own = peft.LoraConfig(r=2, target_modules=["q_proj"], modules_to_save=["embed_tokens", "lm_head"])
    peft.get_peft_model(base, own).save_pretrained(folder)
    weights: dict[str, Any] = load_file(folder / "adapter_model.safetensors")
    return weights
