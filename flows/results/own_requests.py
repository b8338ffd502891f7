"""Which rights and places the user of a home has given to runs himself.

A run's folder says how it was asked, and may be from anybody. What of it gives rights, or says what is read,
written or connected to, counts where this home has had a run with just that before; the folder may have been
moved since.
"""

import hashlib
import json
from collections.abc import Mapping

from flows.common.errors import SpecError
from flows.common.json_object import JsonObject
from flows.storage.home import Home

# What of a request may be taken from anybody's run: what was asked, and how it is scored.
OF_ANYBODY = frozenset(
    {
        "tasks",
        "limit",
        "samples",
        "num_fewshot",
        "seed",
        "apply_chat_template",
        "system_instruction",
        "gen_kwargs",
        "repeats",
        "end_of_thinking",
        "truncate",
        "min_coverage",
        "cluster",
        "ask_anew",
        "compat",
    }
)


def remember(home: Home, request: JsonObject) -> None:
    """Note that the home's user has asked so. Raises SpecError where the home cannot be written."""
    record = home.requests / _digest(request)
    try:
        record.parent.mkdir(parents=True, exist_ok=True)
        record.touch()
    except OSError as error:
        raise SpecError(f"cannot write {record}: {error.strerror or error}") from error


def is_own(home: Home, request: JsonObject) -> bool:
    """Whether the home's user has given a run the rights and places of this request."""
    return (home.requests / _digest(request)).exists()


def caution(folder: object, request: JsonObject) -> str:
    """What to know before a run's spec.yaml is run again; empty for what the user has asked before.

    folder: the run's, for the message.
    """
    if is_own(Home.from_environment(), request):
        return ""
    return (
        f"Read {folder}/spec.yaml first: this home did not write it, and it can trust task code "
        "and say where answers and keys go."
    )


def _digest(request: Mapping[str, object]) -> str:
    given = {key: value for key, value in request.items() if key not in OF_ANYBODY}
    return hashlib.sha256(json.dumps(given, sort_keys=True, default=str).encode()).hexdigest()
