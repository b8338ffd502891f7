"""Endpoints that are odd in other ways than by their answers, through whole runs."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.endpoints.odd import OddEndpoint, Quirk, Raw, as_lines, message, odd_endpoint
from tests.support.lab import Lab
from tests.support.lab_fixtures import hide_installed_catalog

DOCS = 4
STOPS = ["\n\n", "END"]
# What no parameter's name stands in, as some say it; and what stands for one.
UNSAID = {"message": "This is not supported.", "code": "unsupported_parameter", "param": "NAME"}
WORDINGS: Mapping[str, Any] = {
    "openai": {"message": "Unsupported parameter: 'NAME' is not supported with this model."},
    "value": {
        "message": "'NAME' does not support 0 with this model. Only the default (1) is.",
        "param": "NAME",
    },
    "param": UNSAID,
    "mistral": {"detail": [{"type": "extra_forbidden", "loc": ["body", "NAME"], "msg": "not permitted"}]},
    "xai": {"message": "Argument not supported on this model: NAME"},
    "anthropic": {"type": "invalid_request_error", "message": "`NAME` is deprecated for this model."},
}


def denying(*names: str, wording: str = "openai") -> Callable[[str, Mapping[str, Any]], Any]:
    """Refuses the first of these parameters that is there."""

    def said(number: str, body: Mapping[str, Any]) -> Any:
        for name in names:
            if name in body:
                told = repr({"error": WORDINGS[wording]}).replace("'", '"').replace("NAME", name)
                return Raw(told.replace('"NAME"', name).encode(), 400)
        return message(f"{number}\n\nEND of it")

    return said


@pytest.fixture(scope="module")
def shared_lab(
    tmp_path_factory: pytest.TempPathFactory, prefect_server: str, catalog_index: Path
) -> Iterator[Lab]:
    with pytest.MonkeyPatch.context() as patch:
        lab = Lab(tmp_path_factory.mktemp("odd"))
        (lab.home / "catalog").symlink_to(catalog_index)
        patch.delenv("ASSAY_DATA_ROOT", raising=False)
        patch.setenv("OPENAI_API_KEY", "EMPTY")
        hide_installed_catalog(patch)
        lab.add_texts(
            "sums",
            DOCS,
            generation_kwargs={"until": STOPS, "max_gen_toks": 64},
            filter_list=[{"name": "whole", "filter": [{"function": "take_first"}]}],
        )
        yield lab


@pytest.fixture
def lab(shared_lab: Lab, tmp_path: Path) -> Lab:
    return Lab(tmp_path, beside=shared_lab)


@pytest.fixture
def odd() -> Iterator[OddEndpoint]:
    with odd_endpoint(cases={"sums": denying()}) as endpoint:
        yield endpoint


def score(lab: Lab, model: str) -> float:
    result = lab.evaluate("sums", model)
    assert not result.failures
    found: float = result.results["results"]["sums"]["exact_match,whole"]
    return found


def chat(odd: OddEndpoint, more: str = "") -> str:
    return f"openai-chat:m?base_url={odd.url}/v1&backoff=0.01{more}"


@pytest.mark.parametrize(
    "models",
    [*(Raw(b'{"error": "no"}', status) for status in (401, 403, 404, 500)), Raw(b"<html>"), None],
    ids=["401", "403", "404", "500", "no json", "hangs"],
)
def test_a_list_of_models_that_is_closed_or_slow_stops_no_run(
    lab: Lab, odd: OddEndpoint, models: Raw | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backends.endpoints.probe._GREETING_SECONDS", 0.5)
    odd.models = models
    assert score(lab, chat(odd)) == 1.0
    assert odd.asked["sums"] == DOCS


@pytest.mark.parametrize("more", ["", "&stream=true"])
def test_parameters_that_are_refused_are_done_without_and_said_once(
    lab: Lab, odd: OddEndpoint, more: str, capfd: pytest.CaptureFixture[str]
) -> None:
    odd.cases = {"sums": denying("temperature", "stop", "max_tokens", "stream_options")}
    odd.headers = {"x-policy": "y" * 20_000}
    assert score(lab, chat(odd, more)) == 1.0
    said = capfd.readouterr().err
    for line in (
        "temperature is not taken and left out",
        "stop is not taken",
        "sent as max_completion_tokens",
    ):
        assert said.count(line) == 1
    last = odd.bodies[-1]
    assert last["max_completion_tokens"] == 64
    assert not last.keys() & {"temperature", "stop", "max_tokens", "stream_options"}


@pytest.mark.parametrize("wording", WORDINGS)
def test_a_refusal_is_understood_in_many_words(lab: Lab, odd: OddEndpoint, wording: str) -> None:
    odd.cases = {"sums": denying("temperature", wording=wording)}
    assert score(lab, chat(odd)) == 1.0


def test_in_batches_refused_parameters_are_done_without_too(lab: Lab, odd: OddEndpoint) -> None:
    def refused(lines: list[dict[str, Any]]) -> bytes:
        for line in lines:
            if isinstance(raw := line["response"]["body"], Raw):
                told = {"message": "Unsupported parameter: 'temperature' is not supported."}
                line["response"] = {"status_code": raw.status, "body": {"error": told}}
        return as_lines(lines)

    odd.cases, odd.quirks = {"sums": denying("temperature")}, {"": refused}
    assert score(lab, f"openai-batch:m?base_url={odd.url}/v1&poll=0.02") == 1.0
    assert len(odd.batches) == 2


def test_a_parameter_that_matters_is_never_left_out_by_itself(lab: Lab, odd: OddEndpoint) -> None:
    lab.add_texts("picky", 1, generation_kwargs={"until": STOPS, "top_k": 3})
    odd.cases = {"picky": denying("top_k", wording="param")}
    result = lab.evaluate("picky", chat(odd))
    assert 'extra_body={"top_k": null} leaves it out' in result.failures["picky"]


def without(*numbers: int) -> Quirk:
    return lambda lines: as_lines([line for number, line in enumerate(lines) if number not in numbers])


def with_bad_line(lines: list[dict[str, Any]]) -> bytes:
    if len(lines) < DOCS:
        return as_lines(lines)
    return as_lines(lines[:1]) + as_lines(lines[1:2])[:60] + b"\n" + as_lines(lines[2:])


def with_errors(*errors: Any) -> Quirk:
    """The first lines have these in place of answers, the first time."""

    def quirk(lines: list[dict[str, Any]]) -> bytes:
        if len(lines) == DOCS:
            for line, error in zip(lines, errors, strict=False):
                line |= {"response": None, "error": error}
        return as_lines(lines)

    return quirk


def strange_lines(lines: list[dict[str, Any]]) -> bytes:
    """Unknown and doubled names, a blank line, and one that is no object; all the answers are there."""
    unknown = {**lines[0], "custom_id": "somebody's"}
    doubled = {**lines[1], "response": {"status_code": 500, "body": "overloaded"}}
    return as_lines([unknown, doubled, *lines]) + b"\n\n   \n[1]\n"


QUIRKS: Mapping[str, tuple[Quirk, int]] = {
    "blank": (lambda lines: as_lines(lines) + b"\n", DOCS),
    "strange": (strange_lines, DOCS),
    "bad line": (with_bad_line, DOCS + 1),
    "texts": (with_errors("gone", {"code": "server_error"}, ["gone"]), DOCS + 3),
    "cut": (lambda lines: as_lines(lines)[:-40] if len(lines) == DOCS else as_lines(lines), DOCS + 1),
    "no end of line": (lambda lines: as_lines(lines).rstrip(), DOCS),
}


@pytest.mark.parametrize("quirk", QUIRKS)
def test_of_a_batch_all_is_collected_that_can_be_and_no_more_is_handed_in_again(
    lab: Lab, odd: OddEndpoint, quirk: str
) -> None:
    odd.quirks = {"": QUIRKS[quirk][0]}
    assert score(lab, f"openai-batch:m?base_url={odd.url}/v1&poll=0.02") == 1.0
    assert odd.asked["sums"] == QUIRKS[quirk][1]


def test_a_batch_that_names_its_file_late_is_waited_for(
    lab: Lab, odd: OddEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    show = OddEndpoint.get

    def late(endpoint: OddEndpoint, path: str) -> Any:
        nonlocal looks
        shown = show(endpoint, path)
        if "/batches/" not in path:
            return shown
        looks += 1
        return {**shown, "output_file_id": None} if looks < 6 else shown

    monkeypatch.setattr(OddEndpoint, "get", late)
    assert score(lab, f"openai-batch:m?base_url={odd.url}/v1&poll=0.02") == 1.0
    assert (odd.asked["sums"], len(odd.batches)) == (DOCS, 1)


def test_a_batch_that_never_names_its_file_is_paid_for_once_and_waits_for_the_next_start(
    lab: Lab, odd: OddEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backends.batches.submission._ANSWERS_NAMED", 0.2)
    show = OddEndpoint.get
    monkeypatch.setattr(OddEndpoint, "get", lambda self, path: _nameless(show(self, path)))
    model = f"openai-batch:m?base_url={odd.url}/v1&poll=0.02"
    stopped = lab.evaluate("sums", model)
    assert "has not named its file of answers" in stopped.failures["sums"]
    monkeypatch.setattr(OddEndpoint, "get", show)
    assert score(lab, model) == 1.0
    assert (odd.asked["sums"], len(odd.batches)) == (DOCS, 1)


def _nameless(shown: Any) -> Any:
    return {**shown, "output_file_id": None} if isinstance(shown, dict) and "id" in shown else shown
