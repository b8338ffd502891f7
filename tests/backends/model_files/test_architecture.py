"""Which models can be asked: decoders, whatever their files are; encoder-decoders are refused unread."""

import json
from pathlib import Path
from typing import Any

import pytest

from backends.errors import BackendError
from backends.hf.backend import HFBackend
from backends.model_string import ModelSpec
from backends.registry import BackendContext, open_backend
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
