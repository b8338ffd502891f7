"""Each fault as a plain HTTP client sees it, and what the server says of it afterwards."""

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.endpoints.answers import chat_prompt, count_tokens, short_hash, text_for
from tests.support.endpoints.endpoint import Endpoint
from tests.support.waiting import until


def body(question: str = "What?", **more: object) -> dict[str, Any]:
    return {"model": "stand-in", "messages": [{"role": "user", "content": question}], **more}


def asked(endpoint: Endpoint, *bodies: dict[str, Any], at_once: bool = False) -> list[Any]:
    """The answer to each body, as status, headers, bytes; or what went wrong."""

    async def one(session: aiohttp.ClientSession, what: dict[str, Any]) -> Any:
        try:
            async with session.post(f"{endpoint.url}/chat/completions", json=what) as answer:
                return answer.status, answer.headers, await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            return error

    async def all_() -> list[Any]:
        timeout = aiohttp.ClientTimeout(total=5)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            if at_once:
                return await asyncio.gather(*(one(session, what) for what in bodies))
            return [await one(session, what) for what in bodies]

    return asyncio.run(all_())


def outcome(endpoint: Endpoint) -> str:
    (entry,) = endpoint.log()
    return str(entry["outcome"])


def test_one_connection_serves_many_calls(endpoint: Endpoint) -> None:
    answers = asked(endpoint, *(body(str(number)) for number in range(5)))
    assert [status for status, _, _ in answers] == [200] * 5
    assert len({content for _, _, content in answers}) == 5


def test_a_rate_limit_says_when_to_come_back(endpoint: Endpoint) -> None:
    endpoint.change(rate_limited=1, retry_after=2.5)
    ((status, headers, _),) = asked(endpoint, body())
    assert (status, headers["Retry-After"]) == (429, "2.5")
    endpoint.change(retry_after=None)
    ((_, headers, _),) = asked(endpoint, body())
    assert "Retry-After" not in headers


def test_a_dropped_call_has_no_answer(endpoint: Endpoint) -> None:
    endpoint.change(dropped=1)
    (error,) = asked(endpoint, body())
    assert isinstance(error, aiohttp.ServerDisconnectedError)
    assert outcome(endpoint) == "dropped"


def test_a_malformed_answer_is_no_json(endpoint: Endpoint) -> None:
    endpoint.change(malformed=1)
    whole, streamed = asked(endpoint, body(), body(stream=True))
    assert whole[0] == streamed[0] == 200
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        json.loads(whole[2])
    event = streamed[2].split(b"\n\n")[1].removeprefix(b"data: ")
    with pytest.raises(ValueError, match="Extra data"):
        json.loads(event)


def test_a_hanging_call_is_in_flight_until_its_client_goes_away(endpoint: Endpoint) -> None:
    endpoint.change(hanging=1)

    async def wait_in_vain() -> int:
        async with aiohttp.ClientSession() as session:
            call = asyncio.create_task(session.post(f"{endpoint.url}/chat/completions", json=body()))
            while not endpoint.counts()["arrived"]:
                await asyncio.sleep(0.001)
            in_flight: int = endpoint.counts()["in_flight"]
            call.cancel()
            return in_flight

    assert asyncio.run(wait_in_vain()) == 1
    assert until(lambda: endpoint.counts()["outcomes"] == {"hanging": 1})
    assert endpoint.counts()["in_flight"] == 0


def test_a_cut_stream_ends_without_saying_so(endpoint: Endpoint) -> None:
    endpoint.change(cut=1)
    streamed, whole = asked(endpoint, body(stream=True), body())
    assert streamed[0] == 200
    assert b'"content": " ' in streamed[2]
    assert b"[DONE]" not in streamed[2]
    assert b'"finish_reason": "' not in streamed[2]
    assert isinstance(whole, aiohttp.ClientPayloadError)
    assert endpoint.counts()["outcomes"] == {"cut": 2}


def test_wrong_usage_is_wrong_in_several_ways(endpoint: Endpoint) -> None:
    endpoint.change(wrong_usage=1)
    answers = [json.loads(content) for _, _, content in asked(endpoint, *(body(str(n)) for n in range(40)))]
    ways = Counter(
        "missing"
        if "usage" not in answer
        else "null"
        if answer["usage"] is None
        else "negative"
        if answer["usage"]["prompt_tokens"] < 0
        else "huge"
        if answer["usage"]["prompt_tokens"] > 10**12
        else "right"
        for answer in answers
    )
    assert set(ways) == {"missing", "null", "negative", "huge"}
    assert all(answer["choices"][0]["message"]["content"] for answer in answers)


def test_an_empty_answer_has_no_content(endpoint: Endpoint) -> None:
    endpoint.change(empty=1)
    ((status, _, content),) = asked(endpoint, body())
    assert status == 200
    assert json.loads(content)["choices"][0]["message"]["content"] is None


def test_faults_fall_on_the_same_requests_in_any_order(endpoint: Endpoint) -> None:
    faulty = {"rate_limited": 0.2, "server_error": 0.2, "dropped": 0.1, "empty": 0.2}
    bodies = [body(str(number)) for number in range(100)]
    runs = []
    for sent in (bodies, bodies[::-1]):
        endpoint.reset()
        endpoint.change(**faulty)
        asked(endpoint, *sent, at_once=True)
        runs.append({entry["body"]: entry["outcome"] for entry in endpoint.log()})
    assert runs[0] == runs[1]
    counted = Counter(runs[0].values())
    assert set(counted) == {*faulty, "answered"}
    assert 10 <= counted["rate_limited"] <= 30


