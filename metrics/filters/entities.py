"""Entities and part-of-speech tags that models write as text; results as lm-eval's (0.4.13)."""

import re
from typing import Any

from metrics.errors import MetricError

LABELS = {
    "person": "PER",
    "people": "PER",
    "persons": "PER",
    "per": "PER",
    "location": "LOC",
    "counties": "LOC",
    "places": "LOC",
    "country": "LOC",
    "continent": "LOC",
    "loc": "LOC",
    "organization": "ORG",
    "company": "ORG",
    "org": "ORG",
    "time": "DATE",
    "date": "DATE",
}
_LABEL = re.compile(rf"\b({'|'.join(LABELS)})\s*:")
_LABELLED = re.compile(r"\b(PER|LOC|ORG|DATE):\s*([^$]+)")
_TAGGED_TOKEN = re.compile(r"\('([^']*)', '([^']*)'\)")


def listed_entities(text: str) -> str:
    """The entities of "Person: Ada $$ Places: Kent, none" as "per: ada $ loc: kent".

    Labels are mapped to per, loc, org and date; entities named "none" are left out.
    """
    labelled = _LABEL.sub(lambda match: f"{LABELS[match[1]]}:", text.lower())
    lines = labelled.replace("$$", "$").rstrip("$").replace("\n", "$").strip()
    entities = [
        (label.lower(), entity.strip())
        for label, values in _LABELLED.findall(lines)
        for entity in values.split(",")
    ]
    return " $ ".join(f"{label}: {entity}" for label, entity in entities if entity != "none")


def tags_of(response: Any) -> list[Any]:
    """The tags of "[('the', 'DET'), ('cat', 'NOUN')]", or of such pairs that are no text any more."""
    pairs = _TAGGED_TOKEN.findall(response) if isinstance(response, str) else response
    try:
        return [tag for _, tag in pairs]
    except (TypeError, ValueError) as error:
        raise MetricError(f"Filter 'regex_pos' needs (token, tag) pairs, not {response!r}.") from error
