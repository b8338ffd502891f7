"""Jinja templates of task files: compiled once, rendered in Jinja's sandbox."""

import ast
import re
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from textwrap import shorten
from typing import Any

from jinja2 import StrictUndefined, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.runtime import Context
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import Markup

from tasks_lib.errors import TaskError

_MARKS = ("{{", "{%", "{#")
# What templates may look into. Any other object's methods do what they like: those of an image write files.
_PLAIN = frozenset(
    {str, Markup, bytes, bool, int, float, complex, Decimal, type(None)}
    | {list, tuple, dict, set, frozenset, range}
    | {date, datetime, time, timedelta}
)
_LONE_EXPRESSION = re.compile(r"\{\{(?![-+])([^{}%#]+)(?<![-+])\}\}")


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
        return "".join(self._template.root_render_func(self._context(doc)))

    def variable(self, name: str, doc: Mapping[str, Any]) -> Any:
        """The value of a variable that the template sets."""
        context = self._context(doc)
        for _ in self._template.root_render_func(context):
            pass
        return context.vars[name]

    def _context(self, doc: Mapping[str, Any]) -> Context:
        # What jinja2's own `render` makes, without copying the globals twice for each document.
        template, environment = self._template, self._template.environment
        variables = {**self._globals, **doc}
        return environment.context_class(environment, variables, template.name, template.blocks)


class ListTemplate:
    """A template that writes a Python list, such as `{{choices.text}}`, read as the list that it writes."""

    __slots__ = ("_text", "_value")

    def __init__(self, text: str) -> None:
        self._text = compile_template(text)
        expression = _LONE_EXPRESSION.fullmatch(text)
        self._value = expression and compile_template(f"{{% set value = ({expression[1]}) %}}")

    def read(self, doc: Mapping[str, Any]) -> Any:
        """The list; raises what rendering raises, and TaskError for a text that is no literal."""
        value = self._value and self._value.variable("value", doc)
        if type(value) is list and all(type(one) is str for one in value):
            return list(value)  # what its text would be read as, without writing and parsing it
        text = self._text.render(doc)
        try:
            return ast.literal_eval(text)
        except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError) as error:
            raise TaskError(f"gives {shorten(text, 80)!r}, which is not written as a list") from error


@lru_cache(maxsize=10_000)
def compile_template(text: str) -> Template:
    """The compiled template of `text`; the same object for the same text."""
    return Template(text)


class _NothingComputed(CodeGenerator):
    """Compiles a template without computing what it says of constants: templates are compiled where nothing
    bounds their time and memory, and `'a' * 3000000000` takes both."""

    def _output_child_to_const(self, node: nodes.Expr, frame: Frame, finalize: Any) -> str:
        if not isinstance(node, nodes.TemplateData):
            raise nodes.Impossible
        return super()._output_child_to_const(node, frame, finalize)

    def visit_EvalContextModifier(self, node: nodes.EvalContextModifier, frame: Frame) -> None:  # noqa: N802
        if not all(isinstance(option.value, nodes.Const) for option in node.options):
            self.fail("`autoescape` wants true or false", node.lineno)
        super().visit_EvalContextModifier(node, frame)


class _PlainValues(SandboxedEnvironment):
    """Jinja's sandbox, in which only plain values and Jinja's own objects have attributes and methods."""

    code_generator_class = _NothingComputed

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        is_known = type(obj) in _PLAIN or type(obj).__module__.partition(".")[0] == "jinja2"
        return is_known and super().is_safe_attribute(obj, attr, value)


@lru_cache(maxsize=1)
def _environment() -> SandboxedEnvironment:
    environment = _PlainValues(undefined=StrictUndefined, keep_trailing_newline=True, optimized=False)
    environment.filters["regex_replace"] = _regex_replace
    return environment


def _regex_replace(text: str, pattern: str, replacement: str, count: int = 0) -> str:
    return re.sub(pattern, replacement, text, count=count)
