"""A chat as a value: messages of typed parts. How it becomes a prompt (template, body) is the backend's.

Source of its form as one text: lm-evaluation-harness 0.4.13, `TemplateAPI.apply_chat_template`
(`JsonChatStr`).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from backends.errors import BackendError

Role = Literal["system", "user", "assistant", "tool"]
# A message of text, as templates and lm-eval have it: its `role` and its `content`.
ChatMessage = Mapping[str, str]

_ROLES: tuple[str, ...] = get_args(Role)
_KEYS = {"role", "content"}
_OPENING = '[{"role": '


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Image:
    """attachment: the position of the image among the request's attachments."""

    attachment: int


@dataclass(frozen=True, slots=True)
class Sound:
    """attachment: the position of the sound among the request's attachments."""

    attachment: int


Part = Text | Image | Sound


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat, in its parts."""

    role: Role
    parts: tuple[Part, ...]

    @property
    def content(self) -> Any:
        """As JSON: the text of a message that is one, else the list of its parts."""
        match self.parts:
            case (Text(text),):
                return text
        return [{type(part).__name__.lower(): _value(part)} for part in self.parts]


@dataclass(frozen=True, slots=True)
class Chat:
    """messages: at least one. continued: whether the last message, the assistant's, is gone on with, and not
    followed by a new one."""

    messages: tuple[Message, ...]
    continued: bool = False

    @classmethod
    def of(cls, messages: Sequence[ChatMessage], *, continued: bool) -> "Chat":
        """A chat of texts. Raises BackendError for a message that is none."""
        return cls(tuple(map(_message, messages)), continued)

    @property
    def is_plain(self) -> bool:
        """Whether its messages as JSON say all of it: each is one text, and it is gone on with where the
        last is the assistant's."""
        if not self.messages or (self.messages[-1].role == "assistant") != self.continued:
            return False
        return all(len(one.parts) == 1 and isinstance(one.parts[0], Text) for one in self.messages)

    @property
    def texts(self) -> list[dict[str, str]]:
        """The messages as role and content. Raises BackendError where one is not one text."""
        if not all(isinstance(one.content, str) for one in self.messages):
            raise BackendError("a message of more than a text cannot be asked of this model")
        return self._records

    def as_text(self) -> str:
        """The messages as one text, as samples show them."""
        return json.dumps(self._records, ensure_ascii=False)

    def to_dict(self) -> dict[str, Any]:
        """All of the chat as values of JSON."""
        return {"messages": self._records, "continued": self.continued}

    def to_json(self) -> str:
        """The same as text, which `from_json` reads."""
        return json.dumps(self.to_dict(), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "Chat":
        content = json.loads(text)
        messages = [Message(one["role"], _parts(one["content"])) for one in content["messages"]]
        return cls(tuple(messages), content["continued"])

    @property
    def _records(self) -> list[dict[str, Any]]:
        return [{"role": one.role, "content": one.content} for one in self.messages]


def looks_like_chat(text: str) -> bool:
    """Whether a text is the JSON of a chat's messages: as such texts were once sent as messages."""
    if not text.startswith(_OPENING):
        return False
    try:
        found = json.loads(text)
    except ValueError:
        return False
    return isinstance(found, list) and all(map(_is_message, found))


def _is_message(value: object) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == _KEYS
        and all(isinstance(part, str) for part in value.values())
    )


def _message(message: ChatMessage) -> Message:
    if not _is_message(dict(message)):
        raise BackendError(f"a chat's message is {dict(message)!r}: `role` and `content` are to be texts")
    role = message["role"]
    if role not in _ROLES:
        raise BackendError(f"a chat's message is of the role {role!r}: it is one of {', '.join(_ROLES)}")
    return Message(cast(Role, role), (Text(message["content"]),))


_PART_TYPES: Mapping[str, Any] = {"text": Text, "image": Image, "sound": Sound}


def _parts(content: Any) -> tuple[Part, ...]:
    if isinstance(content, str):
        return (Text(content),)
    return tuple(_PART_TYPES[kind](value) for part in content for kind, value in part.items())


def _value(part: Part) -> str | int:
    return part.text if isinstance(part, Text) else part.attachment
