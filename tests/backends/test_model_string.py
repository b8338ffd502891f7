import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from backends.errors import BackendError
from backends.keys import check_no_key
from backends.model_string import ModelSpec


@pytest.mark.parametrize(
    ("text", "backend", "name", "options"),
    [
        ("hf:gpt2", "hf", "gpt2", {}),
        ("hf:/models/smollm2?dtype=float32", "hf", "/models/smollm2", {"dtype": "float32"}),
        ("hf:Qwen/Qwen3?revision=abc&max_length=9", "hf", "Qwen/Qwen3", {"revision": "abc", "max_length": 9}),
        ("baseline:random?seed=-3", "baseline", "random", {"seed": -3}),
        ("custom:a.b:Class?arg=0.5&flag=true", "custom", "a.b:Class", {"arg": 0.5, "flag": True}),
        ("scripted:a%3Fb.json?log=/tmp/x%26y", "scripted", "a?b.json", {"log": "/tmp/x&y"}),
        ("hf:m?text=a+b=c%20d", "hf", "m", {"text": "a+b=c d"}),
    ],
)  # fmt: skip
def test_a_model_string_names_backend_model_and_options(
    text: str, backend: str, name: str, options: dict[str, object]
) -> None:
    spec = ModelSpec.parse(text)
    assert (spec.backend, spec.name, spec.options) == (backend, name, options)
    assert ModelSpec.parse(str(spec)) == spec


@pytest.mark.parametrize("revision", ["007", "1e5", "12e4", "1.10", "-0", "True", "%38", ""])
def test_what_only_looks_like_a_number_stays_the_text_it_is(revision: str) -> None:
    value = ModelSpec.parse(f"hf:m?revision={revision}").options["revision"]
    assert value == ("8" if revision == "%38" else revision)
    assert isinstance(value, str)


def is_no_key(text: str) -> bool:
    try:
        check_no_key({text: text})
    except BackendError:
        return False
    return True


names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(is_no_key)
numbers = st.integers(-(10**18), 10**18) | st.floats(allow_nan=False, allow_infinity=False) | st.booleans()
values = names | st.sampled_from(["true", "12", "0.5", "1e-05", "false", "", "-7"]) | numbers


@given(st.sampled_from(["hf", "custom", "scripted"]), names, st.dictionaries(names, values, max_size=4))
def test_a_spec_and_its_string_say_the_same(backend: str, name: str, options: dict[str, object]) -> None:
    spec = ModelSpec.parse({"backend": backend, "name": name, "options": options})
    again = ModelSpec.parse(str(spec))
    assert again == spec
    assert {key: type(value) for key, value in again.options.items()} == {
        key: type(value) for key, value in options.items()
    }


def test_the_order_of_options_does_not_change_the_string() -> None:
    assert str(ModelSpec.parse("hf:m?b=1&a=2")) == str(ModelSpec.parse("hf:m?a=2&b=1")) == "hf:m?a=2&b=1"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("gpt2", "write backend:name.*'hf:gpt2'"),
        ("baseline", "write backend:name.*'baseline:random'"),
        ("", "write backend:name"),
        ("hff:gpt2", "no backend 'hff'; did you mean 'hf'"),
        ("scritped:x.json", "did you mean 'scripted'"),
        (
            "zzzzzz:gpt2",
            "known: .*baseline, custom, hf",
        ),
        ("hf:", "names a model after the colon"),
        ("hf:m?dtype", "'dtype' is no option, write key=value"),
        ("hf:m?=3", "'=3' is no option"),
        ("hf:m?a=1&a=2", "'a' stands there twice"),
    ],
)
def test_a_wrong_model_string_says_what_would_be_right(text: str, hint: str) -> None:
    with pytest.raises(BackendError, match=hint):
        ModelSpec.parse(text)


@pytest.mark.parametrize(
    ("mapping", "hint"),
    [
        ({"backend": "hf"}, "model.name: Field required"),
        ({"backend": "hf", "name": "m", "option": {}}, "model.option: Extra"),
        ({"backend": "hf", "name": "m", "options": {"a": [1]}}, "model.options.a"),
    ],
)
def test_a_wrong_mapping_names_its_key(mapping: dict[str, object], hint: str) -> None:
    with pytest.raises(BackendError, match=hint):
        ModelSpec.parse(mapping)


def test_a_field_of_this_type_takes_strings_and_mappings() -> None:
    class Spec(BaseModel):
        model: ModelSpec

    assert Spec.model_validate({"model": "hf:m?a=1"}) == Spec.model_validate(
        {"model": {"backend": "hf", "name": "m", "options": {"a": 1}}}
    )
    with pytest.raises(ValidationError, match="did you mean 'hf'"):
        Spec.model_validate({"model": "hff:m"})


def test_a_spec_survives_json() -> None:
    spec = ModelSpec.parse("hf:m?a=1&b=0.5&c=true&d=text")
    assert ModelSpec.model_validate_json(spec.model_dump_json()) == spec
