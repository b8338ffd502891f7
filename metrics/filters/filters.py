"""Filters: what is read out of responses before they are scored.

A filter maps the responses of all documents of a task, with the documents, to new values in the same order.
Before the first filter each document has a list of responses, one per repeat; most filters keep that list,
`take_first` ends it. Names, options, defaults and results are lm-eval's (0.4.13, `lm_eval/filters/`).
"""

import inspect
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from metrics.errors import MetricError, unknown_name
from metrics.filters import answer_letters
from metrics.filters.patterns import compile_pattern, nth_match, responses_of

Docs = Sequence[Mapping[str, Any]]
Filter = Callable[[Sequence[Any], Docs], list[Any]]

DEFAULT_PATTERN = r"#### (\-?[0-9\.\,]+)"


def build_filter(name: str, options: Mapping[str, Any]) -> Filter:
    """The filter called `name` in task files, with its options.

    Raises MetricError for an unknown name or option, a missing option and a wrong value.
    """
    if name not in FILTERS:
        raise unknown_name("filter", name, FILTERS)
    factory = FILTERS[name]
    known = inspect.signature(factory).parameters
    for option in options:
        if option not in known:
            raise unknown_name(f"option of filter {name!r}:", str(option), known)
    for option, parameter in known.items():
        if parameter.default is parameter.empty and option not in options:
            raise MetricError(f"Filter {name!r} needs the option {option!r}.")
    return factory(**options)


def filter_from_class(cls: Callable[..., Any], options: Mapping[str, Any]) -> Filter:
    """The filter of a class of task code: made with `options`, called through `.apply(responses, docs)`."""
    name = getattr(cls, "__name__", repr(cls))
    try:
        instance = cls(**options)
    except TypeError as error:
        raise MetricError(
            f"Filter class {name} does not take the options {dict(options)}: {error}."
        ) from error
    if not callable(getattr(instance, "apply", None)):
        raise MetricError(f"Filter class {name} has no method apply(responses, docs).")
    return custom(instance.apply)


def apply_pipeline(filters: Sequence[Filter], responses: Sequence[Any], docs: Docs) -> list[Any]:
    """The responses after all `filters` in order; as many values as documents, or a MetricError."""
    values = list(responses)
    if len(values) != len(docs):
        raise MetricError(f"{len(values)} documents have responses, but {len(docs)} documents are given.")
    for position, step in enumerate(filters, start=1):
        values = step(values, docs)
        if len(values) != len(docs):
            raise MetricError(
                f"Filter {position} of {len(filters)} returned {len(values)} values, not {len(docs)}; "
                "a filter must return one value per document."
            )
    return values


def regex(regex_pattern: str = DEFAULT_PATTERN, group_select: int = 0, fallback: Any = "[invalid]") -> Filter:
    """The `group_select`-th match in each response, or `fallback` where nothing matches."""
    pattern = compile_pattern(regex_pattern, "Filter 'regex'")

    def extract(response: Any) -> Any:
        found = pattern.findall(response if isinstance(response, str) else "")
        if not found:
            return fallback
        match = nth_match(found, group_select, "Filter 'regex'")
        if match is not None:
            return match
        # lm-eval strips the fallback here and only here; a task's number can depend on it.
        return fallback.strip() if isinstance(fallback, str) else fallback

    return each_response("Filter 'regex'", extract)


def take_first() -> Filter:
    """The first response of each document, no longer in a list."""

    def apply(responses: Sequence[Any], docs: Docs) -> list[Any]:
        return [_first(values, position) for position, values in enumerate(responses)]

    return apply


def take_first_k(k: int) -> Filter:
    """The first `k` responses of each document; a document with fewer is a MetricError."""

    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise MetricError(f"Filter 'take_first_k': k must be a number of responses, not {k!r}.")

    def apply(responses: Sequence[Any], docs: Docs) -> list[Any]:
        for position, values in enumerate(responses):
            if len(responses_of(values, position, "Filter 'take_first_k'")) < k:
                raise MetricError(
                    f"Filter 'take_first_k': document {position} has {len(values)} responses, not {k}; "
                    "raise the task's `repeats`."
                )
        return [values[:k] for values in responses]

    return apply


def majority_vote() -> Filter:
    """The most frequent response of each document, in a list of one; of equally frequent ones the first."""

    def apply(responses: Sequence[Any], docs: Docs) -> list[Any]:
        return [[_most_frequent(values, position)] for position, values in enumerate(responses)]

    return apply


def remove_whitespace() -> Filter:
    """Each response without white space at its ends."""
    return each_text("remove_whitespace", str.strip)


def lowercase() -> Filter:
    """Each response in lower case."""
    return each_text("lowercase", str.lower)


def uppercase() -> Filter:
    """Each response in upper case."""
    return each_text("uppercase", str.upper)


