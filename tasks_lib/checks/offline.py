"""A process without a network, which remembers whom it would have asked."""

import os
import sys
from typing import Any

_OFFLINE = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_EVALUATE_OFFLINE", "TRANSFORMERS_OFFLINE")


def go_offline() -> list[str]:
    """Cut this process off for as long as it lives: connections by Python's sockets fail with an OSError.

    The list that comes back grows by a host's name or address with each attempt. Libraries of Hugging Face
    that are not imported yet are told, so that they do not try again and again.
    """
    os.environ.update(dict.fromkeys(_OFFLINE, "1"))
    asked: list[str] = []

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "socket.getaddrinfo":
            host = arguments[0]
        elif event == "socket.connect" and isinstance(arguments[1], tuple):
            host = arguments[1][0]
        else:
            return
        asked.append(host.decode() if isinstance(host, bytes) else str(host))
        raise ConnectionError(f"no network: {asked[-1]} was asked for")

    sys.addaudithook(refuse)
    return asked
