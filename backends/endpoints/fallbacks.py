"""Several models behind endpoints as one, in which each answers where those before it cannot."""

from collections.abc import Sequence

from backends.errors import BackendError
from backends.protocol import Backend


def chained(backends: Sequence[Backend]) -> Backend:
    """One backend of several. Raises BackendError for one that does not call an endpoint."""
    from backends.endpoints.backend import EndpointBackend
    from backends.endpoints.endpoint_model import Remote

    remotes: list[Remote] = []
    for backend in backends:
        if not isinstance(backend, EndpointBackend):
            name = backend.fingerprint["backend"]
            raise BackendError(f"{name}: only models behind endpoints can answer for one another by request")
        remotes += backend.remotes
    return EndpointBackend(*remotes)
