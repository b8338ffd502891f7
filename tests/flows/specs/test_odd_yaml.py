"""YAML of all kinds in place of a run's or a suite's: it is taken, or refused in a line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from flows.cli.evaluate_command import read_arguments, read_spec
from flows.common.errors import USER_ERRORS, SpecError
from flows.specs.evaluation import EvaluationSpec
from flows.specs.suite import SuiteSpec, read_suite

SCALARS: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.dates()
    | st.binary(max_size=4)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SCALARS, inner, max_size=3),
    max_leaves=6,
)


def of(spec: type[EvaluationSpec] | type[SuiteSpec]) -> st.SearchStrategy[dict[str, Any]]:
    """Mappings with the keys of a spec, and values of any kind."""
    return st.dictionaries(st.sampled_from(sorted(spec.model_fields)), VALUES, min_size=1, max_size=4)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("odd") / "odd.yaml"


def is_taken_or_refused(read: Callable[[], object]) -> None:
    said = ""
    try:
        read()
    except USER_ERRORS as error:
        said = str(error)
    assert len(said.splitlines()) <= 2


@given(keys=of(EvaluationSpec))
def test_a_runs_is_taken_or_refused_in_a_line(file: Path, keys: dict[str, Any]) -> None:
    file.write_text(yaml.safe_dump({"model": "scripted:hash", **keys}))
    is_taken_or_refused(lambda: read_spec(read_arguments([f"--config={file}"])))


@given(keys=of(SuiteSpec))
def test_a_suites_is_taken_or_refused_in_a_line(file: Path, keys: dict[str, Any]) -> None:
    file.write_text(yaml.safe_dump({"models": ["scripted:hash"], **keys}))
    is_taken_or_refused(lambda: read_suite(file))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seed: 1\nseed: 2", "line 2, column 1: the key 'seed' stands twice"),
        ("samples: {a: [1], a: [2]}", "the key 'a' stands twice"),
        ("a: " + "[" * 5000, "nested too deep"),
        ("!!python/object/apply:os.system [id]", "could not determine a constructor"),
        ("? [a]\n: 1", "unhashable key"),
        ("limit: .inf", "--limit: "),
        ('cluster: ""', "--cluster: "),
        ("output: null", "--output: "),
        ("[1]", "must hold keys and values"),
    ],
)
def test_what_is_wrong_is_said(file: Path, text: str, said: str) -> None:
    file.write_text(text)
    with pytest.raises(SpecError, match=r"odd\.yaml|--") as caught:
        read_spec(read_arguments([f"--config={file}"]))
    assert said in str(caught.value)


def test_keys_that_are_merged_from_others_may_be_replaced(file: Path) -> None:
    file.write_text("samples:\n  <<: &more {a: [1]}\n  a: [2]\nmodel: scripted:hash\n")
    assert read_spec(read_arguments([f"--config={file}"])).samples == {"a": [2]}
