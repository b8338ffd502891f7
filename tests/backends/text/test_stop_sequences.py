"""Where a text ends before its stop sequences, as lm-eval has it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.text.generation_settings import settings_of
from backends.text.stop_sequences import cut_at_stops, stops_of

TEXTS = st.text("ab \n", max_size=12)
UNTIL = st.none() | TEXTS | st.lists(st.text("ab \n", max_size=3), max_size=4)


@pytest.mark.parametrize(
    ("until", "text"),
    [
        (None, "a b\nc"),
        ([], "a b\nc"),
        ("\n", "a b"),
        (["c", " "], "a"),
        (["", "zz"], "a b\nc"),
        (["a"], ""),
        (["b", " b"], "a "),
        ([" b", "b"], "a"),
    ],
)
def test_a_text_is_cut_at_one_stop_after_the_other(until: object, text: str) -> None:
    assert cut_at_stops("a b\nc", stops_of({"until": until})) == text


@given(TEXTS, UNTIL)
def test_a_text_ends_where_it_ends_in_lm_eval(text: str, until: list[str] | str | None) -> None:
    utils = pytest.importorskip("lm_eval.models.utils", reason="compares with lm-eval")
    theirs = utils.postprocess_generated_text(text, until, None)
    assert cut_at_stops(text, stops_of({"until": until})) == theirs
    assert cut_at_stops(text, settings_of({"until": until}, eos=None).stops) == theirs
