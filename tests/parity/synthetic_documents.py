"""Documents made up to the schema that a task's templates and functions read, found by watching them read."""

import ast
import json
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any
from unittest import mock

import datasets
import jinja2
from jinja2 import meta

from tasks_lib.files.config import FewshotConfig, TaskConfig
from tasks_lib.prompts import templates
from tests.parity import observed
from tests.parity.learning import TEMPLATES, learn_from
from tests.parity.observed import Field, watched
from tests.parity.watched_split import WatchedSplit

WORDS = re.findall(
    r"\S+",
    "the red hare ran over 7 hills, Zürich 東京 don't 3,000 yes No \\$5 north Anna (quick) and 12.5 km of",
)
ROUNDS = 12
DOCS = 8

# What fields of conventional names hold where nothing is known of them; the first that matches counts.
BOXED, LENGTH = "boxed", "length"
LETTER, NUMBER, TEXTS, LETTERS, SHORT, TEXT, ID = (
    "letter",
    "number",
    "texts",
    "letters",
    "short",
    "text",
    "id",
)
CONVENTIONS = {
    r"(answer_?key|correct_?(option|letter|choice)|.*letter|answer_option)": LETTER,
    r"(label\d?|gold|cop|.*(idx|index|_id|num|number)|target_scores|score|.*year|.*count)": NUMBER,
    r"(.*choices|.*options|endings|candidates|distractors|alternatives|mc_answers|classes)": TEXTS,
    r"(answers|targets|references|aliases|golds|labels|.*answers|.*_list|.*s_list|all_.*)": TEXTS,
    r"(id|.*id)": ID,
    r"solution": BOXED,
    r"max_length": LENGTH,
    r"(.*answer.*|target|output|word|name|gold.*)": SHORT,
}


ENVIRONMENT = jinja2.Environment()
ENVIRONMENT.filters["regex_replace"] = str

# Values


def rows(schema: Field, count: int, seed: str) -> list[dict[str, Any]]:
    """So many documents of a schema; the same for the same seed."""
    return [_row(schema, number, seed) for number in range(count)]


def _row(schema: Field, number: int, seed: str) -> dict[str, Any]:
    places = schema.keys
    row = {
        name: value(place, name, number, random.Random(f"{seed}:{name}:{number}"))
        for name, place in places.items()
    }
    for several, values in _lists(schema, row):
        for name, place in places.items():
            if place.among is several:
                row[name] = values[number % len(values)]
            elif place.item is not None and place.item.among is several and place is not several:
                row[name] = [values[number % len(values)]]
    return row


def _lists(place: Field, content: Any) -> Iterator[tuple[Field, list[Any]]]:
    """The lists of a document that hold something, outside of lists."""
    if isinstance(content, list) and content:
        yield place, content
    elif isinstance(content, dict):
        for name, inner in place.keys.items():
            yield from _lists(inner, content.get(name))


def value(place: Field, name: str, number: int, stream: random.Random) -> Any:
    """What stands at a place in the document of that number."""
    if place.examples:
        return place.examples[number % len(place.examples)]
    if place.parsed is not None:
        return json.dumps(value(place.parsed, name, number, stream))
    if place.keys:
        return {key: value(inner, key, number, stream) for key, inner in place.keys.items()}
    if name == "solution":
        return _conventional(BOXED, number, stream)
    is_text = "text" in place.uses and "list" not in place.uses
    if place.item is not None and not is_text:
        return _several(place, name, number, stream)
    if place.constants and ("closed" in place.uses or number % 3):
        kinds = [one for one in place.constants if isinstance(one, str) or not is_text] or place.constants
        return kinds[number % len(kinds)] if is_text else _of_one_type(kinds, number)
    if place.constants and not isinstance(place.constants[0], str) and not is_text:
        return _of_one_type(place.constants, number)
    if place.uses & {"index", "number"}:
        if is_text:
            return str(number % 4)
        return number % 2 if "index" in place.uses else 1 + number % 3
    convention = next(
        (kind for pattern, kind in CONVENTIONS.items() if re.fullmatch(pattern, name.lower())), TEXT
    )
    if is_text and convention in (NUMBER, TEXTS):
        convention = SHORT
    if place.uses == {"truth"} and re.match("is|has|can|un", name.lower()):
        return number % 3 == 2
    if place.parts or place.starts:
        start = place.starts[number % len(place.starts)] if place.starts and number % 3 else ""
        return start + _text(stream, 8, place.parts)
    return _conventional(convention, number, stream)


