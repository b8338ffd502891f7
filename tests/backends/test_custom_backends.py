"""Backends of users' own, in every way in which they are written, in whole runs."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.lab import Lab
from tests.support.paths import ROOT

MODULE = """
from backends.protocol import Capabilities
from backends.requests import Response
from backends.simple.base import SimpleBackend

KINDS = frozenset({"loglikelihood", "loglikelihood_rolling", "generate_until"})


def said(request):
    if request.kind == "generate_until":
        return Response(text=request.prompt.split("?")[0].split()[-1])
    return Response(logprob=-float(len(request.continuation)), is_greedy=False)


class Whole:
    capabilities = Capabilities(KINDS, chat_template=True)
    fingerprint = {"backend": "mine"}

    def load(self, kinds): ...

    def chat_template(self): return "<user>...<assistant>"

    def apply_chat_template(self, messages, *, continue_final):
        return "".join(f"<{one['role']}>{one['content']}" for one in messages)

    def describe(self): return {}


class OneMethod(Whole):
    def ask(self, requests, context):
        context.check_going_on()
        yield [(position, said(request)) for position, request in enumerate(requests)]


class ThreeMethods(Whole):
    def answers(self, kind, requests):
        assert {request.kind for request in requests} == {kind}
        yield [(position, said(request)) for position, request in enumerate(requests)]

    def loglikelihood(self, requests): return self.answers("loglikelihood", requests)
    def loglikelihood_rolling(self, requests): return self.answers("loglikelihood_rolling", requests)
    def generate_until(self, requests): return self.answers("generate_until", requests)


class Simple(SimpleBackend):
    fingerprint = {"backend": "mine", "way": "simple"}

    def answer(self, request): return said(request)


class SimpleButForTexts(Simple):
    fingerprint = {"backend": "mine", "way": "simple, but for texts"}

    def answer(self, request):
        assert request.kind != "generate_until"
        return said(request)

    def generate_until(self, requests):
        yield [(position, said(request)) for position, request in enumerate(requests)]
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "my_backends.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("my_backends", None)


@pytest.mark.parametrize("name", ["OneMethod", "ThreeMethods", "Simple", "SimpleButForTexts"])
def test_a_backend_is_taken_as_it_is_written(name: str, lab: Lab) -> None:
    lab.add_texts("sums", 3)
    lab.add_choices("picks", 4)  # of which the first is the longer one, and so the less likely
    result = lab.evaluate("sums,picks", f"custom:my_backends:{name}")
    assert not result.failures
    scores = result.results["results"]
    assert scores["sums"]["exact_match,number"] == 1.0
    assert scores["picks"]["acc,none"] == 0.5


@pytest.mark.parametrize("name", ["Shouting?times=2", "Echo"])
def test_the_examples_of_the_manual_are_backends(
    name: str, lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manual = (ROOT / "docs" / "custom_backends.md").read_text()
    code = "\n\n".join(re.findall(r"```python\n(.*?)```", manual, re.S))
    (tmp_path / "my_models.py").write_text(code)
    monkeypatch.delitem(sys.modules, "my_models", raising=False)
    lab.add_texts("sums", 2)
    result = lab.evaluate("sums", f"custom:my_models:{name}", apply_chat_template=name == "Echo")
    assert not result.failures
    (said,) = result.samples("sums")["resps"][0]
    assert said == ["Question: sums 0?\nAnswer:" if name == "Echo" else "QUESTION: SUMS 0?"]


def test_a_chat_reaches_a_backend_of_three_methods_as_the_text_that_it_renders(lab: Lab) -> None:
    lab.add_texts("sums", 2)
    result = lab.evaluate("sums", "custom:my_backends:ThreeMethods", apply_chat_template=True)
    prompts = [arguments[0][0] for arguments in result.samples("sums")["arguments"]]
    assert prompts == [f"<user>Question: sums {number}?\nAnswer:" for number in range(2)]
