"""Keys by reference: `env:VARIABLE` names a variable of the environment, `secret:NAME` a secret of the run's.

Values are read when a model is opened, and are in nothing but its headers. Where secrets are kept is for the
floor above to know: it gives a function to `open_backend`, which is the current one while a model is opened.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from backends.errors import BackendError
from backends.keys import REFERENCES

# Gives the value of a secret by its name; raises BackendError where there is none.
Secrets = Callable[[str], str]
_VARIABLE, _SECRET = REFERENCES


def no_secrets(name: str) -> str:
    """Where nobody said where secrets are kept. Raises BackendError."""
    raise BackendError(f"there are no secrets here; name a variable that has the key, as {_VARIABLE}VARIABLE")


_secrets: ContextVar[Secrets] = ContextVar("secrets", default=no_secrets)


@contextmanager
def secrets_from(secrets: Secrets) -> Iterator[None]:
    """Within the block, `secret:NAME` is what `secrets` gives for it."""
    token = _secrets.set(secrets)
    try:
        yield
    finally:
        _secrets.reset(token)


def is_reference(value: str) -> bool:
    return value.startswith(REFERENCES)


def looked_up(reference: str, where: str) -> str:
    """The value that a reference names. Raises BackendError, which begins with `where`, if there is none."""
    kind, colon, name = reference.partition(":")
    if kind + colon == _VARIABLE:
        value = os.environ.get(name, "").strip()
        missing = f"the environment variable {name} is not set"
    else:
        try:
            value = _secrets.get()(name).strip()
        except BackendError as error:
            raise BackendError(f"{where}: {reference}: {error}") from error
        missing = f"{reference} is empty"
    if not value:
        raise BackendError(f"{where}: {missing}")
    return value
