"""Which sandbox programs run in: the one that was asked for, or the first that proves itself here."""

import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal

from metrics.errors import MetricError
from metrics.sandbox import proof
from metrics.sandbox.bubblewrap import Bubblewrap
from metrics.sandbox.docker import CLIENTS, IMAGE, Docker
from metrics.sandbox.interpreter import own_interpreter, system_interpreter
from metrics.sandbox.program import Sandbox
from metrics.sandbox.system_calls import FILTER
from metrics.sandbox.unconfined import Unconfined

Choice = Literal["auto", "bwrap", "docker", "none"]
# An image with another Python, or with packages that programs may import.
IMAGE_VARIABLE = "ASSAY_SANDBOX_IMAGE"
WAY_OUT = (
    "install bubblewrap (apt install bubblewrap), or start Docker or Podman; without a sandbox, such "
    "programs run with --allow-unsafe-code alone"
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The sandbox that somebody wants for a model's programs. allows_none: whether it may be none."""

    choice: Choice = "auto"
    allows_none: bool = False

    def found(self) -> Sandbox:
        """The sandbox that there is. Raises MetricError."""
        return sandbox_of(self.choice, allows_none=self.allows_none)


# For code that no model has written.
NONE = Wanted("none", allows_none=True)


@cache
def sandbox_of(choice: Choice, *, allows_none: bool) -> Sandbox:
    """The sandbox for programs, proven in this process, or none where it may be none.

    Raises MetricError where there is none, or the one that was asked for does not hold; the message names the
    way out.
    """
    if choice == "none":
        if not allows_none:
            raise MetricError("--sandbox none runs a model's programs as you: it needs --allow-unsafe-code")
        return Unconfined("--sandbox none")
    reasons: list[str] = []
    for candidate in _candidates(choice, reasons):
        try:
            proof.check(candidate)
        except MetricError as error:
            reasons.append(str(error))
            continue
        return candidate
    if choice == "auto" and allows_none:
        return Unconfined("; ".join(reasons))
    raise MetricError(f"{'; '.join(reasons)}. {WAY_OUT}")


def _candidates(choice: Choice, reasons: list[str]) -> Iterator[Sandbox]:
    """The sandboxes that may be here; why others are not is added to the reasons."""
    if choice in ("auto", "bwrap"):
        yield from _bubblewraps(reasons)
    if choice in ("auto", "docker"):
        clients = [client for client in CLIENTS if shutil.which(client)]
        yield from (Docker(client, os.environ.get(IMAGE_VARIABLE) or IMAGE) for client in clients)
        if not clients:
            reasons.append("docker and podman are not installed")


def _bubblewraps(reasons: list[str]) -> Iterator[Bubblewrap]:
    if not shutil.which("bwrap"):
        reasons.append("bwrap is not installed")
    elif FILTER is None:
        reasons.append(f"bwrap: there is no filter of system calls for {platform.machine()}")
    else:
        is_root = os.getuid() == 0
        interpreters = dict.fromkeys((own_interpreter(), system_interpreter()))
        yield from (Bubblewrap(interpreter, is_root) for interpreter in interpreters)
