"""Which proxy leads to an address, by the variables of the environment that other programs heed, too."""

from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from backends.errors import BackendError

_KNOWN = ("http", "https")


def proxy_for(address: str) -> str | None:
    """That of HTTPS_PROXY or HTTP_PROXY, else of ALL_PROXY; None where there is none, or NO_PROXY names the
    host. Raises BackendError for a proxy that does not speak HTTP."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    if proxy_bypass(host if parts.port is None else f"{host}:{parts.port}"):
        return None
    found = getproxies()
    proxy = found.get(parts.scheme) or found.get("all")
    if not proxy:
        return None
    scheme, separator, rest = proxy.partition("://")
    if not separator:
        return f"http://{proxy}"
    if scheme.lower() not in _KNOWN:
        # Without what stands before it, which may be a password.
        where = f"{scheme}://{rest.rpartition('@')[2]}"
        raise BackendError(
            f"{address}: the proxy of the environment, {where}, is none of HTTP: name one that is in "
            f"{parts.scheme.upper()}_PROXY, or the host in NO_PROXY"
        )
    return proxy
