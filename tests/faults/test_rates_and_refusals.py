"""Whole runs over endpoints that refuse, limit or are slow: what is waited for, what fails and says so."""

import base64
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.results.evaluation_result import EvaluationResult
from tests.support.endpoints.odd import Raw, message, odd_endpoint
from tests.support.lab import Lab
from tests.support.paths import SHARED
from tests.support.waiting import until

CASES = SHARED / "cases" / "endpoints"
Run = Callable[..., EvaluationResult]


@pytest.fixture(scope="module")
def case_server() -> Iterator[str]:
    """The address of a server that does what its address says."""
    script = CASES / "server.py"
    if not script.exists():
        pytest.skip(f"needs {script}")
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, str(script), str(port), "healthy"])
    try:
        assert until(lambda: _answers(f"http://127.0.0.1:{port}/stats"))
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=5).close()
    except OSError:
        return False
    return True


class Cases:
    """Runs of the eight questions against one fault of the server. calls: how many came."""

    def __init__(self, lab: Lab, server: str) -> None:
        self._lab, self._server = lab, server
        self._address = ""

    def run(self, mode: dict[str, Any], options: str = "", **keys: Any) -> EvaluationResult:
        content = json.dumps({**mode, "id": str(time.monotonic())}).encode()
        self._address = base64.urlsafe_b64encode(content).decode()
        return self._lab.evaluate(
            "capitals",
            f"openai-chat:m?base_url={self._server}/x/{self._address}/v1{options}",
            include_path=str(CASES / "tasks"),
            data_root=str(CASES / "data"),
            apply_chat_template=True,
            **keys,
        )

    @property
    def calls(self) -> int:
        with urllib.request.urlopen(f"{self._server}/stats") as answer:
            counts: dict[str, int] = json.load(answer)
        return counts.get(self._address, 0)


@pytest.fixture
def cases(lab: Lab, case_server: str) -> Cases:
    return Cases(lab, case_server)


def score(result: EvaluationResult) -> float:
    found: float = result.results["results"]["capitals"]["exact_match,strip"]
    return found


@pytest.mark.parametrize("html", [None, "1"])
def test_one_403_fails_its_prompt_and_the_rest_is_scored(cases: Cases, html: str | None) -> None:
    mode = {"mode": "one_refused", "status": "403", **({"html": html} if html else {})}
    assert score(cases.run(mode, min_coverage=0.8)) == 1.0
    assert cases.calls == 8


@pytest.mark.parametrize(
    "code", ["invalid_prompt", "content_policy_violation", "data_inspection_failed", "1301"]
)
def test_the_code_of_a_filter_is_a_refusal(cases: Cases, code: str) -> None:
    assert score(cases.run({"mode": "one_refused", "status": "400", "code": code})) == 7 / 8
    assert cases.calls == 8


def test_403s_alone_say_to_see_to_the_key(cases: Cases) -> None:
    result = cases.run({"mode": "always", "status": "403"})
    assert "see to the key" in str(result.failures["capitals"])
    assert cases.calls <= 8


def test_a_time_out_of_ours_is_repeated_once_and_named(
    cases: Cases, capfd: pytest.CaptureFixture[str]
) -> None:
    result = cases.run({"mode": "slow", "seconds": "1.5"}, "&timeout=0.5")
    assert cases.calls == 16
    assert "raise the option timeout" in json.dumps(result.results) + capfd.readouterr().err


def test_a_stream_may_take_longer_than_its_time_out(cases: Cases) -> None:
    assert score(cases.run({"mode": "s_slow", "seconds": "4"}, "&timeout=2&stream=true")) == 1.0
    assert cases.calls == 8


@pytest.mark.parametrize(
    "value",
    ["0", "-5", "nan", "inf", "Wed, 21 Oct 2015 07:28:00 GMT"],
    ids=["0", "below", "nan", "inf", "past"],
)
def test_a_wait_that_is_none_is_taken_for_none(cases: Cases, value: str) -> None:
    began = time.monotonic()
    limited = {
        "mode": "until_time",
        "status": "429",
        "seconds": "3",
        "headers": json.dumps({"Retry-After": value}),
    }
    assert score(cases.run(limited)) == 1.0
    assert time.monotonic() - began < 60
    assert cases.calls <= 8 + 8 + 8


@pytest.mark.slow
def test_a_rate_limit_of_minutes_is_waited_out_and_said(
    cases: Cases, capfd: pytest.CaptureFixture[str]
) -> None:
    assert score(cases.run({"mode": "until_time", "status": "429", "seconds": "100"})) == 1.0
    assert cases.calls <= 30
    assert "calls wait, and the next is made at" in capfd.readouterr().err


def test_prompts_that_are_refused_among_others_do_not_stop_a_run(lab: Lab, tmp_path: Path) -> None:
    """By a firewall's page, by a filter's code in `type`, and by a plain 403."""
    refused = {
        "page": Raw(b"<html><title>Attention Required!</title></html>", 403),
        "typed": Raw(b'{"error": {"message": "high risk", "code": "400", "type": "content_filter"}}', 400),
        "plain": Raw(b'{"error": {"message": "flagged"}}', 403),
    }
    for name in refused:
        lab.add_texts(name, 6)

    def case(name: str) -> Any:
        return lambda number, _: refused[name] if number == "2" else message(number)

    with odd_endpoint(cases={name: case(name) for name in refused}) as endpoint:
        result = lab.evaluate(
            ",".join(refused),
            f"openai-chat:m?base_url={endpoint.url}",
            apply_chat_template=True,
            min_coverage=0.8,
        )
    found = {name: result.results["results"][name]["exact_match,number"] for name in refused}
    assert found == {"page": 1.0, "typed": 5 / 6, "plain": 1.0}
