"""HTTP to one endpoint over connections that are kept; what breaks on the way is classified here."""

import asyncio
import io
import json
import logging
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from math import inf
from typing import Any, Literal
from urllib.parse import urlsplit

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError

from backends.calls.failure import CallFailed, Failure, FailureKind
from backends.calls.loop import engine_loop, loop_time
from backends.calls.proxies import proxy_for
from backends.calls.refusals import error_of, failure_kind, param_of, parsed, retry_after, tells_error
from backends.errors import BackendError
from metrics.shown_text import in_one_line

log = logging.getLogger("assay")

_LONGEST_MESSAGE = 500
_LONGEST_SHOWN = 200
_LONGEST_EVENT = 1 << 22  # bytes; log-probabilities of many tokens may come in one
# Gateways tell of themselves, policies and cookies in headers that are longer than aiohttp's limit of 8 KiB.
_LONGEST_HEADER, _MOST_HEADERS = 1 << 20, 1024
_SHORTEST_SECRET = 8  # what is shorter, such as EMPTY, keeps nobody out, and may be part of any message
# The end of a stream may come a little after its last event; who waits for it can use the connection again.
_REST_SECONDS = 0.5
# Longer than the slowest network takes to a server that is there.
_CONNECT_SECONDS = 30.0
_DATA, _EVENT, _DONE, _ERROR = b"data:", b"event:", b"[DONE]", b"error"


@dataclass(frozen=True, slots=True)
class Reply:
    """A JSON object that came back. sent, received: when the request left and when all of the answer was
    there, by the monotonic clock. status: of HTTP. part: of a streamed answer, whether it is an event, the
    mark of the stream's end, or all of the answer, from a server that does not stream."""

    content: dict[str, Any]
    sent: float
    received: float
    status: int = 200
    part: Literal["event", "end", "whole"] = "whole"


