"""What becomes of a request: its dialect, the faults it meets, its answer; and what a test asks."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tests.support.endpoints.answers import short_hash
from tests.support.endpoints.anthropic_api import Anthropic
from tests.support.endpoints.arrivals import ANSWERED, BATCHED, Arrivals
from tests.support.endpoints.batches import Answering, Batches
from tests.support.endpoints.behaviour import Behaviour, draw
from tests.support.endpoints.calls import Call, Reply, stream_reply, whole_reply
from tests.support.endpoints.dialect import Body, Dialect
from tests.support.endpoints.dialects import Azure, SGLang, Tgi
from tests.support.endpoints.generation import WRONGLY, Generation, Problem, checked, generated
from tests.support.endpoints.http1 import Connection, HttpRequest, message
from tests.support.endpoints.limits import limit
from tests.support.endpoints.openai_api import Chat, Completions, models

_OPENAI: Mapping[str, Dialect] = {"/v1/chat/completions": Chat(), "/v1/completions": Completions()}
_AZURE = Azure()
_SERVERS: Mapping[str, Mapping[str, Dialect]] = {
    "openai": _OPENAI,
    "azure": {},
    "anthropic": {"/v1/messages": Anthropic()},
    "sglang": {**_OPENAI, "/generate": SGLang()},
    "tgi": {"/v1/chat/completions": Chat(), "/generate": Tgi()},
}
# How a server speaks of what is wrong on paths that are none of its calls.
_SPEAKERS: Mapping[str, Dialect] = {
    "openai": _OPENAI["/v1/chat/completions"],
    "azure": _AZURE,
    "anthropic": Anthropic(),
    "sglang": SGLang(),
    "tgi": Tgi(),
}
_REFUSED_AT_ONCE = {
    "rate_limited": "Rate limit reached for requests.",
    "server_error": "The server had an error while processing your request.",
    "overloaded": "The server is overloaded.",
}


class Server:
    """The state of a server: its behaviour, what came, and its batches."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.connections = set[Connection]()
        self._start(behaviour)

    def serve(self, request: HttpRequest, connection: Connection) -> None:
        """Answer a request, or do to it what the behaviour says."""
        if request.path.startswith("/_control/"):
            connection.write(self._controlled(request, connection))
            connection.done()
        elif self._behaviour.is_down(self._arrivals.since_first_call()):
            self._arrivals.refuse()
            connection.close()
        else:
            self._serve_call(request, connection)

    # Calls

    def _serve_call(self, request: HttpRequest, connection: Connection) -> None:
        dialect = self._dialect(request)
        if dialect is None:
            connection.write(self._looked_up(request))
            connection.done()
            return
        body_hash = short_hash(request.body)
        arrival = self._arrivals.arrive(request.path, body_hash)
        call = Call(connection, self._arrivals, arrival)
        fault = self._behaviour.fault(body_hash, self._arrivals.earlier(arrival))
        try:
            self._check_caller(dialect, request)
            if fault in _REFUSED_AT_ONCE:
                raise Problem(fault, _REFUSED_AT_ONCE[fault])
            if fault == "dropped":
                call.drop(fault)
            elif fault == "hanging":
                call.hang(fault)
            else:
                body = _json(request.body)
                said = self._said(dialect, request, body, fault, body_hash)
                self._use(said)
                arrival.prompt = short_hash(
                    "\0".join(one.asked.prompt for one in said).encode("utf-8", "replace")
                )
                call.send(self._reply(dialect, body, said, fault), fault or ANSWERED)
        except Problem as problem:
            call.send(Reply(((0.0, self._error(dialect, problem)),)), problem.kind)

    def _dialect(self, request: HttpRequest) -> Dialect | None:
        """Who answers this call; None where it asks for no generation."""
        if request.method != "POST":
            return None
        if self._behaviour.dialect == "azure" and request.path.endswith("/chat/completions"):
            return _AZURE
        return _SERVERS[self._behaviour.dialect].get(request.path)

    def _check_caller(self, dialect: Dialect, request: HttpRequest) -> None:
        behaviour = self._behaviour
        key = dialect.key(request)
        if behaviour.api_key is not None and key != behaviour.api_key:
            # OpenAI repeats the key: whoever logs the message must not.
            raise Problem("unauthorized", f"Incorrect API key provided: {key}")
        if behaviour.no_credit:
            raise Problem(
                "no_credit", "You exceeded your current quota, please check your plan and billing details."
            )
        most = behaviour.concurrency_limit
        if most is not None and not behaviour.collapse and self._arrivals.in_flight > most:
            raise Problem("over_limit", f"More than {most} requests at once.")

    def _use(self, said: Sequence[Generation]) -> None:
        """Count a call by the rates that are enforced. Raises Problem where they are used up."""
        now = time.monotonic()
        tokens = sum(one.asked.prompt_tokens + len(one.tokens) for one in said)
        used = [(rate, tokens if is_tokens else 1) for rate, is_tokens in self._limits]
        wait = max((rate.wait(now, amount) for rate, amount in used), default=0.0)
        if wait > 0:
            named = wait if self._behaviour.names_wait else None
            raise Problem("rate_limited", _REFUSED_AT_ONCE["rate_limited"], named)
        for rate, amount in used:
            rate.use(now, amount)

    def _said(
        self, dialect: Dialect, request: HttpRequest, body: Body, fault: str | None, body_hash: str
    ) -> list[Generation]:
        behaviour = self._behaviour
        asked = [checked(one, behaviour) for one in dialect.asked(request, body, behaviour)]
        said = [generated(one, behaviour, self._texts) for one in asked]
        if fault == "empty":
            return [replace(one, text=None) for one in said]
        if fault == "wrong_usage":
            counted = WRONGLY[int(draw(f"usage {body_hash}") * len(WRONGLY))]
            return [replace(one, counted=counted) for one in said]
        return said

    def _reply(self, dialect: Dialect, body: Body, said: Sequence[Generation], fault: str | None) -> Reply:
        behaviour = self._behaviour
        seconds = behaviour.seconds_before(self._arrivals.in_flight)
        cut = fault == "cut"
        if body.get("stream"):
            stream = dialect.stream(body, said, behaviour)
            if fault == "malformed":
                stream = replace(stream, tokens=[token.replace(b"{", b"", 1) for token in stream.tokens])
            return stream_reply(stream, seconds, behaviour, cut)
        seconds += behaviour.latency_per_token * sum(len(one.tokens) for one in said)
        answer = json.dumps(dialect.answer(body, said, behaviour)).encode()
        return whole_reply(answer[: len(answer) // 2] if fault == "malformed" else answer, seconds, cut)

    def _error(self, dialect: Dialect, problem: Problem) -> bytes:
        status, body = dialect.error(problem)
        after = self._behaviour.retry_after if problem.retry_after is None else problem.retry_after
        headers = {"Retry-After": f"{after:g}"} if status == 429 and after is not None else {}
        return message(status, json.dumps(body).encode(), headers)

    # What is looked up

    def _looked_up(self, request: HttpRequest) -> bytes:
        """What a server says of itself, its files and its batches."""
        speaker = _SPEAKERS[self._behaviour.dialect]
        try:
            if request.path != "/health":
                self._check_caller(speaker, request)
            found = self._found(request)
        except Problem as problem:
            return self._error(speaker, problem)
        return message(200, found if isinstance(found, bytes) else json.dumps(found).encode())

    def _found(self, request: HttpRequest) -> Body | bytes:
        name = (self._behaviour.models or ("stand-in",))[0]
        match self._behaviour.dialect, request.method, request.path.strip("/").split("/"):
            case "openai" | "sglang" | "tgi", "GET", ["v1", "models"]:
                return models(self._behaviour)
            case "sglang" | "tgi", "GET", ["health"]:
                return b""
            case "sglang", "GET", ["get_model_info" | "model_info"]:
                return {"model_path": name, "served_model_name": name, "is_generation": True}
            case "tgi", "GET", ["info"]:
                limit = self._behaviour.max_prompt_tokens
                return {"model_id": name, "max_input_tokens": limit, "version": "contract"}
            case "openai", method, ["v1", "files" | "batches", *_] as path:
                return self._batch_call(method, path[1:], request)
            case _:
                raise Problem("no_path", f"Unknown request URL: {request.method} {request.path}.")

    def _batch_call(self, method: str, path: list[str], request: HttpRequest) -> Body | bytes:
        match method, path:
            case "POST", ["files"]:
                return self._batches.upload(request.headers.get("content-type", ""), request.body)
            case "GET", ["files", identity, "content"]:
                return self._batches.content(identity)
            case "POST", ["batches"]:
                return self._batches.create(
                    _json(request.body), self._behaviour, self._answered_in_batch(request)
                )
            case "GET", ["batches"]:
                return self._batches.page(request.query)
            case "GET", ["batches", identity]:
                return self._batches.show(identity)
            case "POST", ["batches", identity, "cancel"]:
                return self._batches.cancel(identity)
            case _:
                raise Problem("no_path", f"Unknown request URL: {request.method} {request.path}.")

    def _answered_in_batch(self, request: HttpRequest) -> Answering:
        def answer(path: str, body: Body) -> tuple[int, Body | list[Body]]:
            dialect = _OPENAI[path]
            body_hash = short_hash(json.dumps(body).encode())
            arrival = self._arrivals.arrive(path, body_hash)
            try:
                said = self._said(dialect, request, body, None, body_hash)
            except Problem as problem:
                self._arrivals.leave(arrival, problem.kind)
                return dialect.error(problem)
            self._arrivals.leave(arrival, BATCHED)
            return 200, dialect.answer(body, said, self._behaviour)

        return answer

    # What a test asks

    def _controlled(self, request: HttpRequest, connection: Connection) -> bytes:
        match request.method, request.path.removeprefix("/_control/"):
            case "GET", "log":
                said: Any = self._arrivals.log()
            case "GET", "counts":
                said = {**self._arrivals.counts(), "connections": len(self.connections) - 1}
            case "POST", "behaviour":
                try:
                    self._behave(self._behaviour.changed(json.loads(request.body)))
                except (TypeError, ValueError) as error:
                    return message(400, json.dumps({"error": str(error)}).encode())
                said = asdict(self._behaviour)
            case "POST", "reset":
                for other in self.connections - {connection}:
                    other.close()
                self._arrivals.log_to(None)
                self._start(Behaviour())
                said = asdict(self._behaviour)
            case _:
                return message(404, b"{}")
        return message(200, json.dumps(said).encode())

    def _start(self, behaviour: Behaviour) -> None:
        self._arrivals = Arrivals()
        self._batches = Batches()
        self._behaviour = Behaviour()
        self._behave(behaviour)

    def _behave(self, behaviour: Behaviour) -> None:
        rates = ((behaviour.requests_per_minute, False), (behaviour.tokens_per_minute, True))
        self._limits = [
            (limit(behaviour.counting, rate), is_tokens) for rate, is_tokens in rates if rate is not None
        ]
        self._behaviour = behaviour
        self._arrivals.log_to(behaviour.log_file)
        self._texts: Mapping[str, str] = (
            json.loads(Path(behaviour.answers).read_text(encoding="utf-8")) if behaviour.answers else {}
        )


def _json(body: bytes) -> Body:
    try:
        read: Body = json.loads(body)
    except ValueError as error:
        raise Problem("bad_request", f"We could not parse the JSON body of your request: {error}") from error
    return read
