"""A key, in every test of batches."""

import pytest

from tests.backends.batches.asking import (
    KEY,
)


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
