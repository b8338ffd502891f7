"""What a generated text answers: its first token, and the choice that it names."""

import re
from collections.abc import Sequence

# What people and models put around an answer; signs, currencies and the like belong to it.
AROUND = ".,:;!?()[]{}<>\"'`*_“”‘’«»"  # noqa: RUF001
_CLOSING = re.compile(rf"(?P<marks>[{re.escape(AROUND)}]*)(?P<space>\s|$)")


def first_token(text: str) -> str:
    """The first word of a text without the punctuation around it: "A" of "(A). Paris"; "" for none."""
    return next(filter(None, (word.strip(AROUND) for word in text.split())), "")


def matching_choice(text: str, choices: Sequence[str]) -> str | None:
    """The choice that `text` is or begins with, None where that is none or not clear.

    A text is a choice if they are equal without white space and punctuation around them, and, if no choice is
    equal so, whatever the case. It begins with a choice, whatever the case, if the choice ends with a word of
    it; the longest such choice counts. A choice of one letter needs a mark or the end of the line after it,
    for "a" is also an article: "A. Paris", not "A city".
    """
    for form in (str.strip, _bare, _folded):
        wanted = form(text)
        found = {choice for choice in choices if wanted and form(choice) == wanted}
        if found:
            return _only(found)
    said = "\n".join(" ".join(line.split()) for line in text.splitlines()).lstrip(f"{AROUND} \n").casefold()
    leading = {choice for choice in choices if _begins(said, _folded(choice))}
    longest = max((len(_folded(choice)) for choice in leading), default=0)
    return _only({choice for choice in leading if len(_folded(choice)) == longest})


def _only(found: set[str]) -> str | None:
    return next(iter(found)) if len(found) == 1 else None


def _bare(text: str) -> str:
    return " ".join(text.split()).strip(f"{AROUND} ")


def _folded(text: str) -> str:
    return _bare(text).casefold()


def _begins(said: str, choice: str) -> bool:
    end = _CLOSING.match(said, len(choice)) if choice and said.startswith(choice) else None
    if end is None:
        return False
    is_letter = len(choice) == 1 and choice.isalpha()
    return not is_letter or bool(end["marks"]) or end["space"] != " "
