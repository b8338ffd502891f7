"""What OpenAI's two endpoints have in common: parameters, choices, streams."""

from collections.abc import Mapping
from typing import Any

from backends.endpoints.prompt import Generation
from backends.endpoints.question import Content, CutOff, at, record_at

# OpenAI's own endpoints take no more; all stops are looked for here as well.
MAX_STOPS = 4
_REFUSED = "content_filter"
_AT_LIMIT = "length"


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


def finish_of(choice: Mapping[str, Any]) -> tuple[bool, str | None]:
    """Whether a text ended by itself, and what is said where it was withheld."""
    reason = at(choice, "finish_reason")
    if reason is None:
        raise CutOff("the answer does not say why it ended")
    return reason != _AT_LIMIT, _REFUSED if reason == _REFUSED else None


class ChoiceStream:
    """Puts the one choice of a streamed answer together."""

    body: Mapping[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}

    def __init__(self) -> None:
        self._model = ""
        self._finish: str | None = None
        self._usage: Any = None

    def add(self, event: Content) -> bool:
        self._model = event.get("model") or self._model
        self._usage = event.get("usage") or self._usage
        if not event.get("choices"):
            return False
        choice = record_at(event, "choices", 0)
        self._finish = choice.get("finish_reason") or self._finish
        return self._add_choice(choice)

    def whole(self) -> Content:
        if self._finish is None:
            raise CutOff("the stream broke off")
        choice = {"index": 0, "finish_reason": self._finish, **self._choice()}
        return {"model": self._model, "usage": self._usage, "choices": [choice]}

    def _add_choice(self, choice: Content) -> bool:
        raise NotImplementedError

    def _choice(self) -> Content:
        raise NotImplementedError