def _of_one_type(constants: Sequence[Any], number: int) -> Any:
    same = [one for one in constants if type(one) is type(constants[0])]
    if len(same) == 1 and isinstance(same[0], int):
        same.append(not same[0] if isinstance(same[0], bool) else same[0] + 1)
    return same[number % len(same)]


def _several(place: Field, name: str, number: int, stream: random.Random) -> list[Any]:
    assert place.item is not None
    if name.lower() in ("label", "labels", "key", "letters") and not (
        place.item.uses & {"number", "index"} or place.item.constants
    ):
        return list("ABCDEFGHIJ"[: place.size])
    inner = name.lower().removesuffix("s")
    return [value(place.item, inner, number + position, stream) for position in range(place.size)]


def _conventional(convention: str, number: int, stream: random.Random) -> Any:
    match convention:
        case "length":
            return 4096
        case "letter":
            return "ABCD"[number % 4]
        case "number":
            return number % 2
        case "texts":
            return [_text(stream, 3) for _ in range(4)]
        case "id":
            return f"id-{number}"
        case "boxed":
            return f"{_text(stream)}. So it is \\boxed{{{stream.randint(0, 99)}}}."
        case "short":
            return stream.choice([str(stream.randint(0, 99)), _text(stream, 2), "yes"])
    return _text(stream)


def _text(stream: random.Random, longest: int = 14, parts: Sequence[str] = ()) -> str:
    text = " ".join(stream.choices(WORDS, k=stream.randint(1, longest)))
    for part in parts:
        text = f"{text}{part}{stream.randint(0, 99)}"
    return stream.choice([text, text, text + ".", text.capitalize(), f" {text}", f"{text} "])


# What is known before anything runs


def declared(config: TaskConfig) -> Field:
    """The fields that a task file's own templates and field names speak of."""
    schema = Field()
    for fields in (config, config.fewshot_config):
        for name in _named(fields):
            schema.key(name)
    return schema


def _named(fields: TaskConfig | FewshotConfig) -> Iterator[str]:
    for key in TEMPLATES:
        text = getattr(fields, key, None)
        if not isinstance(text, str) or not text:
            continue
        if "{{" in text or "{%" in text:
            yield from sorted(meta.find_undeclared_variables(ENVIRONMENT.parse(text)))
        elif key in ("doc_to_text", "doc_to_target", "doc_to_choice") and re.fullmatch(
            r"[\w .-]{1,40}", text
        ):
            yield text


# What running tells

Known = Mapping[str, Sequence[Any]]
NOTHING: Known = {}
Attempt = Callable[[Callable[[str], Any]], BaseException | None]


class NoChoice(Exception):
    """Labels are none of the choices, or answers are never right. choices: what labels may be made of."""

    def __init__(self, choices: Sequence[str] = "ABCD") -> None:
        super().__init__(f"labels are none of {list(choices)}")
        self.choices = choices


FORMS: Sequence[Callable[[Sequence[str]], list[Any]]] = (
    lambda choices: list(range(len(choices))),
    list,
    lambda choices: list("ABCDEFGHIJKLMNOPQRSTUVWXYZ"[: len(choices)]),
    lambda choices: [str(number) for number in range(len(choices))],
    lambda choices: [str(number + 1) for number in range(len(choices))],
    lambda choices: list(range(1, len(choices) + 1)),
    lambda choices: [f"({letter})" for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[: len(choices)]],
)


