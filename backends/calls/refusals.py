"""What an endpoint means by an answer other than 2xx."""

import email.utils
import json
import re
from collections.abc import Mapping
from datetime import datetime
from math import inf
from typing import Any

from backends.calls.failure import FailureKind

# What is not here is `permanent` (4xx) or `transient` (5xx).
_KINDS: Mapping[int, FailureKind] = {
    401: "unauthorized",
    402: "unauthorized",
    403: "forbidden",
    408: "transient",
    409: "transient",
    425: "transient",
    429: "rate_limited",
}
# Codes that say more than their status: the account has nothing left, and waiting does not help.
_NO_CREDIT = frozenset(
    ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "billing_error")
)
# Anthropic says it with 400 and the code of any other bad request.
_NO_CREDIT_SAID = "credit balance is too low"
# What OpenAI says, with 429, of a prompt that is larger than all that an account may use in a minute.
_TOO_LARGE_SAID = "Request too large"
# Codes for a prompt that is not answered for what it says: what the model does with it, as when it declines
# in words. Of OpenAI and Azure, of Alibaba, of Zhipu; in lower case, and without what parts their words.
CONTENT_FILTER = "content_filter"
_DECLINED = frozenset(
    (
        "contentfilter",
        "contentpolicyviolation",
        "invalidprompt",
        "responsibleaipolicyviolation",
        "datainspectionfailed",
        "1301",
    )
)
# DeepSeek says it with the code of any other bad request.
_DECLINED_SAID = "Content Exists Risk"
_NO_WORD = re.compile(r"[^a-z0-9]")
_TITLE = re.compile(r"<title>(.*?)</title>", re.IGNORECASE | re.DOTALL)
# An endpoint that names a longer wait is asked again after this one.
_LONGEST_WAIT = 3600.0
# Where it says only when its window ends. With `-requests` or `-tokens` after it, it is when all of it is
# there again, which is later than when there is some.
_RESETS = ("x-ratelimit-reset", "ratelimit-reset")
# A larger number of seconds is a time since 1970, and a thousand times that one in milliseconds.
_EPOCH = 1e9
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")
_UNITS = (86400, 3600, 60, 1, 0.001)


def failure_kind(status: int, code: str = "", message: str = "") -> FailureKind:
    """The kind of failure that an HTTP status, with the error's own code and message, stands for."""
    if code in _NO_CREDIT or _NO_CREDIT_SAID in message:
        return "unauthorized"
    if status == 429 and message.startswith(_TOO_LARGE_SAID):
        return "permanent"
    return _KINDS.get(status, "transient" if status >= 500 else "permanent")


def is_declined(code: str, message: str = "") -> bool:
    """Whether a refusal's code and message say that the prompt is not answered for what it says."""
    return _NO_WORD.sub("", code.lower()) in _DECLINED or _DECLINED_SAID in message


def parsed(text: str) -> object:
    """A refusal's body: the value of its JSON, the title of an HTML page, or the text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        title = _TITLE.search(text)
        return (title[1] if title else text).strip()


def error_of(content: object) -> tuple[str, str]:
    """Message and code in a refusal; the code may be empty.

    It has one of the usual forms, `{"error": {"message": ..., "code": ...}}` (OpenAI, Anthropic),
    `{"error": "..."}` (TGI), `{"message": ...}` (vLLM) and `{"detail": ...}` (FastAPI), or is plain text.
    """
    if not isinstance(content, Mapping):
        return str(content or "no reason given"), ""
    error = content.get("error") or content
    if not isinstance(error, Mapping):
        return str(error), str(content.get("error_type") or "")
    message = error.get("message") or error.get("detail") or json.dumps(content)
    codes = [str(error.get(key) or "") for key in ("code", "type")]
    codes += [
        str(inner.get("code") or "") for inner in (error.get("innererror"),) if isinstance(inner, Mapping)
    ]
    return str(message), next(filter(is_declined, codes), next(filter(None, codes), ""))


def tells_error(content: Mapping[str, Any]) -> bool:
    """Whether what came in place of an answer says why there is none, whatever its status."""
    return bool(content.get("error")) or "error" in (content.get("object"), content.get("type"))


def param_of(content: object) -> str:
    """The key of a request's body that a refusal is about, where it says so."""
    error = (content.get("error") or content) if isinstance(content, Mapping) else None
    return str(error.get("param") or "") if isinstance(error, Mapping) else ""


def retry_after(headers: Mapping[str, Any], now: float) -> float | None:
    """Seconds to wait that the endpoint names, in `retry-after-ms`, `Retry-After` (seconds or a date, RFC
    9110, 10.2.3), or the end of a window that is used up, `x-ratelimit-reset`; None where it names none that
    can be read and lies ahead. now: seconds since 1970."""
    milliseconds = _number(headers.get("retry-after-ms"))
    named = [
        None if milliseconds is None else milliseconds / 1000,
        _seconds(headers.get("retry-after"), now),
        *(_seconds(headers.get(name), now) for name in _RESETS),
    ]
    found = next((wait for wait in named if wait is not None and 0 < wait < inf), None)
    return None if found is None else min(found, _LONGEST_WAIT)


def _seconds(value: Any, now: float) -> float | None:
    """The seconds until what a header names: seconds, a duration (`1m2.5s`), a time since 1970 or a date."""
    if value is None:
        return None
    text = str(value).strip()
    if (number := _number(text)) is not None:
        if number < _EPOCH:
            return number
        return (number / 1000 if number >= 1000 * _EPOCH else number) - now
    if text and (duration := _DURATION.fullmatch(text)):
        return sum(float(part) * unit for part, unit in zip(duration.groups("0"), _UNITS, strict=True))
    return _until(text, now)


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _until(date: str, now: float) -> float | None:
    for read in (email.utils.parsedate_to_datetime, datetime.fromisoformat):
        try:
            return read(date).timestamp() - now
        except (ValueError, OverflowError):
            continue
    return None