class Http:
    """Talks JSON to one endpoint; on the engine's loop only.

    base_url: what paths are appended to. headers: of every request. verify: whether certificates are checked,
    or a file of authorities. secrets: what must be in no message, such as the key. is_here: whether it is a
    server of our own, to which no proxy leads. if_refused: the way out where it lets nobody in.
    """

    def __init__(
        self,
        base_url: str,
        headers: Mapping[str, str],
        *,
        verify: bool | str = True,
        secrets: Iterable[str | None] = (),
        is_here: bool = False,
        if_refused: str = "",
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._headers = dict(headers)
        self._verify = verify
        self._secrets = [secret for secret in secrets if secret and len(secret) >= _SHORTEST_SECRET]
        self._said = set[str]()
        self._is_here = is_here
        self._if_refused = if_refused

    async def post(self, path: str, body: Mapping[str, Any], *, timeout: float) -> Reply:
        """The answer to a JSON body. Raises CallFailed."""
        return await self._reply("POST", path, timeout, data=json.dumps(body).encode())

    async def get(self, path: str, *, timeout: float) -> Reply:
        """What is at a path. Raises CallFailed."""
        return await self._reply("GET", path, timeout)

    async def knock(self, path: str, *, timeout: float) -> None:
        """Post nothing, which no endpoint answers as a question. Raises CallFailed, as a rule."""
        await self._reply("POST", path, timeout, data=b"")

    async def connects(self, seconds: float) -> bool:
        """Whether there is somebody to connect to: at the address, or its proxy."""
        parts = urlsplit(self._proxy or self.base_url)
        port = parts.port or {"https": 443}.get(parts.scheme, 80)
        try:
            async with asyncio.timeout(seconds):
                _, writer = await asyncio.open_connection(parts.hostname, port)
        except (OSError, TimeoutError):
            return False
        writer.close()
        return True

    async def upload(self, path: str, fields: Mapping[str, str], content: bytes, *, timeout: float) -> Reply:
        """The answer to a form with a file in it, named `file`. Raises CallFailed."""
        form = aiohttp.FormData(fields)
        form.add_field("file", io.BytesIO(content), filename="lines.jsonl", content_type="application/jsonl")
        body = form()
        headers = {"content-type": body.headers["content-type"]}
        return await self._reply("POST", path, timeout, data=body, headers=headers)

    async def content(self, path: str, *, timeout: float) -> bytes:
        """A file's content. Raises CallFailed."""
        async with self._exchange("GET", path, timeout) as (response, _):
            return await response.read()

    async def events(
        self, path: str, body: Mapping[str, Any], *, timeout: float, ends: float = inf
    ) -> AsyncGenerator[Reply, None]:
        """The events of a streamed answer (server-sent events) as they come.

        timeout: how long it may bring nothing. ends: when it must have ended, by the loop's clock. Raises
        CallFailed, also where the stream breaks off.
        """
        sent = time.monotonic()
        data = json.dumps(body).encode()
        async with self._exchange("POST", path, timeout, data=data) as (response, limit):
            if response.content_type == "application/json":
                yield Reply(self._object(await response.read()), sent, time.monotonic(), response.status)
                return
            name = b""
            async for line in response.content:
                limit.reschedule(min(loop_time() + timeout, ends))
                if line.startswith(_EVENT):
                    name = line[len(_EVENT) :].strip()
                data = line[len(_DATA) :].strip() if line.startswith(_DATA) else b""
                if data == _DONE:
                    await _rest(response)
                    yield Reply({}, sent, time.monotonic(), response.status, "end")
                    return
                if data:
                    content = self._object(data, is_error=name == _ERROR)
                    yield Reply(content, sent, time.monotonic(), response.status, "event")

    def failed(
        self,
        kind: FailureKind,
        message: str,
        *,
        retry_after: float | None = None,
        status: int = 0,
        code: str = "",
        param: str = "",
        came: Mapping[str, Any] | None = None,
    ) -> CallFailed:
        """A failure whose message is one line that names the endpoint and holds no secret.

        came: as much of an answer as could be read, where one had begun to come.
        """
        said = in_one_line(" ".join(self.without_secrets(message).split()))[:_LONGEST_MESSAGE]
        return CallFailed(Failure(kind, f"{self.base_url}: {said}", retry_after, status, code, param), came)

    def say(self, message: str) -> None:
        """Tell the user something of this endpoint, once."""
        if message not in self._said:
            self._said.add(message)
            log.warning("%s: %s", self.base_url, message)

    def without_secrets(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    async def _reply(self, method: str, path: str, timeout: float, **how: Any) -> Reply:
        sent = time.monotonic()
        async with self._exchange(method, path, timeout, **how) as (response, _):
            text = await response.read()
        return Reply(self._object(text), sent, time.monotonic(), response.status)

    @asynccontextmanager
    async def _exchange(
        self, method: str, path: str, timeout: float, **how: Any
    ) -> AsyncIterator[tuple[aiohttp.ClientResponse, asyncio.Timeout]]:
        """An answer that is not a refusal, and the limit of its time; whatever breaks within the block is a
        CallFailed."""
        session, proxy = self._session, self._proxy
        came: dict[str, Any] | None = None
        try:
            async with (
                asyncio.timeout(timeout) as limit,
                session.request(
                    method, self.base_url + path, proxy=proxy, allow_redirects=False, **how
                ) as response,
            ):
                if response.status >= 300:
                    raise self._refusal(response.status, await response.text("utf-8", "replace"), response)
                came = {}
                yield response, limit
        except aiohttp.ConnectionTimeoutError as error:
            raise self.failed("transient", f"no connection within {_CONNECT_SECONDS:g} s") from error
        except TimeoutError as error:
            raise self.failed("timed_out", f"no answer within {timeout:g} s") from error
        except aiohttp.ClientConnectorCertificateError as error:
            raise self.failed("unauthorized", f"{error.certificate_error}") from error
        except (aiohttp.ClientError, OSError) as error:  # may quote what came, and what was sent with it
            raise self.failed("transient", f"{type(error).__name__}: {error}", came=came) from None
        except (ValueError, HttpProcessingError) as error:  # an event longer than `_LONGEST_EVENT`
            raise self.failed("malformed", str(error), came=came) from None

    def _refusal(self, status: int, text: str, response: aiohttp.ClientResponse) -> CallFailed:
        content = parsed(text)
        message, code = error_of(content)
        if status < 400:
            message = f"moved to {response.headers.get('location')}; that may be the address to give"
        wait = retry_after(response.headers, time.time())
        kind = failure_kind(status, code, message)
        way_out = f" ({self._if_refused})" if self._if_refused and status in (401, 403) else ""
        said = f"HTTP {status}: {message}{way_out}"
        param = param_of(content)
        return self.failed(kind, said, retry_after=wait, status=status, code=code, param=param)

    def _object(self, text: bytes, *, is_error: bool = False) -> dict[str, Any]:
        try:
            content = json.loads(text)
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict):
            said = text.decode(errors="replace")
            message = f"the answer is no JSON object: {said[:_LONGEST_SHOWN]!r}"
            raise self.failed("malformed", message, came={"text": said})
        if is_error or tells_error(content):
            raise self.told(content)
        return content

    def told(self, content: dict[str, Any]) -> CallFailed:
        """The failure that an answer tells of though it, or the stream's beginning, had the status 200."""
        message, code = error_of(content)
        status = int(code) if code.isdecimal() and len(code) == 3 else 500
        came = content if content.get("usage") or content.get("choices") else None
        return self.failed(failure_kind(status, code), message, status=200, code=code, came=came)

    @cached_property
    def _session(self) -> aiohttp.ClientSession:
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=_trust(self._verify)),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"content-type": "application/json", **self._headers},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),  # each try has its own
            read_bufsize=_LONGEST_EVENT // 2,
            max_line_size=_LONGEST_HEADER,
            max_field_size=_LONGEST_HEADER,
            max_headers=_MOST_HEADERS,
        )
        engine_loop().at_exit(session.close)
        return session

    @cached_property
    def _proxy(self) -> str | None:
        """Looked up once, which aiohttp would do for every request."""
        return None if self._is_here else proxy_for(self.base_url)


async def _rest(response: aiohttp.ClientResponse) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(_REST_SECONDS):
            await response.read()


def _trust(verify: bool | str) -> ssl.SSLContext | bool:
    if isinstance(verify, bool):
        return verify
    try:
        return ssl.create_default_context(cafile=verify)
    except OSError as error:
        raise BackendError(f"verify={verify}: no file of certificate authorities ({error})") from error
