"""Who gave the stored answers of a model behind an endpoint: what it calls itself, and its configuration."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from backends.requests import Response

_LONGEST = 300


@dataclass(frozen=True, slots=True, order=True)
class Answerer:
    """asked: the model as `backend:name`. name: what it calls itself. system_fingerprint: the provider's name
    of the configuration that it ran with; empty where none is said."""

    asked: str
    name: str
    system_fingerprint: str = ""


def answerers_of(responses: Iterable[Response]) -> Counter[Answerer]:
    """How many of the responses each of them gave; those that say nothing of it are left out."""
    calls = (response.call for response in responses)
    return Counter(
        Answerer(call.asked, plain(call.model), plain(call.system_fingerprint))
        for call in calls
        if call and call.model
    )


def plain(text: str) -> str:
    """A name as any database takes it, and no longer than names are."""
    return text[:_LONGEST].encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")


def names(answerers: Iterable[Answerer]) -> Mapping[str, set[str]]:
    """What they call themselves, by the model that is asked."""
    found: dict[str, set[str]] = {}
    for one in answerers:
        found.setdefault(one.asked, set()).add(one.name)
    return found
