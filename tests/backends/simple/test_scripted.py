import json
import time
from pathlib import Path
from typing import Any

import pytest

from backends.errors import BackendError
from backends.protocol import ask
from backends.requests import Request, Response
from backends.simple.scripted import ScriptedBackend, as_response

GENERATE = [Request("generate_until", f"question {number}") for number in range(40)]
TEMPLATE = """\
{% for message in messages %}
<{{ message.role }}>{{ message.content }}</>
{% endfor %}
{% if add_generation_prompt %}
<assistant>{% endif %}
"""


def answers(backend: ScriptedBackend, requests: list[Request]) -> list[Response]:
    found = {position: response for batch in ask(backend, requests) for position, response in batch}
    return [found[position] for position in range(len(requests))]


def table(path: Path, content: Any) -> ScriptedBackend:
    path.write_text(json.dumps(content))
    return ScriptedBackend(str(path))


def test_a_table_answers_by_prompt_and_continuation(tmp_path: Path) -> None:
    backend = table(
        tmp_path / "answers.json",
        {
            "Hi": "Hello\nYou",
            "1 + 1 = 2": -0.5,
            "1 + 1 = 3": [-4, True],
            "?": {"status": "refused"},
            "*": "else",
        },
    )
    texts = [
        Request("generate_until", prompt, generation={"until": "\n"}) for prompt in ("Hi", "?", "unknown")
    ]
    hello, refused, other = answers(backend, texts)
    assert (hello.text, refused.status, other.text) == ("Hello", "refused", "else")
    two, three = answers(backend, [Request("loglikelihood", "1 + 1 =", continuation=f" {n}") for n in (2, 3)])
    assert (two.logprob, two.is_greedy, three.logprob, three.is_greedy) == (-0.5, False, -4.0, True)


def test_a_question_the_table_does_not_know_is_an_error(tmp_path: Path) -> None:
    backend = table(tmp_path / "answers.json", {"Hi": "Hello"})
    with pytest.raises(BackendError, match=r"answers.json has no answer to 'question 0'"):
        answers(backend, GENERATE[:1])


@pytest.mark.parametrize(
    ("content", "hint"), [("[1]", "no object"), ("{", "not JSON"), (None, "cannot be read")]
)
def test_a_wrong_table_is_named(tmp_path: Path, content: str | None, hint: str) -> None:
    path = tmp_path / "answers.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(BackendError, match=f"answers.json.*{hint}"):
        answers(ScriptedBackend(str(path)), GENERATE[:1])


@pytest.mark.parametrize("answer", [None, True, [1], ["a", True], {"txt": "a"}])
def test_an_answer_of_no_known_form_is_an_error(answer: object) -> None:
    with pytest.raises(BackendError, match="a scripted answer is"):
        as_response(answer)


def test_a_function_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_answers.py").write_text("def upper(request): return request.prompt.upper()")
    monkeypatch.syspath_prepend(tmp_path)
    assert [r.text for r in answers(ScriptedBackend("my_answers:upper"), GENERATE[:2])] == [
        "QUESTION 0",
        "QUESTION 1",
    ]


def test_hashed_answers_are_fixed_and_spread() -> None:
    one, other = answers(ScriptedBackend("hash"), GENERATE), answers(ScriptedBackend("hash"), GENERATE)
    assert [r.text for r in one] == [r.text for r in other]
    assert len({r.text for r in one}) > 20
    scores = answers(
        ScriptedBackend("hash"), [Request("loglikelihood", "q", continuation=f" {n}") for n in range(99)]
    )
    assert all(r.logprob is not None and -20 < r.logprob <= 0 for r in scores)
    assert {r.is_greedy for r in scores} == {True, False}


def test_another_version_is_another_model() -> None:
    one, other = ScriptedBackend("hash"), ScriptedBackend("hash", version="2")
    assert one.fingerprint != other.fingerprint
    assert [r.text for r in answers(one, GENERATE)] != [r.text for r in answers(other, GENERATE)]


def test_a_tables_fingerprint_is_its_content_not_its_place(tmp_path: Path) -> None:
    one = table(tmp_path / "a.json", {"*": "yes"}).fingerprint
    assert table(tmp_path / "b.json", {"*": "yes"}).fingerprint == one
    assert table(tmp_path / "a.json", {"*": "no"}).fingerprint != one


def test_the_log_names_each_batch_before_it_is_answered(tmp_path: Path) -> None:
    log = tmp_path / "asked.log"
    batches = ask(ScriptedBackend("hash", batch_size=8, log=log), GENERATE)
    for count in (8, 16):
        assert len(next(batches)) == 8
        assert log.read_text().splitlines() == [request.digest() for request in GENERATE[:count]]


def test_a_batch_takes_the_delay() -> None:
    began = time.perf_counter()
    responses = answers(ScriptedBackend("hash", batch_size=20, delay=0.05), GENERATE)
    assert time.perf_counter() - began >= 0.1
    assert sum(response.seconds for response in responses) >= 0.1


def test_chat_messages_are_rendered_for_a_new_turn_or_to_go_on(tmp_path: Path) -> None:
    file = tmp_path / "template.jinja"
    file.write_text(TEMPLATE)
    backend = ScriptedBackend("hash", chat_template=file)
    question = {"role": "user", "content": "Hi"}
    assert backend.capabilities.chat_template
    assert backend.apply_chat_template([question], continue_final=False) == "<user>Hi</>\n<assistant>"
    begun = [question, {"role": "assistant", "content": "Well, "}]
    assert backend.apply_chat_template(begun, continue_final=True) == "<user>Hi</>\n<assistant>Well,"
    before = dict(backend.fingerprint)
    file.write_text(TEMPLATE + "!")
    assert ScriptedBackend("hash", chat_template=file).fingerprint != before


def test_without_a_template_chat_is_refused() -> None:
    backend = ScriptedBackend("hash")
    assert not backend.capabilities.chat_template
    with pytest.raises(BackendError, match="chat_template=FILE"):
        backend.apply_chat_template([{"role": "user", "content": "Hi"}], continue_final=False)


def test_a_batch_of_none_is_refused() -> None:
    with pytest.raises(BackendError, match="at least 1"):
        ScriptedBackend("hash", batch_size=0)


@pytest.mark.parametrize("answer", [float("nan"), float("-inf"), 0.5, {"is_greedy": True}, [1e999, True]])
def test_what_is_no_log_likelihood_is_a_failed_request(tmp_path: Path, answer: Any) -> None:
    backend = table(tmp_path / "answers.json", {"a b": answer, "*": -1.0})
    bad, good = answers(
        backend, [Request("loglikelihood", "a", continuation) for continuation in (" b", " c")]
    )
    assert (bad.status, good.status) == ("failed", "answer")
    assert "log-likelihood" in (bad.error or "")
