"""How messages show values."""

import reprlib

_LONGEST = 100

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 60
_SHORT.maxlevel = 3


def short_repr(value: object) -> str:
    """The beginning of a value's `repr`, in one line; of a large value no more than that is looked at."""
    text = _SHORT.repr(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
