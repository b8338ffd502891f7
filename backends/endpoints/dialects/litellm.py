"""Whatever the package litellm reaches: it makes the calls, and answers in the words of OpenAI's chat.

Only the call is litellm's. Its retries, caches and telemetry are off, as the engine has its own.
"""

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from math import inf
from pathlib import Path
from typing import Any

from backends.calls.endpoint_options import EndpointOptions, api_key, resolved_headers
from backends.calls.failure import CallFailed
from backends.calls.http import Http, Reply
from backends.calls.key_hosts import goes_in_the_open
from backends.calls.loop import engine_loop, loop_time
from backends.calls.refusals import CONTENT_FILTER, failure_kind, retry_after
from backends.endpoints.backend import EndpointBackend
from backends.endpoints.endpoint_model import Remote
from backends.endpoints.openai_chat import OpenAIChat
from backends.endpoints.openers import OPEN, account_of, refuse_options, refuse_tokens

# litellm finds keys in the environment by itself; whatever may be one is kept out of messages. Shorter values
# are no keys, and would blank out words.
_SECRET_NAMES = ("KEY", "TOKEN", "SECRET", "PASSWORD")
_SHORTEST_SECRET = 8
_NO_KEY = "none"
_ONE_TRY = {"caching": False, "num_retries": 0, "max_retries": 0, "drop_params": False}


def open_litellm(name: str, *, options: EndpointOptions, home: Path) -> EndpointBackend:
    """A model as litellm names it, `provider/model`; `base_url` is what it calls `api_base`.

    The key is that of `api_key_env`, else where litellm looks for the provider's.
    """
    dialect = OpenAIChat(name, name="litellm")
    where = f"{dialect.name}:{name}"
    refuse_options(where, options, verify="litellm has SSL_VERIFY and SSL_CERT_FILE in the environment")
    refuse_tokens(where, options)
    key = api_key(options, "", options.base_url or "", required=False, backend=where).value
    headers = resolved_headers(options, where)
    # Without one litellm sends what it finds in the environment, to whatever address.
    used = _NO_KEY if options.base_url and key is None else key
    transport = LiteLLM(name, options.base_url, used, headers)
    if options.base_url and (key or headers) and goes_in_the_open(options.base_url):
        transport.say(OPEN)
    return EndpointBackend(Remote(dialect, transport, options, account_of(key, headers)))


class LiteLLM(Http):
    """Calls through litellm in place of our own; on the engine's loop only.

    model: as litellm names it. key: for the provider, where it is not litellm's to find.
    """

    def __init__(self, model: str, address: str | None, key: str | None, headers: Mapping[str, str]) -> None:
        super().__init__(
            address or f"litellm:{model.partition('/')[0]}",
            headers,
            secrets=[key, *headers.values(), *_secrets_around()],
        )
        self._model = model
        self._is_own = address is not None or key is not None
        given = {"api_base": address, "api_key": key, "extra_headers": dict(headers) or None}
        self._how = {name: value for name, value in given.items() if value is not None}

    async def post(self, path: str, body: Mapping[str, Any], *, timeout: float) -> Reply:
        """The answer to a body, which is litellm's arguments; the path is litellm's to know."""
        sent = time.monotonic()
        with self._failures(timeout):
            async with asyncio.timeout(timeout):
                answer = await self._completion(body, timeout)
        return Reply(answer.model_dump(), sent, time.monotonic())

    async def events(
        self, path: str, body: Mapping[str, Any], *, timeout: float, ends: float = inf
    ) -> AsyncGenerator[Reply, None]:
        """The parts of a streamed answer as they come."""
        sent = time.monotonic()
        with self._failures(timeout):
            async with asyncio.timeout(timeout) as limit:
                async for part in await self._completion(body, timeout):
                    limit.reschedule(min(loop_time() + timeout, ends))
                    yield Reply(part.model_dump(), sent, time.monotonic(), part="event")

    async def get(self, path: str, *, timeout: float) -> Reply:
        """Whether litellm finds the provider's key: it has no call that asks whether anybody is there."""
        found = await asyncio.to_thread(lambda: _package().validate_environment(self._model))
        if found["missing_keys"] and not self._is_own:
            missing = ", ".join(found["missing_keys"])
            raise self.failed("unauthorized", f"set {missing} in the environment")
        now = time.monotonic()
        return Reply({}, now, now)

    async def _completion(self, body: Mapping[str, Any], timeout: float) -> Any:
        package = await asyncio.to_thread(_package)
        return await package.acompletion(**{**body, **self._how, **_ONE_TRY, "timeout": timeout})

    @contextmanager
    def _failures(self, timeout: float) -> Iterator[None]:
        """What goes wrong within is a CallFailed: litellm's own exceptions are all OpenAI's."""
        from openai import OpenAIError

        try:
            yield
        except TimeoutError as error:
            raise self.failed("timed_out", f"no answer within {timeout:g} s") from error
        except OpenAIError as error:
            raise self._failure(error) from error

    def _failure(self, error: Any) -> CallFailed:
        """By the class of an exception, which decides its status."""
        package = _package()
        is_filtered = isinstance(error, package.ContentPolicyViolationError)
        code = CONTENT_FILTER if is_filtered else _code_of(error)
        status, message = getattr(error, "status_code", 0), str(error)
        if isinstance(error, package.Timeout):
            return self.failed("timed_out", message)
        is_unread = isinstance(error, package.APIResponseValidationError)
        wait = retry_after(getattr(error, "litellm_response_headers", None) or {}, time.time())
        return self.failed(
            "malformed" if is_unread else failure_kind(status, code, message),
            message,
            retry_after=wait,
            status=status,
            code=code,
        )


def _code_of(error: BaseException) -> str:
    """The endpoint's own word for a failure, which only the error has that litellm's one replaces."""
    body = getattr(error.__context__, "body", None)
    return str(body.get("code") or "") if isinstance(body, dict) else ""


@cache
def _package() -> Any:
    """litellm, which takes seconds to import, with what it does on its own switched off."""
    # Read when it is imported: else it fetches a list of prices, and reads any .env file around.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    os.environ.setdefault("LITELLM_MODE", "PRODUCTION")
    import litellm
    from litellm.llms.custom_httpx.async_client_cleanup import close_litellm_async_clients

    litellm.telemetry = False
    litellm.suppress_debug_info = True  # it prints advice for every failure
    litellm.cache = None
    engine_loop().at_exit(close_litellm_async_clients)
    return litellm


def _secrets_around() -> list[str]:
    return [
        value
        for name, value in os.environ.items()
        if any(part in name.upper() for part in _SECRET_NAMES) and len(value) >= _SHORTEST_SECRET
    ]
