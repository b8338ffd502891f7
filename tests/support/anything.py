"""What a user could write by mistake: values of any kind, for property tests."""

from typing import Any

from hypothesis import strategies as st

# Lone surrogates and NUL are characters of JSON too.
texts = st.text(st.characters(exclude_categories=()), max_size=10)
# libyaml reads and writes all but these.
yaml_texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=10)

_plain = st.none() | st.booleans() | st.integers() | st.floats()

# Values that a document of a JSON file can have.
json_values: st.SearchStrategy[Any] = st.recursive(
    _plain | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
# Values that safe YAML can have.
yaml_values: st.SearchStrategy[Any] = st.recursive(
    _plain | yaml_texts | st.dates() | st.datetimes() | st.binary(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(yaml_texts | st.integers(), inner, max_size=3)
        | st.sets(st.integers(), max_size=2)
    ),
    max_leaves=6,
)


def mostly(usual: st.SearchStrategy[Any], unusual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """What a user means to write, and now and then something else."""
    return st.integers(0, 5).flatmap(lambda number: unusual if number == 5 else usual)
