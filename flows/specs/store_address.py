"""Where the response store is, as a spec says it: a place, or where one is kept, as a secret."""

import re
from pathlib import Path

from backends.calls.secrets import is_reference
from backends.errors import BackendError
from backends.keys import check_place
from flows.prefect_api.secret_blocks import referenced

_WAY_OUT = (
    "a password does not belong there, where it would be kept and shown: use PGPASSWORD, ~/.pgpass, or "
    "--store env:NAME (a variable with the whole URL) or secret:NAME (a Secret block with it)"
)


def check_store(place: str) -> str:
    """The place, unless it holds a password. Raises ValueError."""
    try:
        check_place(place)
    except BackendError as error:
        raise ValueError(_WAY_OUT) from error
    if re.match(r"[a-z+0-9]+:[^/].*@", place):  # the address of a database with its slashes left out
        raise ValueError(_WAY_OUT)
    if "://" in place and "#" in place:
        raise ValueError("an address of a store has no part after '#'")
    return place


def store_place(place: str) -> str:
    """The place itself, or what a reference to it stands for. Raises SpecError where that is nothing."""
    return referenced(place, "--store") if is_reference(place) else place


def is_empty(place: str | Path) -> bool:
    """Whether there is a file with nothing in it."""
    path = Path(place).expanduser()
    return "://" not in str(place) and path.is_file() and path.stat().st_size == 0
