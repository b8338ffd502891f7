"""Texts become tokens by lm-eval's rules, but for an EOS that a tokenizer puts behind every text."""

import logging
from typing import Any

import pytest

transformers = pytest.importorskip("transformers")
pytest.importorskip("tokenizers")

from tokenizers import ByteLevelBPETokenizer  # noqa: E402
from tokenizers.processors import TemplateProcessing  # noqa: E402

from backends.model_files.tokenization import Query, Tokenization  # noqa: E402
from backends.requests import Request  # noqa: E402

BOS, EOS = 0, 1


def tokenizer(around: str) -> Any:
    """One that puts `around` (with `$A` for the text) around each text."""
    made = ByteLevelBPETokenizer()
    made.train_from_iterator(["the dog and the tree"], 270, special_tokens=["<s>", "</s>"])
    made._tokenizer.post_processor = TemplateProcessing(
        single=around, special_tokens=[("<s>", BOS), ("</s>", EOS)]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made._tokenizer, bos_token="<s>", eos_token="</s>", name_or_path="ending"
    )


def scored(prompt: str, continuation: str) -> Request:
    return Request("loglikelihood", prompt, continuation)


@pytest.mark.parametrize(("with_eos", "without"), [("<s> $A </s>", "<s> $A"), ("$A </s>", "$A")])
def test_an_eos_is_neither_between_context_and_continuation_nor_after_a_prompt(
    with_eos: str, without: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "assay")
    ending, usual = (Tokenization(tokenizer(around), 64) for around in (with_eos, without))
    texts = [scored("the dog", " and"), scored("the", " tree "), scored("", "dog"), scored("<s>the", " dog")]
    assert ending.queries(texts) == usual.queries(texts)
    prompts = ["the dog and", "the </s>", ""]
    assert ending.encode(prompts) == usual.encode(prompts)
    (said,) = caplog.messages
    assert "ending: the tokenizer ends each text with </s>" in said
    assert all(EOS not in one.continuation for one in ending.queries(texts) if isinstance(one, Query))


def test_a_whole_text_keeps_its_end(caplog: pytest.LogCaptureFixture) -> None:
    """As in lm-eval: that the text is over is part of it."""
    (window,) = Tokenization(tokenizer("<s> $A </s>"), 64).windows("the dog")
    assert window.continuation[-1] == EOS
    assert not caplog.messages
