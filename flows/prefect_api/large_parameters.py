"""Parameters of flow runs that are larger than Prefect's API takes: a file of the home folder in their place.

The run itself has its parameters from whoever calls it; Prefect's record of it is for people.
"""

import hashlib
import json
from functools import wraps
from typing import Any, TypeVar

from prefect import Flow

from flows.storage.files import write_text
from flows.storage.home import Home

AnyFlow = TypeVar("AnyFlow", bound=Flow[..., Any])

# Prefect's own limit of all parameters together is 512 KiB, or what its server's administrator says.
MOST_BYTES = 256 * 1024


def by_reference(flow: AnyFlow) -> AnyFlow:
    """The flow, whose parameters are recorded by reference where they are large."""
    serialize = flow.serialize_parameters

    @wraps(serialize)
    def referenced(parameters: dict[str, Any]) -> dict[str, Any]:
        return {name: small(value) for name, value in serialize(parameters).items()}

    flow.serialize_parameters = referenced  # type: ignore[method-assign]
    return flow


def small(value: Any) -> Any:
    """A parameter as JSON has it; where it is large, the name and digest of a file that has it."""
    text = json.dumps(value)
    if len(text) <= MOST_BYTES:
        return value
    digest = hashlib.sha256(text.encode()).hexdigest()
    file = Home.from_environment().parameters / f"{digest}.json"
    if not file.exists():
        write_text(file, text)
    return {"file": str(file), "sha256": digest, "bytes": len(text)}