def first_token(after: Sequence[str] = ()) -> Filter:
    """The first word of each response, or of what follows the last of the phrases `after` in it.

    Phrases count whatever their case; a word has no punctuation around it (`metrics.filters.answer_letters`).
    """
    if not isinstance(after, list | tuple) or not all(isinstance(one, str) and one for one in after):
        raise MetricError(f"Filter 'first_token': after must be a list of phrases, not {after!r}.")
    phrases = re.compile("|".join(map(re.escape, after)), re.IGNORECASE)

    def first(response: str) -> str:
        ends = [found.end() for found in phrases.finditer(response)] if after else []
        return answer_letters.first_token(response[ends[-1] :] if ends else response)

    return each_text("first_token", first)


def map_values(mapping_dict: Mapping[Any, Any] | None = None, default_value: Any = None) -> Filter:
    """Each response's value in `mapping_dict`, or `default_value`."""
    if not isinstance(mapping_dict or {}, Mapping):
        raise MetricError(f"Filter 'map': mapping_dict must be a mapping, not {mapping_dict!r}.")
    table = dict(mapping_dict or {})

    def look_up(response: Any) -> Any:
        try:
            return table.get(response, default_value)
        except TypeError as error:
            raise MetricError(f"Filter 'map' cannot look up {response!r}: {error}.") from error

    return each_response("Filter 'map'", look_up)


def custom(filter_fn: Callable[[Sequence[Any], Docs], Any]) -> Filter:
    """A function of task code over (responses, docs)."""
    if not callable(filter_fn):
        raise MetricError(f"Filter 'custom': filter_fn must be a function, not {filter_fn!r}.")

    def apply(responses: Sequence[Any], docs: Docs) -> list[Any]:
        return list(filter_fn(responses, docs))

    return apply


def multi_choice_regex(
    regex_pattern: str = DEFAULT_PATTERN,
    group_select: int = 0,
    fallback: Any = "[invalid]",
    ignore_case: bool = False,
    ignore_punctuation: bool = False,
    regexes_to_ignore: Sequence[str] | None = None,
) -> Filter:
    """The letter "(A)", "(B)", ... of the choice a response names (`metrics.filters.multi_choice_regex`)."""
    from metrics.filters.multi_choice_regex import ChoiceReader, Normaliser

    normalise = Normaliser.of(ignore_case, ignore_punctuation, regexes_to_ignore)
    pattern = compile_pattern(regex_pattern, "Filter 'multi_choice_regex'")
    return ChoiceReader(pattern, group_select, fallback, normalise)


def format_span() -> Filter:
    """Named entities a response lists, one "label: entity" after the other (`metrics.filters.entities`)."""
    from metrics.filters.entities import listed_entities

    return each_text("format_span", listed_entities)


def regex_pos(
    regex_pattern: str = r"\['(.*?)'\]", group_select: int = 0, fallback: Sequence[str] | None = None
) -> Filter:
    """The part-of-speech tags of a response written as (token, tag) pairs, or `fallback` (`["invalid"]`).

    `regex_pattern` and `group_select` may be given, since lm-eval knows them, but only with their defaults:
    they decide nothing there.
    """
    from metrics.filters.entities import tags_of

    if (regex_pattern, group_select) != (r"\['(.*?)'\]", 0):
        raise MetricError(
            "Filter 'regex_pos': regex_pattern and group_select have no effect; leave them out."
        )
    none_found = ["invalid"] if fallback is None else fallback
    return each_response("Filter 'regex_pos'", lambda response: tags_of(response) or none_found)


FILTERS: Mapping[str, Callable[..., Filter]] = {
    "regex": regex,
    "take_first": take_first,
    "take_first_k": take_first_k,
    "majority_vote": majority_vote,
    "remove_whitespace": remove_whitespace,
    "lowercase": lowercase,
    "uppercase": uppercase,
    "map": map_values,
    "first_token": first_token,
    "multi_choice_regex": multi_choice_regex,
    "format_span": format_span,
    "regex_pos": regex_pos,
    "custom": custom,
}


def each_response(used_by: str, transform: Callable[[Any], Any]) -> Filter:
    """The filter that applies `transform` to every response of every document.

    A document that is already one text (after `take_first`) is taken letter by letter: so does lm-eval, and
    published numbers depend on it.
    """

    def apply(responses: Sequence[Any], docs: Docs) -> list[Any]:
        return [
            [transform(response) for response in responses_of(values, position, used_by)]
            for position, values in enumerate(responses)
        ]

    return apply


def each_text(name: str, transform: Callable[[str], Any]) -> Filter:
    """`each_response` for responses that must be text; another one is a MetricError."""

    def checked(response: Any) -> Any:
        if not isinstance(response, str):
            raise MetricError(f"Filter {name!r} works on text, not on {response!r}.")
        return transform(response)

    return each_response(f"Filter {name!r}", checked)


def _first(values: Sequence[Any], position: int) -> Any:
    if not responses_of(values, position, "Filter 'take_first'"):
        raise MetricError(f"Filter 'take_first': document {position} has no response.")
    return values[0]


def _most_frequent(values: Sequence[Any], position: int) -> Any:
    try:
        return Counter(responses_of(values, position, "Filter 'majority_vote'")).most_common(1)[0][0]
    except IndexError:
        raise MetricError(f"Filter 'majority_vote': document {position} has no response.") from None
    except TypeError as error:
        raise MetricError(f"Filter 'majority_vote' cannot count {values!r}: {error}.") from error