def test_a_retried_call_may_be_answered(endpoint: Endpoint) -> None:
    endpoint.change(server_error=0.5)
    asked(endpoint, *[body()] * 12)
    assert endpoint.counts()["outcomes"].keys() == {"server_error", "answered"}


def test_another_seed_affects_other_requests(endpoint: Endpoint) -> None:
    outcomes = []
    for seed in (1, 2):
        endpoint.reset()
        endpoint.change(server_error=0.5, seed=seed)
        asked(endpoint, *(body(str(number)) for number in range(30)))
        outcomes.append([entry["outcome"] for entry in endpoint.log()])
    assert outcomes[0] != outcomes[1]


def test_an_outage_begins_and_ends_by_itself(endpoint: Endpoint) -> None:
    endpoint.change(outage=[0.0, 0.05])
    first, during = asked(endpoint, body("a"), body("b"))
    assert first[0] == 200
    assert isinstance(during, aiohttp.ClientError)
    assert endpoint.counts()["refused_connections"] >= 1
    assert until(lambda: not isinstance(asked(endpoint, body("c"))[0], aiohttp.ClientError))


def test_a_server_that_is_down_takes_no_calls_until_it_is_up_again(endpoint: Endpoint) -> None:
    endpoint.change(down=True)
    assert isinstance(asked(endpoint, body())[0], aiohttp.ClientError)
    assert endpoint.counts()["arrived"] == 0
    endpoint.change(down=False)
    assert asked(endpoint, body())[0][0] == 200


def test_more_calls_at_once_than_the_limit_are_refused(endpoint: Endpoint) -> None:
    endpoint.change(concurrency_limit=4, latency=0.05)
    asked(endpoint, *(body(str(number)) for number in range(10)), at_once=True)
    counts = endpoint.counts()
    assert counts["outcomes"] == {"answered": 4, "over_limit": 6}
    # The refused one is in flight itself while it is refused.
    assert counts["most_in_flight"] == 5


def test_a_server_that_collapses_gets_slower_with_the_square(endpoint: Endpoint) -> None:
    endpoint.change(concurrency_limit=1, latency=0.01, collapse=True)
    asked(endpoint, *(body(str(number)) for number in range(4)), at_once=True)
    waits = sorted(entry["first_byte"] - entry["arrived"] for entry in endpoint.log())
    assert endpoint.counts()["outcomes"] == {"answered": 4}
    assert waits[0] >= 0.01
    assert waits[-1] >= 0.16


def test_times_are_kept_before_an_answer_and_between_tokens(endpoint: Endpoint) -> None:
    endpoint.change(latency=0.02, first_token=0.03, latency_per_token=0.005)
    asked(endpoint, body(stream=True), body())
    streamed, whole = endpoint.log()
    tokens = count_tokens(text_for(chat_prompt(body()["messages"])))
    assert streamed["first_byte"] - streamed["arrived"] >= 0.019
    assert streamed["last_byte"] - streamed["first_byte"] >= 0.029 + 0.005 * (tokens - 1)
    assert whole["first_byte"] - whole["arrived"] >= 0.019 + 0.005 * tokens


def test_answers_are_counted_by_request(endpoint: Endpoint) -> None:
    asked(endpoint, body("a"), body("a"), body("b"))
    counts = endpoint.counts()
    assert (counts["arrived"], counts["distinct_answered"], counts["most_answers"]) == (3, 2, 2)
    prompts = [entry["prompt"] for entry in endpoint.log()]
    assert prompts[0] == prompts[1] == short_hash(chat_prompt(body("a")["messages"]).encode())


def test_a_file_has_each_arrival_and_answer(endpoint: Endpoint, tmp_path: Path) -> None:
    file = tmp_path / "calls.jsonl"
    endpoint.change(log_file=str(file))
    asked(endpoint, body("a"), body("b"))
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(line["event"], line["number"]) for line in lines] == [
        ("arrived", 0),
        ("answered", 0),
        ("arrived", 1),
        ("answered", 1),
    ]


def test_a_reset_server_is_healthy_and_has_seen_nothing(endpoint: Endpoint) -> None:
    endpoint.change(server_error=1)
    asked(endpoint, body())
    endpoint.reset()
    assert endpoint.counts()["arrived"] == 0
    assert asked(endpoint, body())[0][0] == 200


def test_a_behaviour_there_is_not_is_refused(endpoint: Endpoint) -> None:
    with pytest.raises(ValueError, match="unexpected keyword"):
        endpoint.change(rate_limted=1)
    with pytest.raises(ValueError, match="between 0 and 1"):
        endpoint.change(dropped=0.7, hanging=0.7)


def test_requests_in_pieces_and_several_in_one_are_read(endpoint: Endpoint) -> None:
    content = json.dumps(body()).encode()
    request = b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(content), content)

    async def talk() -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", endpoint.port)
        for at in range(0, len(request), 40):
            writer.write(request[at : at + 40])
            await asyncio.sleep(0.002)  # or the pieces would come as one
        writer.write(request * 2)
        came = b""
        while came.count(b"HTTP/1.1 200") < 3:
            came += await asyncio.wait_for(reader.read(4096), 5)
        writer.close()
        return came.count(b"HTTP/1.1 200")

    assert asyncio.run(talk()) == 3
