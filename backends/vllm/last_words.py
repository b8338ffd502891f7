"""Why an engine did not start, in a line or two of the hundreds that it writes about it."""

import re

_LONGEST = 500
_LAST_LINES = 5
_ERROR = re.compile(r"(?:^|\s)((?:\w+\.)*\w*(?:Error|Exception|Interrupt)): (.+)$")
# Errors about another error.
_SECOND_HAND = ("root cause", "initialization failed", "Engine core proc")
# pydantic says what is wrong in the next line, and where to read of it at its end.
_COUNTED = re.compile(r"\d+ validation errors? for")
_DETAIL = re.compile(r"\s*\[type=.*$")


def reason_in(output: str) -> str:
    """The first error in an engine's output that is not about another one, else its last lines."""
    lines = [line.rstrip() for line in output.splitlines() if line.strip()]
    for number, line in enumerate(lines):
        found = _ERROR.search(line)
        if found is None or any(sign in line for sign in _SECOND_HAND):
            continue
        said = found[2]
        if _COUNTED.match(said):
            said = _DETAIL.sub(
                "", " ".join(line.split("]")[-1].strip() for line in lines[number + 1 : number + 3])
            )
        return f"{found[1].rsplit('.', 1)[-1]}: {said}"[:_LONGEST]
    return "\n".join(lines[-_LAST_LINES:])[-_LONGEST:] or "it said nothing"
