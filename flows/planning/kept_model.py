"""The model of this machine that a process keeps between its runs, and whose turn it is to ask one.

It is kept by content: a run gets the one before only where it is the same model, opened in the same way, of
files that have not changed. A model behind an endpoint is opened by each run for itself.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from threading import Lock

from backends.endpoints.fallbacks import chained
from backends.identity import fingerprint_key
from backends.model_string import ModelSpec
from backends.protocol import Backend
from backends.registry import BackendContext, open_backend

Key = tuple[tuple[str, ...], BackendContext, str]

# Models of this machine share its memory and its random generators: one is asked at a time, whoever asks.
_turn = Lock()


class KeptModel:
    """The last model that was opened, with its weights if they were loaded."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._last: tuple[Key, Backend] | None = None

    def open(self, models: Sequence[str], context: BackendContext) -> Backend:
        """A model, or several that answer for one another."""
        opened = open_models(models, context)
        if opened.capabilities.offers:
            return opened
        key = (tuple(models), context, fingerprint_key(opened.fingerprint))
        with self._lock:
            if self._last is None or self._last[0] != key:
                self._last = (key, opened)
            return self._last[1]


KEPT_MODEL = KeptModel()


def open_models(models: Sequence[str], context: BackendContext) -> Backend:
    """A model, or several that answer for one another; not kept."""
    backends = [open_backend(ModelSpec.parse(model), context) for model in models]
    return backends[0] if len(backends) == 1 else chained(backends)


def turn(backend: Backend) -> AbstractContextManager[object]:
    """A block in which a model may be asked; waits while another of this machine is."""
    return _turn if backend.capabilities.shards_at_once == 1 else nullcontext()
