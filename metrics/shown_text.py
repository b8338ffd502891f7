"""Texts of others, as they may be shown: nothing of them moves a cursor or turns a line round.

Answers, messages of endpoints, aliases and names can hold anything. What people are shown of them, on a
terminal, in a log or on a page, goes through here; what is kept of them (`results.json`) stays as it is.
"""

# Some scripts need them within words, and they change nothing around them.
_JOINERS = frozenset("\u200c\u200d")


def in_one_line(text: str) -> str:
    """A text in one line: white space is a space, and what cannot be seen is written out (`\\x1b`)."""
    if text.isprintable():
        return text
    return "".join(_shown(one) for one in text)


def in_lines(text: str) -> str:
    """The same of each line of a text of several."""
    if text.isprintable():
        return text
    return "\n".join(in_one_line(line) for line in text.split("\n"))


def _shown(character: str) -> str:
    if character.isprintable() or character in _JOINERS:
        return character
    if character.isspace():
        return " "
    return character.encode("unicode_escape").decode("ascii")
