"""Why an engine did not start, in a line or two of the hundreds that it writes about it."""

import re
from collections.abc import Sequence

_LONGEST = 300
_LAST_LINES = 3
# An exception's last line, or a refusal of the command line.
_ERROR = re.compile(r"(?:^|\s)((?:\w+\.)*\w*(?:Error|Exception)): (.+)$|^\S+: (error): (.+)$")
# Errors about another error.
_SECOND_HAND = ("root cause", "initialization failed", "Engine core proc")
# Where pydantic refuses a value, lines that follow say which and why; each may have a logger's prefix.
_COUNTED = re.compile(r"\d+ validation errors? for \S+")
_PREFIX = re.compile(r"^.*\[\w+\.py:\d+\]\s*")
_CODE = " [type="
_DETAILS = 4


def reason_in(output: str) -> str:
    """The first error in an engine's output that is not about another one, else its last lines."""
    lines = [line.rstrip() for line in output.splitlines() if line.strip()]
    for number, line in enumerate(lines):
        found = _ERROR.search(line)
        if found is None or any(sign in line for sign in _SECOND_HAND):
            continue
        kind, said = found[1] or found[3], found[2] or found[4]
        if _COUNTED.match(said):
            said = _refusal(lines[number + 1 : number + 1 + _DETAILS]) or said
        return f"{kind.rsplit('.', 1)[-1]}: {said}"[:_LONGEST]
    return "\n".join(line.strip() for line in lines[-_LAST_LINES:])[-_LONGEST:] or "it said nothing"


def _refusal(lines: Sequence[str]) -> str:
    """Which value pydantic refuses, and why, without its codes."""
    said: list[str] = []
    for line in lines:
        text, code, _ = _PREFIX.sub("", line).strip().partition(_CODE)
        said.append(text)
        if code:
            return ": ".join(said).removeprefix("Value error, ")
    return ""
