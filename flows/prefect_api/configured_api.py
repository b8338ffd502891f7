"""The Prefect API that the user has configured: whether anybody is there."""

from flows.common.errors import SpecError

# A person waits for it; a server that is well takes a hundredth of this.
_SECONDS = 5.0


def check_answers(url: str) -> None:
    """Raise SpecError, within some seconds, where nobody answers at the address; whatever is answered counts,
    since only Prefect knows how to introduce itself."""
    import httpx

    address = f"{url.rstrip('/')}/health"
    try:
        httpx.get(address, timeout=_SECONDS, verify=False)
    except (httpx.InvalidURL, httpx.TransportError) as error:
        reason = str(error) or type(error).__name__
        raise SpecError(
            f"PREFECT_API_URL: no Prefect server answers at {url} ({reason}); start it, or unset the "
            "variable for a server of the run's own"
        ) from error
