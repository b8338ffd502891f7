"""Backends on the stand-in server, each with an account and hence a gate of its own."""

import itertools
from pathlib import Path
from typing import Any

import pytest

from backends.endpoints.backend import EndpointBackend
from backends.model_string import ModelSpec
from backends.registry import BackendContext, open_backend
from tests.support.asking import QUICK, Open
from tests.support.endpoints.endpoint import Endpoint

_keys = itertools.count()


@pytest.fixture
def opened(endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Open:
    """Opens a model at the endpoint, with options as in a model string."""
    monkeypatch.setenv("STAND_IN_KEY", f"sk-of-test-{next(_keys):06}")

    def open_(kind: str = "openai-chat", name: str = "m", **options: Any) -> EndpointBackend:
        given = {"base_url": endpoint.url, "api_key_env": "STAND_IN_KEY", **QUICK, **options}
        spec = ModelSpec.parse(str(ModelSpec.parse({"backend": kind, "name": name, "options": given})))
        backend = open_backend(spec, BackendContext(home=tmp_path))
        assert isinstance(backend, EndpointBackend)
        return backend

    return open_
