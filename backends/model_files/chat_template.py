"""A tokenizer's chat template: its text, and messages as a prompt through it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from backends.chat import Chat, ChatMessage
from backends.errors import BackendError
from backends.requests import Request


def template_of(tokenizer: Any, name: str) -> str | None:
    """The text of the template in use, None if there is none; the model's name is for messages.

    Raises BackendError where there are several and none is the default.
    """
    template = tokenizer.chat_template
    if not isinstance(template, dict):
        return None if template is None else str(template)
    if "default" not in template:
        raise BackendError(
            f"{name}: the tokenizer has several chat templates ({', '.join(sorted(template))}) "
            "and none is called default; name one so"
        )
    return str(template["default"])


def rendered_chat(tokenizer: Any, name: str, messages: Sequence[ChatMessage], *, continue_final: bool) -> str:
    """Messages as a prompt. Where the template refuses them, those of the system are left out, as in
    lm-evaluation-harness 0.4.13 (`HFLM.apply_chat_template`). Raises BackendError."""
    from jinja2 import TemplateError

    if template_of(tokenizer, name) is None:
        raise BackendError(f"{name}: the tokenizer has no chat template; ask without one")
    try:
        return _render(tokenizer, messages, continue_final)
    except TemplateError:
        without_system = [message for message in messages if message["role"] != "system"]
    try:
        return _render(tokenizer, without_system, continue_final)
    except TemplateError as error:
        raise BackendError(f"{name}: the chat template refuses the messages: {error}") from error


def rendered_requests(requests: Sequence[Request], render: Callable[..., str]) -> Sequence[Request]:
    """The requests with the text that a template makes of each chat. render: an `apply_chat_template`."""
    if not any(isinstance(request.prompt, Chat) for request in requests):
        return requests
    return [
        request
        if isinstance(request.prompt, str)
        else replace(request, prompt=render(request.prompt.texts, continue_final=request.prompt.continued))
        for request in requests
    ]


def _render(tokenizer: Any, messages: Sequence[ChatMessage], continue_final: bool) -> str:
    rendered = tokenizer.apply_chat_template(
        [dict(message) for message in messages],
        tokenize=False,
        add_generation_prompt=not continue_final,
        continue_final_message=continue_final,
    )
    return str(rendered)
