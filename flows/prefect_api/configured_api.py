"""The Prefect API that the user has configured: whether anybody is there."""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from flows.common.errors import SpecError
from flows.prefect_api.prefect_home import prefect_home

if TYPE_CHECKING:
    import httpx

# A person waits for it; a server that is well takes a hundredth of this.
_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class ConfiguredApi:
    """url: an API's address. where: what it was read from."""

    url: str
    where: str

    @classmethod
    def find(cls) -> Self | None:
        """The one that the environment names, or a profile; Prefect is imported where there are any."""
        if url := os.environ.get("PREFECT_API_URL"):
            return cls(url, "the environment variable PREFECT_API_URL")
        if (prefect_home() / "profiles.toml").exists():
            return cls.of_settings()
        return None

    @classmethod
    def of_settings(cls) -> Self | None:
        """The one that Prefect's settings name, wherever they are from."""
        from prefect.context import get_settings_context
        from prefect.settings import PREFECT_API_URL

        if not (url := PREFECT_API_URL.value()):
            return None
        profile = get_settings_context().profile
        is_own = PREFECT_API_URL in profile.settings
        return cls(str(url), f"Prefect's profile {profile.name!r}" if is_own else "Prefect's settings")

    def check_answers(self) -> None:
        """Raise SpecError, within some seconds, where nobody answers; whatever is answered counts, since only
        Prefect knows how to introduce itself."""
        import httpx

        try:
            ask_health(self.url)
        except (httpx.InvalidURL, httpx.HTTPError) as error:
            reason = str(error) or type(error).__name__
            raise SpecError(
                f"PREFECT_API_URL: no Prefect server answers at {self.url} ({reason}), which {self.where} "
                "names; start it, or unset that for a server of the run's own"
            ) from error


def ask_health(url: str) -> "httpx.Response":
    """What a server says of its health. Raises httpx.HTTPError where it does not answer, or somebody before
    it says that it is away, and httpx.InvalidURL."""
    import httpx

    # Nothing is sent or believed but that somebody is there; Prefect's own client checks certificates.
    response = httpx.get(f"{url.rstrip('/')}/health", timeout=_SECONDS, verify=False)  # nosec B501  # as said
    return response.raise_for_status() if response.is_server_error else response
