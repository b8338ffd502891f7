"""A stand-in for the Hugging Face Hub: what its client asks for to make, write and read repositories.

It runs in a thread of the test. Faults are put into `Hub.faults`, and each meets one request.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

import yaml

from tests.support.hub.repository import Refused, Repository, is_large, oid_of, read_commit

WRITES, READS = "hf_writes", "hf_reads"


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with the next request whose path has `where` in it.

    status: answered in place of what there is to say; 200: that is said; 0: nothing is, the connection
    closes. applied: whether a request that is answered so is carried out all the same. seconds: waited first.
    """

    where: str
    status: int = 200
    applied: bool = False
    seconds: float = 0.0


@dataclass
class Hub:
    """The server's state. calls: method and path of each request. before_commit: called when one arrives."""

    url: str = ""
    repositories: dict[tuple[str, str], Repository] = field(default_factory=dict)
    large: dict[str, bytes] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    before_commit: Callable[[], object] = lambda: None

    def dataset(self, name: str) -> Repository:
        return self.repositories["datasets", name]

    def add(self, kind: str, name: str, *, private: bool = True) -> Repository:
        made = self.repositories[kind, name] = Repository(kind, name, private)
        return made

    def fault_of(self, path: str) -> Fault | None:
        for number, fault in enumerate(self.faults):
            if fault.where in path:
                return self.faults.pop(number)
        return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: ClassVar[Hub]

    def log_message(self, *_: Any) -> None: ...

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.hub.calls.append(f"{self.command} {self.path}")
        fault = self.hub.fault_of(self.path) or Fault("")
        time.sleep(fault.seconds)
        answer = self._answer(body) if fault.applied or fault.status == 200 else None
        if fault.status == 0:
            self.close_connection = True
        elif fault.status == 200 and answer:
            self._send(*answer)
        else:
            self._send(fault.status, {}, b'{"error": "injected"}')

    do_GET = do_HEAD = do_POST = do_PUT = _serve  # noqa: N815 - the names that http.server looks for

    def _answer(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        try:
            found = self._route(body)
        except Refused as refused:
            headers = {"X-Error-Code": refused.code, "X-Error-Message": str(refused)}
            return refused.status, headers, json.dumps(refused.body).encode()
        if isinstance(found, tuple):
            return 200, found[0], found[1]
        return 200, {"Content-Type": "application/json"}, json.dumps(found).encode()

    def _send(self, status: int, headers: dict[str, str], answer: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(answer))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)

    # What is asked for

    def _route(self, body: bytes) -> Any:
        address = urlsplit(self.path)
        self._query = {name: values[0] for name, values in parse_qs(address.query).items()}
        parts = [unquote(part) for part in address.path.strip("/").split("/")]
        match parts:
            case ["api", "repos", "create"]:
                return self._create(json.loads(body))
            case ["api", "validate-yaml"]:
                return self._validate(json.loads(body)["content"])
            case ["api", kind, owner, name, *rest]:
                return self._api(self._repository(kind, f"{owner}/{name}"), rest, body)
            case ["datasets", owner, name, "info", "lfs", "objects", "batch"] if name.endswith(".git"):
                self._may_write()
                return self._batch(json.loads(body))
            case ["large", oid]:
                self.hub.large[oid] = body
                return {}
            case ["datasets", owner, name, "resolve", revision, *path]:
                return self._file(self._repository("datasets", f"{owner}/{name}"), revision, "/".join(path))
            case [owner, name, "resolve", revision, *path]:
                return self._file(self._repository("models", f"{owner}/{name}"), revision, "/".join(path))
        raise Refused(404, message=f"no such address: {self.path}")

    def _api(self, repository: Repository, rest: list[str], body: bytes) -> Any:
        match rest:
            case [] | ["revision", _]:
                return self._info(repository, rest[1] if rest else "main")
            case ["tree", revision, *_]:
                files = repository.at(revision).files
                return [_entry(path, content) for path, content in files.items()]
            case ["paths-info", revision]:
                return self._paths(repository.at(revision).files, body)
            case ["preupload", revision]:
                self._may_write()
                asked = json.loads(body)["files"]
                return {"files": [_mode(repository.at(revision).files, one["path"]) for one in asked]}
            case ["commit", "main"]:
                self._may_write()
                return self._commit(repository, body)
            case ["discussions"]:
                found = [_discussion(repository, one.number) for one in repository.pull_requests]
                return {"discussions": found, "count": len(found), "start": 0}
        raise Refused(404, message=f"no such address: {self.path}")

    def _create(self, asked: dict[str, Any]) -> Any:
        self._may_write()
        kind, name = f"{asked.get('type', 'model')}s", f"{asked['organization']}/{asked['name']}"
        url = f"{self.hub.url}/{kind}/{name}"
        if (kind, name) in self.hub.repositories:
            raise Refused(409, message="You already created this repo", url=url)
        self.hub.add(kind, name, private=asked.get("visibility") == "private")
        return {"url": url}

    def _validate(self, content: str) -> Any:
        front = content.split("---\n")[1] if content.startswith("---\n") else ""
        try:
            yaml.safe_load(front)
        except yaml.YAMLError as error:
            raise Refused(400, message=str(error)) from error
        return {"errors": [], "warnings": []}

    def _info(self, repository: Repository, revision: str) -> Any:
        commit = repository.at(revision)
        return {
            "id": repository.name,
            "sha": commit.oid,
            "private": repository.private,
            "siblings": [{"rfilename": path} for path in commit.files],
        }

    def _paths(self, files: Any, body: bytes) -> Any:
        asked = parse_qs(body.decode()).get("paths") or json.loads(body)["paths"]
        return [_entry(path, files[path]) for path in asked if path in files]

    def _batch(self, asked: dict[str, Any]) -> Any:
        objects = []
        for one in asked["objects"]:
            upload = {"href": f"{self.hub.url}/large/{one['oid']}"}
            objects.append(one if one["oid"] in self.hub.large else {**one, "actions": {"upload": upload}})
        return {"transfer": "basic", "objects": objects}

    def _commit(self, repository: Repository, body: bytes) -> Any:
        self.hub.before_commit()
        header, files = read_commit(body, self.hub.large)
        if header.get("parentCommit", repository.head.oid) != repository.head.oid:
            raise Refused(412, message="A commit has happened since. Please refresh and try again.")
        prefix = "" if repository.kind == "models" else f"{repository.kind}/"
        where = f"{self.hub.url}/{prefix}{repository.name}"
        if self._query.get("create_pr"):
            made = repository.request(header["summary"], files)
            address, oid = f"{where}/discussions/{made.number}", made.commit.oid
            return {"commitUrl": f"{where}/commit/{oid}", "commitOid": oid, "pullRequestUrl": address}
        commit = repository.commit(header["summary"], files)
        return {"commitUrl": f"{where}/commit/{commit.oid}", "commitOid": commit.oid}

    def _file(self, repository: Repository, revision: str, path: str) -> Any:
        commit = repository.at(revision)
        if path not in commit.files:
            raise Refused(404, "EntryNotFound")
        content = commit.files[path]
        return {"ETag": f'"{oid_of(path, content)}"', "X-Repo-Commit": commit.oid}, content

    # Who may

    @property
    def _token(self) -> str:
        return (self.headers.get("Authorization") or "").removeprefix("Bearer ")

    def _repository(self, kind: str, name: str) -> Repository:
        found = self.hub.repositories.get((kind, name))
        if found is None or (found.private and self._token not in (WRITES, READS)):
            raise Refused(404 if self._token else 401, "RepoNotFound")
        return found

    def _may_write(self) -> None:
        if self._token == READS:
            raise Refused(403, message="you have no write permission")
        if self._token != WRITES:
            raise Refused(401, message="Invalid credentials in Authorization header")


