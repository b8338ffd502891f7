"""Causal architectures of transformers that can be made tiny give the numbers of plain forward passes."""

from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from transformers import AutoTokenizer

from tests.backends.hf.architectures import Outcome, outcomes
from tests.support.paths import STORIES

# Fewer than that mean that making them tiny has broken, and not that all is well.
AT_LEAST = 155


def table(found: dict[str, Outcome]) -> str:
    rows = [f"{name:26}{one.kind:11}{one.why}" for name, one in sorted(found.items())]
    return "\n".join([*rows, str(dict(Counter(one.kind for one in found.values())))])


@pytest.mark.slow
@pytest.mark.skipif(not STORIES.is_dir(), reason="needs the tokenizer of stories260k beside the repository")
def test_all_that_can_be_made_tiny_agree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Log-likelihoods and greedy texts, batched and shared; the table is printed (docs/local-models.md)."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    found = dict(outcomes(AutoTokenizer.from_pretrained(STORIES), tmp_path))
    with capsys.disabled():
        print("\n" + table(found))
    assert not {name: one.why for name, one in found.items() if one.kind == "differs"}
    assert sum(one.kind == "agrees" for one in found.values()) >= AT_LEAST
