"""Templates are what Jinja renders, compiled once and without the interpreter's back doors."""

import ast
import tracemalloc
from contextlib import suppress
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment, StrictUndefined, TemplateError, TemplateSyntaxError, UndefinedError
from jinja2.exceptions import SecurityError
from PIL import Image

from tasks_lib.prompts.templates import ListTemplate, compile_template

JINJA = Environment(undefined=StrictUndefined, keep_trailing_newline=True)
TEXTS = st.text(max_size=20)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Question: {{question}}\nAnswer:\n",
        "a line\r\nand another {# a comment #}",
        "{% set x = question %}{% for i in range(3) %}{{ i }}{{ x }}{% endfor %}",
        "{{question.strip() | upper}} {% if question %}yes{% else %}no{% endif %}",
    ],
)
@given(question=TEXTS)
def test_a_template_renders_as_jinja_renders_it(text: str, question: str) -> None:
    doc = {"question": question}
    assert compile_template(text).render(doc) == JINJA.from_string(text).render(**doc)


@pytest.mark.parametrize(
    "text", ["{{choices}}", "{{-choices-}}", "{{[choices[0], value]}}", "['{{value}}', 'b']"]
)
@given(
    choices=st.lists(st.one_of(TEXTS, st.integers()), min_size=1, max_size=4), value=st.sampled_from("xyz")
)
def test_a_list_template_is_the_literal_that_its_text_is(
    text: str, choices: list[object], value: str
) -> None:
    doc = {"choices": choices, "value": value}
    assert ListTemplate(text).read(doc) == ast.literal_eval(JINJA.from_string(text).render(**doc))


def test_an_undefined_variable_raises() -> None:
    with pytest.raises(UndefinedError, match="quesion"):
        compile_template("{{quesion}}").render({"question": ""})
    with pytest.raises(UndefinedError, match="choice"):
        ListTemplate("{{choice}}").read({"choices": []})


def test_what_is_no_template_raises() -> None:
    with pytest.raises(TemplateError):
        compile_template("{{question")
    with pytest.raises((SyntaxError, ValueError)):
        ListTemplate("{{question}}").read({"question": "not a list"})


def test_the_interpreter_is_out_of_reach() -> None:
    with pytest.raises(SecurityError):
        compile_template("{{ question.__class__.__mro__ }}").render({"question": ""})


@pytest.mark.parametrize(
    "text",
    [
        "{{ image.save(path, format='PPM') }}",
        "{{ image['save'](path, format='PPM') }}",
        "{{ (image | attr('save'))(path, format='PPM') }}",
        "{{ ([image] | map(attribute='save') | first)(path, format='PPM') }}",
        "{{ [image] | map(attribute='im.mode') | list }}",
        "{{ '{0.size}'.format(image) }}",
    ],
)
def test_objects_that_are_no_plain_values_are_out_of_reach(text: str, tmp_path: Path) -> None:
    written = tmp_path / "written"
    with pytest.raises((SecurityError, UndefinedError)):
        compile_template(text).render({"image": Image.new("RGB", (1, 1)), "path": str(written)})
    assert not written.exists()


@pytest.mark.parametrize(
    "text",
    [
        "{{ 'a' * 30000000 }}",
        "{{ 'a' | center(30000000) }}",
        "{% set x = '%30000000s' % 1 %}",
        "{% if 'a' * 30000000 %}{% endif %}",
        "{% autoescape 'a' * 30000000 %}{% endautoescape %}",
    ],
)
def test_nothing_is_computed_when_a_template_is_compiled(text: str) -> None:
    tracemalloc.start()
    with suppress(TemplateSyntaxError):
        compile_template(text)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 3_000_000


def test_plain_values_and_what_jinja_makes_have_their_methods() -> None:
    text = (
        "{% set count = namespace(all=0) %}{% macro named(x) %}{{ x.title() }}{% endmacro %}"
        "{% for one in words %}{% set count.all = count.all + loop.index %}{{ named(one) }} {% endfor %}"
        "{{ count.all }} {{ table.items() | list }} {{ day.year }} {{ (mark | escape).upper() }}"
    )
    doc = {"words": ["a", "b"], "table": {"k": 1}, "day": date(2024, 2, 29), "mark": "<"}
    assert compile_template(text).render(doc) == "A B 3 [('k', 1)] 2024 &LT;"


def test_a_replacement_filter_is_there_as_in_lm_eval() -> None:
    assert compile_template("{{ q | regex_replace('a+', 'b') }}").render({"q": "aacaa"}) == "bcb"
