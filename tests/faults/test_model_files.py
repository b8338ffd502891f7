"""What a model of files is: another weight, dtype or special token is never answered for by the old one."""

import shutil
from pathlib import Path

import pytest

from tests.support.lab import Lab
from tests.support.packages import needed

needed("torch", "transformers")
TEMPLATE = "{{ bos_token }}{% for message in messages %}{{ message.content }}{% endfor %}"


def make_model(folder: Path, seed: int) -> Path:
    """A Llama of a few thousand random weights that reads words."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    said = ["Question", ":", "?", "Answer", "yes", "no", "facts", "0", "1", "2"]
    words = ["<unk>", "<s>", "</s>", "[s]", *said]
    vocabulary = models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>")
    tokenizer = Tokenizer(vocabulary)
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    )
    fast.chat_template = TEMPLATE
    fast.save_pretrained(folder)
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(words),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=64,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("models") / "original", seed=1)


@pytest.fixture
def model(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "model"))


def asked(lab: Lab, model: Path | str, **keys: object) -> tuple[int, list[object]]:
    """How many requests a run asks, and what was answered."""
    result = lab.evaluate("facts", f"hf:{model}", **keys)
    assert result.failures == {}
    return result.results["assay"]["requests_asked"], list(result.samples("facts")["resps"])


def test_a_changed_weight_file_is_asked_anew(lab: Lab, model: Path, tmp_path: Path) -> None:
    lab.add_choices("facts", 3)
    count, before = asked(lab, model)
    assert (count, asked(lab, model)) == (6, (0, before))
    other = make_model(tmp_path / "other", seed=2)
    shutil.copy(other / "model.safetensors", model / "model.safetensors")
    count, after = asked(lab, model)
    assert count == 6
    assert after != before
    assert asked(lab, other) == (0, after), "the same files elsewhere are the same model"


def test_another_dtype_is_asked_anew(lab: Lab, model: Path) -> None:
    lab.add_choices("facts", 3)
    count, before = asked(lab, f"{model}?dtype=float32")
    count_16, after = asked(lab, f"{model}?dtype=bfloat16")
    assert (count, count_16) == (6, 6)
    assert after != before
    assert asked(lab, f"{model}?dtype=float32") == (0, before)


def test_the_same_chat_template_with_another_special_token_makes_another_prompt(
    lab: Lab, model: Path
) -> None:
    lab.add_choices("facts", 3)
    result = lab.evaluate("facts", f"hf:{model}", apply_chat_template=True)
    assert result.samples("facts")["arguments"][0][0][0].startswith("<s>")
    tokenizer = model / "tokenizer_config.json"
    tokenizer.write_text(tokenizer.read_text().replace('"bos_token": "<s>"', '"bos_token": "[s]"'))
    result = lab.evaluate("facts", f"hf:{model}", apply_chat_template=True)
    assert result.samples("facts")["arguments"][0][0][0].startswith("[s]")
    assert result.results["assay"]["requests_asked"] == 6


def test_the_batch_size_changes_no_answer(lab: Lab, model: Path) -> None:
    lab.add_choices("facts", 3)
    _, before = asked(lab, model, batch_size=1)
    assert asked(lab, model, batch_size=3) == (0, before)
