"""Odd answers of endpoints through whole runs: what each counts as, whole, streamed and in batches alike."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from flows.results.evaluation_result import EvaluationResult
from tests.support.endpoints.odd import Case, OddEndpoint, Raw, message, odd_endpoint
from tests.support.lab import Lab
from tests.support.lab_fixtures import hide_installed_catalog

DOCS = 3
THOUGHT = "Let me think.\n\nIt is well known."


@dataclass(frozen=True, slots=True)
class Counts:
    """What each answer of a case counts as. said: what the failure of its task says. calls: of a request."""

    status: str
    score: float = 1.0
    while_thinking: bool = False
    said: str = ""
    calls: int = 1


RIGHT = Counts("answer")
TRUNCATED = Counts("truncated")
REFUSED = Counts("refused")
THINKING = Counts("truncated", 0.0, while_thinking=True)


def failed(said: str, calls: int = 2) -> Counts:
    return Counts("failed", said=said, calls=calls)


def ended_by(reason: Any) -> Case:
    return lambda number, _: message(number, reason)


def cut_in_thinking(content: Any) -> Case:
    return lambda number, _: message(content, reasoning_content="Let me think.")


def by_parts(*kinds: Mapping[str, Any]) -> Case:
    return lambda number, _: message([*kinds, {"type": "text", "text": f"\n\n{number}"}])


def of_choices(number: str, _: Any) -> Any:
    first, second = message("wrong")["choices"], message(number)["choices"]
    return {"model": "odd", "choices": [{**first[0], "index": 1}, {**second[0], "index": 0}]}


CASES: Mapping[str, tuple[Case, Counts]] = {
    # thinking apart, and where the answer begins
    "thinking": (lambda number, _: message(f"\n\n{number}", reasoning_content=THOUGHT), RIGHT),
    "reasoning": (lambda number, _: message(f"\n\n{number}", reasoning=THOUGHT), RIGHT),
    "details": (
        lambda number, _: message(f" \n\n{number}", reasoning_details=[{"type": "x", "text": THOUGHT}]),
        RIGHT,
    ),
    "hidden": (
        lambda number, _: message(
            f"\n\n{number}",
            usage={
                "prompt_tokens": 20,
                "completion_tokens": 50,
                "completion_tokens_details": {"reasoning_tokens": 45},
            },
        ),
        RIGHT,
    ),
    "empty_thinking": (cut_in_thinking(""), THINKING),
    "null_thinking": (cut_in_thinking(None), THINKING),
    "blank_thinking": (cut_in_thinking(" \n"), THINKING),
    # how an answer ended
    **{
        f"whole_{number}": (ended_by(reason), RIGHT)
        for number, reason in enumerate(["eos", "end_turn", "STOP", "stop_sequence", "FinishReason.STOP"])
    },
    **{
        f"limit_{number}": (ended_by(reason), TRUNCATED)
        for number, reason in enumerate(["length", "max_tokens", "MAX_TOKENS", "model_length", "maxTokens"])
    },
    **{
        f"filter_{number}": (ended_by(reason), REFUSED)
        for number, reason in enumerate(
            ["content_filter", "content_filter: hate", "SAFETY", "refusal", "guardrail_intervened"]
        )
    },
    **{
        f"broken_{number}": (ended_by(reason), failed(f"it ended by '{reason}'"))
        for number, reason in enumerate(
            ["error", "abort", "network_error", "insufficient_system_resource", "OTHER"]
        )
    },
    "error_beside": (
        lambda number, _: message(number, choice_error={"code": 502, "message": "the provider went away"}),
        failed("the provider went away"),
    ),
    "no_end": (ended_by(None), RIGHT),
    # several choices, several parts, parts that are no text
    "choices": (of_choices, RIGHT),
    "parts": (by_parts({"type": "thinking", "thinking": [{"type": "text", "text": THOUGHT}]}), RIGHT),
    "reasoning_part": (by_parts({"type": "reasoning", "text": THOUGHT}), RIGHT),
    "image": (by_parts({"type": "image_url", "image_url": {"url": "x"}}), failed("no text: image_url", 1)),
    "tool": (
        lambda number, _: message(None, "tool_calls", tool_calls=[{"function": {"name": "look_up"}}]),
        failed("calls a tool (look_up)", 1),
    ),
    "text_and_tool": (
        lambda number, _: message(number, "tool_calls", tool_calls=[{"function": {"name": "look_up"}}]),
        RIGHT,
    ),
    "declined": (lambda number, _: message(None, refusal=f"not {number}"), REFUSED),
    "nothing": (lambda number, _: message(None), failed("has no content")),
}
BEYOND = {"prompt_tokens": 20, "completion_tokens": 5}
USAGES: Mapping[str, tuple[Any, tuple[int, int]]] = {
    "total": ({**BEYOND, "total_tokens": 4020}, (20, 4000)),
    "beside": ({**BEYOND, "completion_tokens_details": {"reasoning_tokens": 3995}}, (20, 4000)),
    "inside": (
        {
            "prompt_tokens": 20,
            "completion_tokens": 4000,
            "completion_tokens_details": {"reasoning_tokens": 3995},
        },
        (20, 4000),
    ),
    "texts": ({"prompt_tokens": "20", "completion_tokens": 5.0, "total_tokens": None}, (20, 5)),
    "other_names": ({"input_tokens": 20, "output_tokens": 5}, (20, 5)),
    "no_written": ({"prompt_tokens": 20, "completion_tokens": None, "total_tokens": 25}, (20, 5)),
}


def with_usage(usage: Any) -> Case:
    return lambda number, _: message(number, usage=usage)


ALL: Mapping[str, Case] = {
    **{name: case for name, (case, _) in CASES.items()},
    **{f"usage_{name}": with_usage(usage) for name, (usage, _) in USAGES.items()},
    "usage_none": with_usage(None),
}
WAYS = ("whole", "streamed", "batches")


HOW: Mapping[str, Mapping[str, Any]] = {
    "whole": {},
    "streamed": {"stream": "true"},
    "batches": {"poll": 0.02},
}


def model(odd: OddEndpoint, way: str, **more: Any) -> str:
    name = "openai-batch" if way == "batches" else "openai-chat"
    options = {"base_url": f"{odd.url}/v1", "backoff": 0.01, **HOW[way], **more}
    return f"{name}:m?" + "&".join(f"{key}={value}" for key, value in options.items())


@pytest.fixture(scope="module")
def shared_lab(
    tmp_path_factory: pytest.TempPathFactory, prefect_server: str, catalog_index: Path
) -> Iterator[Lab]:
    """A lab with a task for each case."""
    with pytest.MonkeyPatch.context() as patch:
        lab = Lab(tmp_path_factory.mktemp("odd"))
        (lab.home / "catalog").symlink_to(catalog_index)
        patch.delenv("ASSAY_DATA_ROOT", raising=False)
        patch.setenv("OPENAI_API_KEY", "EMPTY")
        hide_installed_catalog(patch)
        for name in ALL:
            lab.add_texts(name, DOCS, generation_kwargs={"until": ["\n\n"], "max_gen_toks": 64})
        yield lab


@pytest.fixture(scope="module")
def odd() -> Iterator[OddEndpoint]:
    with odd_endpoint(cases=ALL) as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def run(shared_lab: Lab, odd: OddEndpoint, tmp_path_factory: pytest.TempPathFactory) -> "Run":
    """The run of one way, once: its result, and how many calls each case had."""
    done: dict[str, tuple[EvaluationResult, Mapping[str, int]]] = {}

    def runs(way: str) -> tuple[EvaluationResult, Mapping[str, int]]:
        if way not in done:
            odd.asked.clear()
            prices = {"price": {"in": 1.0, "out": 100.0}}
            lab = Lab(tmp_path_factory.mktemp(way), beside=shared_lab)
            done[way] = (lab.evaluate(",".join(ALL), model(odd, way), **prices), dict(odd.asked))
        return done[way]

    return runs


Run = Callable[[str], tuple[EvaluationResult, Mapping[str, int]]]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", CASES)
def test_an_answer_counts_as_it_ended_in_whatever_way_it_comes(run: Run, case: str, way: str) -> None:
    result, asked = run(way)
    counts = CASES[case][1]
    assert asked[case] == DOCS * counts.calls
    if counts.status == "failed":
        assert counts.said in result.failures[case]
        return
    assert case not in result.failures
    assert result.results["results"][case]["exact_match,number"] == counts.score
    assert set(result.calls(case)["status"]) == {counts.status}
    truncated = result.results["assay"]["tasks"][case]["truncated_while_thinking"]
    assert truncated == DOCS * counts.while_thinking


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", USAGES)
def test_what_is_paid_is_what_the_usage_amounts_to(run: Run, case: str, way: str) -> None:
    calls = run(way)[0].calls(f"usage_{case}")
    assert list(zip(calls["tokens_in"], calls["tokens_out"], strict=True)) == [USAGES[case][1]] * DOCS
    assert calls["counted"].all()


@pytest.mark.parametrize("way", WAYS)
def test_tokens_that_nobody_counted_are_estimated_and_marked_so(run: Run, way: str) -> None:
    calls = run(way)[0].calls("usage_none")
    assert not calls["counted"].any()
    assert calls["tokens_in"].min() > 0


def test_what_is_odd_is_said_once(
    shared_lab: Lab, odd: OddEndpoint, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    lab = Lab(tmp_path, beside=shared_lab)
    lab.evaluate("no_end,empty_thinking", model(odd, "whole"))
    said = capfd.readouterr().err
    assert len(re.findall("do not say why they ended", said)) == 1
    assert len(re.findall("--end-of-thinking '</think>' none are sent", said)) == 1


def test_what_was_paid_for_nothing_counts_in_the_budget(shared_lab: Lab, tmp_path: Path) -> None:
    usage = {"prompt_tokens": 500, "completion_tokens": 200, "total_tokens": 700}
    lab = Lab(tmp_path, beside=shared_lab)
    with odd_endpoint(cases={"nothing": lambda *_: message(None, usage=usage)}) as endpoint:
        lab.add_texts("nothing", 40)
        result = lab.evaluate("nothing", model(endpoint, "whole", max_concurrency=2), budget_tokens=3000)
        assert "nothing" in result.failures
        assert endpoint.asked["nothing"] <= 3000 / 700 + 3


def test_bodies_that_are_cut_off_are_paid_by_estimate(shared_lab: Lab, tmp_path: Path) -> None:
    lab = Lab(tmp_path, beside=shared_lab)
    lab.add_texts("cut", 2)
    with odd_endpoint(cases={"cut": lambda *_: Raw(b'{"choices": [{"message": {"content": "fo')}) as endpoint:
        result = lab.evaluate("cut", model(endpoint, "whole"), min_coverage=0.0)
        assert endpoint.asked["cut"] == 4
        assert "cut" in result.failures
