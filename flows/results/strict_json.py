"""JSON of results without what JSON does not have: NaN and infinity.

In the file such a number is null, and `assay.not_numbers` says by its path what it would be; whoever reads
the file by this module gets the number.
"""

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from flows.common.json_object import JsonObject

_SECTION, _WORDS = "assay", "not_numbers"
_BY_WORD: Mapping[str, float] = {"NaN": math.nan, "infinite": math.inf, "negative infinite": -math.inf}
_BETWEEN = "/"  # of the keys of a path, in each of which it is written `~1`, and `~` `~0` (RFC 6901)


def strict(content: Mapping[str, Any]) -> JsonObject:
    """The content of `results.json` as it may be written."""
    words = dict(_no_numbers(content, ()))
    whole: JsonObject = without_nan(dict(content)) if words else dict(content)
    if not words:
        return whole
    return {**whole, _SECTION: {**whole.get(_SECTION, {}), _WORDS: words}}


def restored(content: JsonObject) -> JsonObject:
    """The content of a file that `strict` has made, with its numbers."""
    for path, word in content.get(_SECTION, {}).get(_WORDS, {}).items():
        *way, last = [part.replace("~1", "/").replace("~0", "~") for part in path.split(_BETWEEN)]
        place: Any = content
        for part in way:
            place = place[_key(place, part)]
        place[_key(place, last)] = _BY_WORD[word]
    return content


def without_nan(value: Any) -> Any:
    """A JSON value whose NaN and infinite numbers are null; what JSON does not know stays."""
    if isinstance(value, Mapping):
        return {key: without_nan(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(one) for one in value]
    return None if _is_no_number(value) else value


def dumps(value: Any, **how: Any) -> str:
    """JSON of any value, with null for what is no number."""
    try:
        return json.dumps(value, allow_nan=False, **how)
    except ValueError:
        plain = json.loads(json.dumps(value, **how), parse_constant=lambda _: None)
        return json.dumps(plain, **how)


def _no_numbers(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if _is_no_number(value):
        yield (
            _BETWEEN.join(path),
            next(word for word, one in _BY_WORD.items() if repr(one) == repr(float(value))),
        )
        return
    pairs = (
        value.items()
        if isinstance(value, Mapping)
        else enumerate(value)
        if isinstance(value, list | tuple)
        else ()
    )
    for key, one in pairs:
        yield from _no_numbers(one, (*path, str(key).replace("~", "~0").replace("/", "~1")))


def _is_no_number(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _key(place: object, part: str) -> str | int:
    return int(part) if isinstance(place, list) else part
