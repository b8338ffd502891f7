"""Where the response store is, as a spec says it: a place, or the name of a variable that holds one."""

import os
from urllib.parse import parse_qs, urlsplit

from flows.errors import SpecError

_REFERENCE = "env:"
_SECRETS = ("password", "sslpassword")
_WAY_OUT = (
    "a password does not belong there, where it would be kept and shown: use PGPASSWORD, ~/.pgpass, or "
    "--store env:NAME of a variable with the whole URL"
)


def check_store(place: str) -> str:
    """The place, unless it holds a password. Raises ValueError."""
    parts = urlsplit(place)
    if parts.password is not None or any(name in parse_qs(parts.query) for name in _SECRETS):
        raise ValueError(_WAY_OUT)
    return place


def store_place(place: str) -> str:
    """The place itself, for `env:NAME` what the variable holds. Raises SpecError where there is none."""
    if not place.startswith(_REFERENCE):
        return place
    name = place.removeprefix(_REFERENCE)
    held = os.environ.get(name)
    if not held:
        raise SpecError(f"--store {place}: the environment has no variable {name}")
    return held
