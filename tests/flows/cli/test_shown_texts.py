"""Texts of others on the terminal: aliases, and what endpoints say."""

import json

import pytest

from tests.support.http_stub import http_stub
from tests.support.lab import Lab

ESCAPES = "\x1b]0;owned\x07\x1b[2J\u202egnp.exe"
WRITTEN_OUT = r"\x1b]0;owned\x07\x1b[2J\u202egnp.exe"


def is_harmless(text: str) -> bool:
    return not any(sign in text for sign in "\x1b\x07\u202e")


def test_an_alias_is_shown_without_what_a_terminal_would_do(lab: Lab) -> None:
    lab.add_texts("sums", 2, task_alias=f"{ESCAPES}\nfailed: none")
    result = lab.evaluate("sums")
    table = result.table()
    assert is_harmless(table)
    assert f"{WRITTEN_OUT} failed: none" in table
    assert result.results["results"]["sums"]["alias"].startswith(ESCAPES)


def test_so_is_what_an_endpoint_says(lab: Lab, capfd: pytest.CaptureFixture[str]) -> None:
    lab.add_texts("sums", 2)
    with http_stub(status=400) as stub:
        stub.body = json.dumps({"error": {"message": f"{ESCAPES}\nerror: none"}}).encode()
        ended = lab.run(tasks="sums", model=f"openai-chat:m?base_url={stub.url}/v1&max_tries=1")
    assert ended.status == 1
    assert is_harmless(ended.errors + ended.out)
    assert WRITTEN_OUT in ended.errors
    assert "\nerror: none" not in ended.errors
