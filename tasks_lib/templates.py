"""Jinja templates of task files: compiled once, rendered in Jinja's sandbox."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined
from jinja2.sandbox import SandboxedEnvironment


_MARKS = ("{{", "{%", "{#")


class Template:
    """A compiled template.

    Raises `jinja2.TemplateSyntaxError` if the text is none.
    """

    __slots__ = ("_constant", "_globals", "_template")

    def __init__(self, text: str) -> None:
        self._template = _environment().from_string(text)
        self._globals = dict(self._template.globals)
        self._constant = None if any(mark in text for mark in _MARKS) else self._template.render()

    def render(self, doc: Mapping[str, Any]) -> str:
        """The text with the fields of `doc` as variables; raises what rendering raises, such as
        `jinja2.UndefinedError`."""
        if self._constant is not None:
            return self._constant
        # What jinja2's own `render` does, without copying the globals twice for each document.
        template, environment = self._template, self._template.environment
        context = environment.context_class(
            environment, {**self._globals, **doc}, template.name, template.blocks
        )
        return "".join(template.root_render_func(context))


@lru_cache(maxsize=10_000)
def compile_template(text: str) -> Template:
    """The compiled template of `text`; the same object for the same text."""
    return Template(text)


@lru_cache(maxsize=1)
def _environment() -> SandboxedEnvironment:
    environment = SandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)
    environment.filters["regex_replace"] = _regex_replace
    return environment


def _regex_replace(text: str, pattern: str, replacement: str, count: int = 0) -> str:
    return re.sub(pattern, replacement, text, count=count)