def discover(
    config: TaskConfig, attempt: Attempt, known: Known = NOTHING
) -> tuple[Field, BaseException | None]:
    """The schema of a task's documents.

    attempt: builds the task's requests from splits, by their names, and scores answers; what that raised.
    known: examples of fields that have a form of their own; none of those that are not the data set's.
    Gives the schema, and what the last attempt on plain documents raised.
    """
    schema = declared(config)
    for name, examples in known.items():
        schema.key(name).examples = list(examples)
        if not examples:
            del schema.keys[name]
    schema.size = max(DOCS, (config.num_fewshot or 0) + 3)
    error: BaseException | None = None
    for number in range(ROUNDS):
        before = repr(schema.facts())
        error = _watched_attempt(config, schema, attempt, number)
        learn_from(config, schema, error)
        if repr(schema.facts()) != before:
            continue
        if not schema.keys:
            break
        error = attempt_plain(schema, attempt)
        if error is None or isinstance(error, NoChoice):
            break
        learn_from(config, schema, error)
        if repr(schema.facts()) == before:
            break
    if isinstance(error, NoChoice):
        _settle_labels(config, schema, attempt, error)
        error = None
    return schema, error


def attempt_plain(schema: Field, attempt: Attempt) -> BaseException | None:
    """What an attempt on documents of a schema raises."""
    return attempt(lambda split: datasets.Dataset.from_list(rows(schema, schema.size, split)))


def _settle_labels(config: TaskConfig, schema: Field, attempt: Attempt, error: NoChoice) -> None:
    """Try what labels may be, until most name a choice."""
    for place, form in product(_label_places(config, schema), FORMS):
        before = dict(vars(place))
        place.constants, place.uses, place.item, place.keys = form(error.choices), {"closed"}, None, {}
        if attempt_plain(schema, attempt) is None:
            return
        vars(place).update(before)


def _label_places(config: TaskConfig, schema: Field) -> list[Field]:
    text = config.doc_to_target
    names = [text] if isinstance(text, str) else []
    if isinstance(text, str) and "{" in text:
        names = sorted(meta.find_undeclared_variables(ENVIRONMENT.parse(text)))
    if config.process_docs is not None or not isinstance(text, str):
        names += [
            name
            for name in schema.keys
            if re.search("answer|label|gold|correct|target|key|idx", name.lower())
        ]
    return [schema.keys[name] for name in dict.fromkeys(names) if name in schema.keys]


def _watched_attempt(
    config: TaskConfig, schema: Field, attempt: Attempt, number: int
) -> BaseException | None:
    def split(name: str) -> WatchedSplit:
        made = rows(schema, schema.size, f"{name}{number}")
        for row in made:
            _note_choices(config, watched(row, schema))
        return WatchedSplit(watched(row, schema) for row in made[number % 3 :])

    with (
        mock.patch("json.loads", _parsing(json.loads)),
        mock.patch("ast.literal_eval", _parsing(ast.literal_eval)),
        mock.patch.object(templates, "_PLAIN", templates._PLAIN | observed.KINDS),
    ):
        return attempt(split)


def _note_choices(config: TaskConfig, row: Any) -> None:
    """A template of the choices that is one expression gives a list."""
    text = config.doc_to_choice
    if not isinstance(text, str):
        return
    if "{" not in text:
        found = dict.get(row, text)
    elif text.count("{{") == 1 and "{%" not in text:
        try:
            found = ENVIRONMENT.compile_expression(text.strip().strip("{}"))(**row)
        except Exception:  # noqa: BLE001  # of what is no single expression
            return
    else:
        return
    if isinstance(found, observed.Watched):
        found.place.element()


def _parsing(parse: Callable[..., Any]) -> Callable[..., Any]:
    def parsed(text: Any, *given: Any, **named: Any) -> Any:
        if not isinstance(text, observed.Watched):
            return parse(text, *given, **named)
        text.place.parsed = text.place.parsed or Field(
            item=Field()
        )  # a list, unless it shows to be a mapping
        return watched(value(text.place.parsed, "json", 0, random.Random(0)), text.place.parsed)

    return parsed
