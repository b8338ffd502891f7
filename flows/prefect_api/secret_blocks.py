"""Secrets of a run, by what names them: `env:VARIABLE`, or the Prefect Secret block `secret:NAME`."""

from backends.calls.secrets import looked_up, secrets_from
from backends.errors import BackendError
from flows.common.errors import SpecError


def referenced(reference: str, where: str) -> str:
    """What a reference stands for. Raises SpecError, which begins with `where`, if that is nothing."""
    try:
        with secrets_from(block_secret):
            return looked_up(reference, where)
    except BackendError as error:
        raise SpecError(str(error)) from error


def block_secret(name: str) -> str:
    """The value of a Secret block, from the Prefect API in use. Raises BackendError where there is none."""
    from prefect.blocks.system import Secret
    from prefect.settings import PREFECT_API_URL

    if not PREFECT_API_URL.value():  # Prefect would start a server of its own, which has none
        raise BackendError(
            "Secret blocks are kept by a Prefect server: set PREFECT_API_URL, or use env:VARIABLE"
        )
    try:
        block = Secret.load(name)
    except ValueError as error:
        raise BackendError(f"Prefect's server has no Secret block {name!r}") from error
    return str(block.get())  # type: ignore[union-attr]
