"""A webhook: somewhere a message is posted, as JSON, when somebody has to know."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import httpx

from backends.retrying import Patience, tried
from flows.common.errors import SpecError
from flows.prefect_api.retrying import is_away
from flows.prefect_api.secret_blocks import referenced

# In all a minute and a half at most, since a run's end waits for it.
PATIENCE = Patience(seconds=60.0, first=2.0, longest=15.0)
_TIMEOUT = 15.0  # seconds a call; a service that is well takes less than one


@dataclass(frozen=True, slots=True)
class Hook:
    """A webhook with its URL, which is a secret: services put their keys into it."""

    url: str

    @classmethod
    def find(cls, reference: str) -> "Hook":
        """The webhook that a suite names: a URL, `env:NAME` or `secret:BLOCK`. Raises SpecError."""
        kind = reference.partition(":")[0]
        match kind:
            case "http" | "https":
                url = reference
            case "env" | "secret":
                url = referenced(reference, "webhook")
            case _:
                raise SpecError(
                    f"webhook: {reference!r} is none of http(s)://..., env:NAME (a variable of the "
                    "environment) and secret:BLOCK (a Secret block of Prefect)"
                )
        if not _is_web(url):
            shown = reference if kind in ("env", "secret") else "it"
            raise SpecError(f"webhook: {shown} is no http:// or https:// URL")
        return cls(url)

    def post(self, message: Mapping[str, object]) -> None:
        """Post a message; tried again where the service is away. Raises httpx.HTTPError."""
        tried(partial(self._post, message), PATIENCE, is_away)

    @property
    def shown(self) -> str:
        """The webhook without what is secret in it."""
        return httpx.URL(self.url).host

    def _post(self, message: Mapping[str, object]) -> None:
        httpx.post(self.url, json=message, timeout=_TIMEOUT).raise_for_status()


def _is_web(url: str) -> bool:
    try:
        found = httpx.URL(url)
    except httpx.InvalidURL:
        return False
    return found.scheme in ("http", "https") and bool(found.host)
