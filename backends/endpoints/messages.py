"""The messages that an endpoint of chats is sent."""

from backends.chat import Chat

# What stands for the template of an endpoint, which is not known here.
ENDPOINTS_OWN = "(the endpoint's own: messages are sent as JSON)"


def messages_of(prompt: str | Chat) -> list[dict[str, str]]:
    """Those of a chat; a text, whatever it looks like, is one of the user's."""
    return [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt.texts
