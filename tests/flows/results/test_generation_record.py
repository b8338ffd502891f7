"""Results say of each parameter of generated texts what it is from."""

from typing import Any

import pytest

from flows.results.generation_record import generation_record

OWN = {"until": ["\n"], "do_sample": True, "temperature": 0.8, "max_gen_toks": 24}
FILES = {
    "generation_config": {"top_p": 0.9, "repetition_penalty": 1.1},
    "generation_defaults": {"temperature": 1.0, "top_k": 50},
}


def sources(record: dict[str, Any]) -> dict[str, tuple[Any, str]]:
    return {name: (one["value"], one["from"]) for name, one in record.items()}


def test_each_parameter_says_what_it_is_from() -> None:
    flags = {"max_gen_toks": 9}
    found = sources(generation_record({**OWN, **flags, "seed": 7}, OWN, flags, FILES))
    assert found == {
        "until": (["\n"], "task file"),
        "do_sample": (True, "task file"),
        "temperature": (0.8, "task file"),
        "max_gen_toks": (9, "--gen-kwargs"),
        "seed": (7, "--seed"),
        "top_p": (0.9, "generation_config.json"),
        "repetition_penalty": (1.1, "generation_config.json"),
        "top_k": (50, "transformers' default"),
    }


def test_what_acts_on_drawn_texts_alone_is_not_named_where_nothing_is_drawn() -> None:
    asked = {"until": ["\n"], "do_sample": False, "temperature": 0}
    found = sources(generation_record(asked, OWN, {"temperature": 0}, FILES))
    assert found == {
        "until": (["\n"], "task file"),
        "do_sample": (False, "temperature=0"),
        "temperature": (0, "--gen-kwargs"),
        "max_gen_toks": (256, "default"),
        "repetition_penalty": (1.1, "generation_config.json"),
    }


@pytest.mark.parametrize("given", [{}, {"temperature": 0.5}])
def test_what_an_endpoint_decides_is_said_to_be_its_own(given: dict[str, Any]) -> None:
    found = sources(generation_record({"do_sample": True, **given}, {"do_sample": True}, given, {}))
    assert found["top_p"] == (None, "the endpoint's default")
    assert found["temperature"][1] == ("--gen-kwargs" if given else "the endpoint's default")
