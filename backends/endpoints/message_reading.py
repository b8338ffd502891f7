"""What the message of an answer says: its text, the thinking that came apart from it, what it declined."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backends.endpoints.question import Malformed, NotOffered

# Keys of messages that have thinking, the first that has any counts: several may have the same.
THINKING_KEYS = ("reasoning_content", "reasoning", "reasoning_text", "thinking", "reasoning_details")
_TEXT_PARTS = frozenset(("text", "output_text"))
# Thinking that is there and not shown.
_HIDDEN = frozenset(("redacted_thinking", "reasoning.encrypted"))
# Keys of messages for what is no text.
_OTHER = ("images", "audio")
# Keys of a part of thinking that have it, as text or in parts of their own.
_SHOWN = ("text", "thinking", "reasoning", "content", "summary", "value")
_LONGEST_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Said:
    """text: None where there is none, which is not the empty one. thinking: None where there is none, empty
    where it is not shown. refusal: what was said where the model declined. tools: those that it called."""

    text: str | None = None
    thinking: str | None = None
    refusal: str | None = None
    tools: tuple[str, ...] = ()

    def check_text(self) -> None:
        """Raises NotOffered where a tool is called in place of an answer, Malformed where nothing is said."""
        if self.refusal is not None:
            return
        if self.tools and not self.text:
            raise NotOffered(
                f"the answer calls a tool ({', '.join(self.tools)[:_LONGEST_SHOWN]}) and has no text; have "
                "the server leave tool calls in the text"
            )
        if self.text is None and self.thinking is None:
            raise Malformed("the answer's message has no content")


def said_in(message: Mapping[str, Any]) -> Said:
    """What a message says, of OpenAI's or Anthropic's form. Raises Malformed, and NotOffered for parts that
    are no text."""
    content = message.get("content")
    if not (content is None or isinstance(content, str | list)):
        raise Malformed(f"the answer's message has a content that is no text: {_shown(content)}")
    if other := [key for key in _OTHER if message.get(key)]:
        raise NotOffered(f"the answer has a part that is no text: {other[0]}")
    parts: list[Any] = [content] if isinstance(content, str) else content or []
    texts: list[str | None] = []
    thoughts, refusals, tools = [thinking_in(message)], [_refusal(message)], _tools(message)
    for part in parts:
        kind = "text" if isinstance(part, str) else _kind(part)
        if kind in _TEXT_PARTS:
            texts.append(_text(part))
        elif kind == "refusal":
            refusals.append(_refusal(part))
        elif kind in _HIDDEN or "thinking" in kind or "reasoning" in kind:
            thoughts.append("" if kind in _HIDDEN else _thought(part))
        elif "tool" in kind or "function" in kind:
            tools.append(str(part.get("name") or kind))
        else:
            raise NotOffered(f"the answer has a part that is no text: {kind}")
    return Said(_joined(texts), _joined(thoughts), _joined(refusals), tuple(tools))


def thinking_in(record: Mapping[str, Any]) -> str | None:
    """The thinking that stands beside a text; None where there is none."""
    return next((found for key in THINKING_KEYS if (found := _thought(record.get(key)))), None)


def _kind(part: Any) -> str:
    if not isinstance(part, Mapping):
        raise Malformed(f"the answer's content has a part that is none: {_shown(part)}")
    kind = part.get("type") or ("text" if "text" in part else "")
    return str(kind)


def _text(part: Any) -> str:
    value = part if isinstance(part, str) else part.get("text")
    if isinstance(value, Mapping):
        value = value.get("value")
    if not isinstance(value, str):
        raise Malformed(f"the answer's content has a text that is none: {_shown(value)}")
    return value


def _refusal(record: Mapping[str, Any]) -> str | None:
    value = record.get("refusal")
    if value is not None and not isinstance(value, str):
        raise Malformed(f"the answer's message has a refusal that is no text: {_shown(value)}")
    return value or None


def _thought(value: Any) -> str:
    """What can be shown of thinking, of whatever shape: nobody's answer depends on it."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(map(_thought, value))
    if isinstance(value, Mapping):
        return next((found for key in _SHOWN if (found := _thought(value.get(key)))), "")
    return ""


def _tools(message: Mapping[str, Any]) -> list[str]:
    """The names of the tools that a message calls."""
    calls = message.get("tool_calls") or message.get("function_call") or []
    return [_name(call) for call in (calls if isinstance(calls, list) else [calls])]


def _name(call: Any) -> str:
    inner = call.get("function", call) if isinstance(call, Mapping) else None
    return str(inner.get("name") or "tool") if isinstance(inner, Mapping) else "tool"


def _joined(texts: list[str | None]) -> str | None:
    known = [text for text in texts if text is not None]
    return "".join(known) if known else None


def _shown(value: Any) -> str:
    return repr(value)[:_LONGEST_SHOWN]
