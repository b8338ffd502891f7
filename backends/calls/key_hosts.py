"""Where a key may go: one of the usual variables to its provider's own hosts, a named one where it is
said.
"""

from ipaddress import ip_address
from urllib.parse import urlsplit

from backends.calls.proxies import proxy_for

# Each with all below it, such as the regions of a provider (`eu.api.openai.com`).
PROVIDERS_HOSTS = {
    "OPENAI_API_KEY": ("api.openai.com",),
    "ANTHROPIC_API_KEY": ("api.anthropic.com",),
    "AZURE_OPENAI_API_KEY": (
        *("openai.azure.com", "cognitiveservices.azure.com", "services.ai.azure.com"),
        *("openai.azure.us", "openai.azure.cn"),
    ),
    "HF_TOKEN": ("huggingface.co", "endpoints.huggingface.cloud"),
    # Of a server of one's own.
    "SGLANG_API_KEY": ("localhost", "127.0.0.1", "::1"),
}


def is_providers_own(address: str, variable: str) -> bool:
    """Whether an address is of the provider whose keys are in the variable of the environment."""
    parts = urlsplit(address)
    host = (parts.hostname or "").rstrip(".")
    is_safe = parts.scheme == "https" or is_loopback(host)
    own = PROVIDERS_HOSTS.get(variable, ())
    return is_safe and any(host == one or host.endswith(f".{one}") for one in own)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, whatever the network says."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def goes_in_the_open(address: str) -> bool:
    """Whether others on the way can read what is sent to an address."""
    parts = urlsplit(address)
    is_here = is_loopback(parts.hostname or "") and not proxy_for(address)
    return parts.scheme == "http" and not is_here
