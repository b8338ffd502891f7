"""Jinja templates of task files: compiled once, rendered in Jinja's sandbox."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined
from jinja2.sandbox import SandboxedEnvironment


class Template:
    """A compiled template.

    Raises `jinja2.TemplateSyntaxError` if the text is none.
    """

    __slots__ = ("_globals", "_template")

    def __init__(self, text: str) -> None:
        self._template = _environment().from_string(text)
        self._globals = dict(self._template.globals)

    def render(self, doc: Mapping[str, Any]) -> str:
        """The text with the fields of `doc` as variables; raises what rendering raises, such as
        `jinja2.UndefinedError`."""
        # What jinja2's own `render` does, without copying the globals for each document (3 times as fast).
        context = self._template.new_context({**self._globals, **doc}, shared=True)
        return "".join(self._template.root_render_func(context))


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
