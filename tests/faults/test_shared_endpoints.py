"""The odd endpoints that are kept beside the repository: each mode counts as its README says."""

import base64
import json
import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from flows.results.evaluation_result import EvaluationResult
from tests.support.lab import Lab
from tests.support.paths import SHARED
from tests.support.waiting import until

CASES = SHARED / "cases" / "endpoints"
DOCS = 8

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CASES.is_dir(), reason=f"no endpoints at {CASES}"),
]


@contextmanager
def served(script: str, *arguments: str) -> Iterator[str]:
    """A server of the cases on a free port: its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, str(CASES / script), str(port), *arguments])
    try:
        assert until(lambda: _is_up(port))
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def _is_up(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with served("server.py", "healthy") as address:
        yield address


class Modes:
    """Runs of the capitals, each against one mode."""

    def __init__(self, lab: Lab, server: str) -> None:
        self._lab = lab
        self._server = server

    def run(
        self, mode: str, keys: dict[str, Any], tasks: str = "capitals", options: str = "", **spec: Any
    ) -> tuple[EvaluationResult, int]:
        """The result, and how many calls it took."""
        name = base64.urlsafe_b64encode(
            json.dumps({"mode": mode, **keys, "of": os.urandom(4).hex()}).encode()
        )
        kind = spec.pop("kind", "openai-chat")
        model = f"{kind}:m?base_url={self._server}/x/{name.decode()}/v1&backoff=0.01{options}"
        result = evaluated(self._lab, tasks, model, **spec)
        with urllib.request.urlopen(f"{self._server}/stats", timeout=10) as stats:
            return result, json.load(stats)[name.decode()]


def evaluated(lab: Lab, tasks: str, model: str, **spec: Any) -> EvaluationResult:
    where = {"data_root": str(CASES / "data"), "include_path": str(CASES / "tasks")}
    return lab.evaluate(tasks, model, **{"apply_chat_template": True, **where, **spec})


@pytest.fixture
def modes(lab: Lab, server: str) -> Modes:
    return Modes(lab, server)


def score(result: EvaluationResult) -> float:
    assert not result.failures
    found: float = result.results["results"]["capitals"]["exact_match,strip"]
    return found


@pytest.mark.parametrize("stream", ["", "&stream=true"])
def test_what_follows_thinking_is_scored(modes: Modes, stream: str) -> None:
    assert score(modes.run("thinking", {}, options=stream)[0]) == 1.0


@pytest.mark.parametrize("reason", ["error", "abort", "network_error", "insufficient_system_resource", "x"])
def test_an_end_that_is_none_is_a_failure(modes: Modes, reason: str) -> None:
    result, calls = modes.run("finish", {"finish": reason}, min_coverage=0.5)
    assert score(result) == 1.0
    assert list(result.calls("capitals")["status"]).count("failed") == 2
    assert calls == DOCS + 2


@pytest.mark.parametrize("reason", ["model_length", "max_tokens", "MAX_TOKENS", "length"])
def test_limits_by_all_names_are_limits(modes: Modes, reason: str) -> None:
    calls = modes.run("finish", {"finish": reason})[0].calls("capitals")
    assert list(calls["status"]).count("truncated") == 2


@pytest.mark.parametrize("reason", ["content_filter", "content_filter: X", "SAFETY", "refusal"])
def test_filters_by_all_names_are_refusals(modes: Modes, reason: str) -> None:
    calls = modes.run("finish", {"finish": reason})[0].calls("capitals")
    assert list(calls["status"]).count("refused") == 2


@pytest.mark.parametrize("keys", [{"content": ""}, {}])
def test_a_stop_in_thinking_cuts_it_off_unless_none_is_sent(modes: Modes, keys: dict[str, str]) -> None:
    result, calls = modes.run("stop_in_thinking", keys)
    assert calls == DOCS
    assert result.results["assay"]["tasks"]["capitals"]["truncated_while_thinking"] == DOCS
    assert "--end-of-thinking" in result.table()
    assert score(modes.run("stop_in_thinking", keys, end_of_thinking="</think>")[0]) == 1.0


@pytest.mark.parametrize("mode", ["parts", "nofinish"])
def test_odd_forms_of_whole_answers_are_read(modes: Modes, mode: str) -> None:
    result, calls = modes.run(mode, {})
    assert (score(result), calls) == (1.0, DOCS)


def test_null_contents_count_in_the_budget(modes: Modes) -> None:
    result, calls = modes.run("null_content", {}, budget_tokens=3000)
    assert result.failures
    assert calls <= 2 * DOCS
    assert modes.run("null_content", {"bad": "France"}, min_coverage=0.5)[1] == DOCS + 1


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 4025},
        {
            "prompt_tokens": 20,
            "completion_tokens": 5,
            "completion_tokens_details": {"reasoning_tokens": 4000},
        },
    ],
)
def test_thinking_is_paid_for(modes: Modes, usage: dict[str, Any]) -> None:
    price = {"in": 1.0, "out": 10.0}
    result, _ = modes.run("usage", {"usage": json.dumps(usage)}, price=price)
    assert result.results["assay"]["cost"]["run"]["usd"] == pytest.approx(DOCS * (20 + 40050) / 1e6)


def test_a_stream_without_text_is_as_an_answer_without_one(modes: Modes) -> None:
    result, calls = modes.run("s_empty", {}, options="&stream=true")
    assert "no content" in result.failures["capitals"]
    assert calls == 2 * DOCS


def test_parameters_are_left_out_once_told(modes: Modes, capfd: pytest.CaptureFixture[str]) -> None:
    assert score(modes.run("params", {"deny": "temperature,stop,max_tokens"})[0]) == 1.0
    assert capfd.readouterr().err.count("temperature is not taken") == 1


def test_offsets_that_drift_are_refused(modes: Modes) -> None:
    how: dict[str, Any] = {"tasks": "capitals_u", "kind": "openai-completions", "apply_chat_template": False}
    right, _ = modes.run("drift", {"drift": "0"}, **how)
    assert not right.failures
    result, _ = modes.run("drift", {}, **how)
    assert "capitals_u" in result.failures


@pytest.mark.parametrize("models", ["hang", "401"])
def test_a_list_of_models_that_is_closed_stops_nothing(modes: Modes, models: str) -> None:
    result, calls = modes.run("healthy", {"models": models})
    assert (score(result), calls) == (1.0, DOCS)


@pytest.mark.parametrize("quirk", ["latefile", "blank", "line500", "expired", "none"])
def test_batches_are_collected_once(lab: Lab, quirk: str, tmp_path: Path) -> None:
    with served("batch_server.py", quirk) as address:
        result = evaluated(lab, "capitals", f"openai-batch:m?base_url={address}/v1&poll=0.3&max_tries=3")
        with urllib.request.urlopen(f"{address}/stats", timeout=10) as stats:
            lines = json.load(stats)["lines"]
    if quirk == "line500":  # each batch of more than two has one line that fails
        assert lines == DOCS + 1
    else:
        assert lines == DOCS + 4 * (quirk == "expired")
    assert score(result) == 1.0
