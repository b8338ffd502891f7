"""Jinja templates of task files: compiled once, rendered in Jinja's sandbox."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, Template
from jinja2.sandbox import SandboxedEnvironment


def _regex_replace(text: str, pattern: str, replacement: str, count: int = 0) -> str:
    return re.sub(pattern, replacement, text, count=count)


@lru_cache(maxsize=1)
def _environment() -> SandboxedEnvironment:
    environment = SandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)
    environment.filters["regex_replace"] = _regex_replace
    return environment


@lru_cache(maxsize=10_000)
def compile_template(text: str) -> Template:
    """The compiled template of `text`; the same object for the same text.

    Raises `jinja2.TemplateSyntaxError` if it is not a template.
    """
    return _environment().from_string(text)


def render(text: str, doc: Mapping[str, Any]) -> str:
    """`text` rendered with the fields of `doc` as variables; an undefined variable raises."""
    return compile_template(text).render(doc)
