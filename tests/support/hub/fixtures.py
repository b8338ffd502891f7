"""A Hub to publish to."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.hub.server import WRITES, Hub, serving


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A stand-in Hub that this process's client talks to, with a token that may write."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub_cache"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)  # a protocol of its own, with native code
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    monkeypatch.setenv("HF_TOKEN", WRITES)
    with serving() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server