def _entry(path: str, content: bytes) -> dict[str, Any]:
    entry = {"type": "file", "path": path, "size": len(content), "oid": oid_of(path, content)}
    if is_large(path):
        entry["lfs"] = {"oid": oid_of(path, content), "size": len(content), "pointerSize": 130}
    return entry


def _mode(files: Any, path: str) -> dict[str, Any]:
    known = {"oid": oid_of(path, files[path])} if path in files else {}
    return {
        "path": path,
        "uploadMode": "lfs" if is_large(path) else "regular",
        "shouldIgnore": False,
        **known,
    }


def _discussion(repository: Repository, number: int) -> dict[str, Any]:
    return {
        "title": repository.pull_requests[number - 1].commit.title,
        "num": number,
        "createdAt": "2026-01-01T00:00:00.000Z",
        "status": "open",
        "repo": {"name": repository.name, "type": repository.kind.removesuffix("s")},
        "isPullRequest": True,
    }


@contextmanager
def serving() -> Iterator[Hub]:
    """A Hub on a free port of this machine, for as long as the block."""
    hub = Hub()
    handler: Callable[..., BaseHTTPRequestHandler] = type("Handler", (_Handler,), {"hub": hub})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads, server.block_on_close = True, False  # a slow answer is not waited for
        hub.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()
