"""What an endpoint means by an answer other than 2xx."""

import email.utils
import json
import re
from collections.abc import Mapping
from typing import Any

from backends.calls.failure import FailureKind

# What is not here is `permanent` (4xx) or `transient` (5xx).
_KINDS: Mapping[int, FailureKind] = {
    401: "unauthorized",
    402: "unauthorized",
    403: "unauthorized",
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
# Codes of OpenAI and Azure for a prompt that is not answered for what it says: what the model does with it,
# as when it declines in words.
CONTENT_FILTER = "content_filter"
DECLINED = frozenset((CONTENT_FILTER,))
_TITLE = re.compile(r"<title>(.*?)</title>", re.IGNORECASE | re.DOTALL)
# An endpoint that names a longer wait is asked again after this one.
_LONGEST_WAIT = 3600.0


def failure_kind(status: int, code: str = "", message: str = "") -> FailureKind:
    """The kind of failure that an HTTP status, with the error's own code and message, stands for."""
    if code in _NO_CREDIT or _NO_CREDIT_SAID in message:
        return "unauthorized"
    return _KINDS.get(status, "transient" if status >= 500 else "permanent")


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
    return str(message), str(error.get("code") or error.get("type") or "")


def tells_error(content: Mapping[str, Any]) -> bool:
    """Whether what came in place of an answer says why there is none, whatever its status."""
    return bool(content.get("error")) or "error" in (content.get("object"), content.get("type"))


def param_of(content: object) -> str:
    """The key of a request's body that a refusal is about, where it says so."""
    error = (content.get("error") or content) if isinstance(content, Mapping) else None
    return str(error.get("param") or "") if isinstance(error, Mapping) else ""


def retry_after(headers: Mapping[str, Any], now: float) -> float | None:
    """Seconds to wait that the endpoint names, in `Retry-After` (seconds or a date, RFC 9110, 10.2.3) or
    `retry-after-ms`; None where it names none that can be read. now: seconds since 1970."""
    milliseconds, value = headers.get("retry-after-ms"), headers.get("retry-after")
    try:
        if milliseconds is not None:
            return _bounded(float(milliseconds) / 1000)
        return None if value is None else _bounded(float(value))
    except ValueError:
        return _until(str(value), now)


def _until(date: str, now: float) -> float | None:
    try:
        return _bounded(email.utils.parsedate_to_datetime(date).timestamp() - now)
    except (ValueError, OverflowError):
        return None


def _bounded(seconds: float) -> float:
    return min(max(0.0, seconds), _LONGEST_WAIT)  # in this order, by which what is no number is 0
