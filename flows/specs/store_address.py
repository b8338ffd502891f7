"""Where the response store is, as a spec says it: a place, or where one is kept, as a secret."""

from urllib.parse import parse_qs, urlsplit

from backends.calls.secrets import is_reference
from flows.prefect_api.secret_blocks import referenced

_SECRETS = ("password", "sslpassword")
_WAY_OUT = (
    "a password does not belong there, where it would be kept and shown: use PGPASSWORD, ~/.pgpass, or "
    "--store env:NAME (a variable with the whole URL) or secret:NAME (a Secret block with it)"
)


def check_store(place: str) -> str:
    """The place, unless it holds a password. Raises ValueError."""
    parts = urlsplit(place)
    if parts.password is not None or any(name in parse_qs(parts.query) for name in _SECRETS):
        raise ValueError(_WAY_OUT)
    return place


def store_place(place: str) -> str:
    """The place itself, or what a reference to it stands for. Raises SpecError where that is nothing."""
    return referenced(place, "--store") if is_reference(place) else place
