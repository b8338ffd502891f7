"""Who gave the stored answers: a model that its endpoint calls otherwise now, and answers beside them."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import sqlalchemy as sa

from backends.store.responses import ResponseStore
from backends.store.tables import ANSWERERS
from flows.results.remarks import remarks
from tests.support.lab import Lab


@dataclass
class Chats:
    """A server of chats. name: what it calls its model; listed: its list of models; asked: how many chats."""

    name: str = "m-2026-01"
    listed: list[str] = field(default_factory=list)
    system_fingerprint: str = "fp_1"
    asked: int = 0
    url: str = ""

    def model(self, **options: str) -> str:
        return f"openai-chat:m?base_url={self.url}/v1" + "".join(f"&{k}={v}" for k, v in options.items())

    def content(self, path: str) -> object:
        if path.endswith("/models"):
            return {"data": [{"id": name} for name in self.listed]}
        self.asked += 1
        return {
            "model": self.name,
            "system_fingerprint": self.system_fingerprint,
            "choices": [{"message": {"content": f"It is {self.asked}."}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 20, "completion_tokens": 4, "total_tokens": 24},
        }


@contextmanager
def serving(chats: Chats) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            body = json.dumps(chats.content(self.path)).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST  # noqa: N815 - the names are http.server's

        def log_message(self, format: str, *args: object) -> None:
            """Not on the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    chats.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def chats() -> Iterator[Chats]:
    made = Chats()
    with serving(made):
        yield made


@pytest.fixture
def begun(lab: Lab, chats: Chats) -> Lab:
    """A lab with the answers to 4 of 12 documents."""
    lab.add_texts("sums", 12)
    assert not lab.evaluate("sums", chats.model(), limit=4).failures
    assert chats.asked == 4
    return lab


def test_a_model_of_another_name_is_asked_once_and_refused_and_goes_on_where_the_user_says_so(
    begun: Lab, chats: Chats
) -> None:
    chats.name = "m-2026-11"
    refused = begun.evaluate("sums", chats.model()).failures["sums"]
    assert "calls the model 'm-2026-11'" in refused
    assert "'m-2026-01'" in refused
    assert "--reuse" in refused
    assert "--ask-anew" in refused
    assert chats.asked == 5
    result = begun.evaluate("sums", chats.model(), reuse=True)
    assert not result.failures
    assert chats.asked == 5 + 8, "the answer of the refused model was not stored"
    assert any("m-2026-01 (4 answers)" in line and "m-2026-11 (8" in line for line in remarks(result.record))
    assert begun.evaluate("sums", chats.model(), seed=7).results["assay"]["requests_asked"] == 0


def test_a_server_that_lists_another_model_is_refused_without_a_question(begun: Lab, chats: Chats) -> None:
    chats.listed = ["other"]
    assert "calls the model 'other'" in begun.evaluate("sums", chats.model()).failures["sums"]
    assert chats.asked == 4
    chats.listed = ["m-2026-01"]
    assert not begun.evaluate("sums", chats.model()).failures
    assert chats.asked == 12


def test_answers_that_an_older_version_stored_tell_who_gave_them(begun: Lab, chats: Chats) -> None:
    with ResponseStore.open(begun.home / "responses.sqlite") as store:
        store._database.do(lambda connection: connection.execute(sa.delete(ANSWERERS)))
    chats.name = "m-2026-11"
    assert "'m-2026-01'" in begun.evaluate("sums", chats.model()).failures["sums"]
    assert chats.asked == 5


def test_a_changed_system_fingerprint_is_said_and_counted_and_refuses_nothing(
    begun: Lab, chats: Chats
) -> None:
    chats.system_fingerprint = "fp_2"
    result = begun.evaluate("sums", chats.model())
    assert not result.failures
    assert result.results["assay"]["answers"]["system_fingerprints"] == {"fp_1": 4, "fp_2": 8}
    (line,) = (line for line in remarks(result.record) if "system_fingerprint" in line)
    assert "fp_2 (8 answers), fp_1 (4 answers)" in line


def test_a_line_says_how_many_answers_are_of_earlier_runs(begun: Lab, chats: Chats) -> None:
    result = begun.evaluate("sums", chats.model())
    (line,) = (line for line in remarks(result.record) if "earlier runs" in line)
    assert line.startswith("4 of 12 answers are of earlier runs, ")
    assert result.results["assay"]["answers"]["since"] <= result.results["assay"]["started"]


def test_a_generation_of_its_own_is_asked_beside_the_old_and_goes_on(begun: Lab, chats: Chats) -> None:
    chats.name = "m-2026-11"
    part = begun.evaluate("sums", chats.model(), limit=3, ask_anew="november")
    assert not part.failures
    assert chats.asked == 4 + 3
    whole = begun.evaluate("sums", chats.model(), ask_anew="november")
    assert chats.asked == 4 + 12
    assert whole.results["assay"]["requests_reused"] == 3
    assert whole.results["assay"]["cost"]["run"]["tokens_out"] == 12 * 4
    chats.name = "m-2026-01"
    assert begun.evaluate("sums", chats.model(), ask_anew="").results["assay"]["requests_reused"] == 4
    assert chats.asked == 4 + 12 + 8


def test_a_generation_is_scored_anew_by_itself(begun: Lab, chats: Chats, tmp_path: Path) -> None:
    from flows import rescore
    from flows.specs.rescoring import RescoreSpec

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASSAY_HOME", str(begun.home))
        run = begun.evaluate("sums", chats.model(), limit=3, ask_anew="november")
        begun.edit_task("sums", description="")
        again = rescore(RescoreSpec(run=run.folder, output=tmp_path / "again"))
    assert chats.asked == 4 + 3
    assert again.record.assay.model_key == run.record.assay.model_key
    assert again.results["results"] == run.results["results"]


def test_headers_and_versions_that_are_given_decide_who_answers(lab: Lab, chats: Chats) -> None:
    lab.add_texts("sums", 3)
    key = lab.evaluate("sums", chats.model()).record.assay.model_key
    project = chats.model(headers='{"OpenAI-Project":"a"}')
    assert lab.evaluate("sums", project).record.assay.model_key != key
    assert chats.asked == 6
    assert (
        lab.evaluate("sums", chats.model(headers='{"openai-project":"a"}')).results["assay"][
            "requests_reused"
        ]
        == 3
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OF_NOBODY", "sk-of-nobody")
        secret = chats.model(headers='{"x-api-key":"env:OF_NOBODY"}')
        assert lab.evaluate("sums", secret).record.assay.model_key == key
    assert chats.asked == 6
