"""Chat messages as the text of a prompt: the JSON that lm-eval writes for chat endpoints, and back.

Source of the form: lm-evaluation-harness 0.4.13, `TemplateAPI.apply_chat_template` (`JsonChatStr`).
"""

import json
from collections.abc import Sequence

from backends.protocol import ChatMessage

_OPENING = '[{"role": '
_KEYS = {"role", "content"}

# What stands for the template of an endpoint, which is not known here.
ENDPOINTS_OWN = "(the endpoint's own: messages are sent as JSON)"


def as_prompt(messages: Sequence[ChatMessage]) -> str:
    """The messages as one text."""
    return json.dumps([dict(message) for message in messages], ensure_ascii=False)


def as_messages(prompt: str) -> list[dict[str, str]]:
    """The messages of a text from `as_prompt`; of any other text one of the user's."""
    if prompt.startswith(_OPENING):
        try:
            found = json.loads(prompt)
        except ValueError:
            found = None
        if isinstance(found, list) and all(_is_message(one) for one in found):
            return found
    return [{"role": "user", "content": prompt}]


def _is_message(value: object) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == _KEYS
        and all(isinstance(part, str) for part in value.values())
    )
