"""What OpenAI's two endpoints have in common: parameters, choices, streams."""

from collections.abc import Mapping
from typing import Any

from backends.endpoints.endings import check_choice
from backends.endpoints.prompt import Generation
from backends.endpoints.question import Content, CutOff, Malformed, at

# OpenAI's own endpoints take no more; all stops are looked for here as well.
MAX_STOPS = 4


def sampling(asked: Generation) -> dict[str, Any]:
    """The body's keys for how a text is drawn. Stops are not sent where the model thinks first: they would
    end its thinking."""
    settings = asked.settings
    body: dict[str, Any] = dict(settings.options)
    if settings.do_sample:
        body["seed"] = asked.seed
    else:
        body["temperature"] = 0
    if settings.stops and not settings.mark:
        body["stop"] = list(settings.stops[:MAX_STOPS])
    return body


def choice_of(content: Content) -> Content:
    """The first choice, by its number where it has one: no more than one was asked for."""
    choices = at(content, "choices")
    if not isinstance(choices, list) or not choices:
        raise Malformed("the answer has no choices.0")
    for position, choice in enumerate(choices):
        if not isinstance(choice, dict):
            raise Malformed(f"the answer's choices.{position} is {choice!r}, not an object")
    found: Content = min(choices, key=_number_of)
    check_choice(found)
    return found


def _number_of(choice: Content) -> int:
    number = choice.get("index")
    return number if type(number) is int else 0


class ChoiceStream:
    """Puts the first choice of a streamed answer together."""

    body: Mapping[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}

    def __init__(self) -> None:
        self._model = ""
        self._finish: Any = None
        self._usage: Any = None
        self._number: int | None = None

    def add(self, event: Content) -> bool:
        self._model = event.get("model") or self._model
        self._usage = event.get("usage") or self._usage
        if not event.get("choices"):
            return False
        choice = choice_of(event)
        number = _number_of(choice)
        if self._number is None or number < self._number:
            self._number, self._finish = number, None
            self._begin()
        if number > self._number:
            return False
        self._finish = choice.get("finish_reason") or self._finish
        return self._add_choice(choice)

    def whole(self, *, has_ended: bool) -> Content:
        if self._finish is None and not has_ended:
            raise CutOff("the stream broke off")
        return self.so_far()

    def so_far(self) -> Content:
        choice = {"index": 0, "finish_reason": self._finish, **self._choice()}
        return {"model": self._model, "usage": self._usage, "choices": [choice]}

    def _begin(self) -> None:
        """Forget what was said by another choice."""
        raise NotImplementedError

    def _add_choice(self, choice: Content) -> bool:
        raise NotImplementedError

    def _choice(self) -> Content:
        raise NotImplementedError
